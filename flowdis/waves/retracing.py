r"""Retracing: how far a motion that is run back returns.

Waves without friction and noise can be run backwards to where they came from; what diffuses cannot. Two ratios say
how well: of the end alone, and of the whole way,

.. math:: \frac{|z_{\text{back}} - z_0|}{|z_T - z_0|}, \qquad
    \sqrt{\frac{\sum_t |\tilde z_{T - t} - z_t|^2}{\sum_t |z_t - \bar z|^2}},

with :math:`\tilde z_s` the state after s steps back.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite

__all__ = ["retrace_ratio", "return_ratio"]


def return_ratio(
    start: Float[Tensor, "*batch S"], end: Float[Tensor, "*batch S"], back: Float[Tensor, "*batch S"]
) -> Float[Tensor, "*batch"]:
    """How far from its start each state ends up when it is run back, over how far it had gone.

    0 if it returns, 1 if it comes no nearer than it was; no upper end. It says nothing of where it went in between.

    Arguments:
        start: The states before, with shape (*, S).
        end: The states after running forward.
        back: The states after running back from there, with the same momenta signs as the start.

    Returns:
        The ratio of each, with shape (*).

    Raises:
        ValueError: if a value is not finite, or a state has not moved, which makes any return empty.

    Example:
        >>> import torch
        >>> start, end = torch.zeros(1, 2), torch.ones(1, 2)
        >>> return_ratio(start, end, back=0.25 * end)
        tensor([0.2500])
    """
    for name, states in (("start", start), ("end", end), ("back", back)):
        check_finite(name, states)
    gone = (end - start).norm(dim=-1)
    if bool((gone == 0).any()):
        index = tuple((gone == 0).nonzero()[0].tolist())
        raise ValueError(f"`end` must differ from `start`, got a state that has not moved at index {index}")
    return (back - start).norm(dim=-1) / gone


def retrace_ratio(there: Float[Tensor, "T *batch S"], back: Float[Tensor, "T *batch S"]) -> Float[Tensor, "*batch"]:
    """How far from its way there each state is on its way back, in root mean square over the frames.

    Relative to the motion's own root mean square about its mean: 0 if it goes back the way it came, 1 if a state that
    stands still at the mean would do as well, about the root of 2 for another motion of the same size.

    Arguments:
        there: The states on the way there, with shape (T, *, S).
        back: The states on the way back, the first at the end of the way there.

    Returns:
        The ratio of each, with shape (*).

    Raises:
        ValueError: if there are fewer than two frames, a value is not finite, or a state does not move.
    """
    if len(there) < 2:
        raise ValueError(f"`there` must have at least 2 frames, got {len(there)}")
    check_finite("there", there)
    check_finite("back", back)
    motion = (there - there.mean(0)).square().sum((0, -1))
    if bool((motion == 0).any()):
        index = tuple((motion == 0).nonzero()[0].tolist())
        raise ValueError(f"`there` must move, got a state that stands still at index {index}")
    return ((back.flip(0) - there).square().sum((0, -1)) / motion).sqrt()

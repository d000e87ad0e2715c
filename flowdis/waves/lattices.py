"""What all measures of waves share: frames first, sites last, and the checks that say so."""

from __future__ import annotations

from jaxtyping import Complex, Float
from torch import Tensor

from flowdis._checks import check_finite

__all__ = ["Activity", "Phase", "Signal", "check_dimension", "check_lattice", "site_axes"]

Activity = Float[Tensor, "T *sites"]
Phase = Float[Tensor, "T *sites"]
Signal = Complex[Tensor, "T *sites"]

_LAYOUT = {1: "(T, *, N)", 2: "(T, *, H, W)"}


def check_dimension(dimension: int) -> int:
    """Returns `dimension` if it is 1 (a ring or a line of sites) or 2 (a torus or a patch).

    Raises:
        ValueError: naming what came.
    """
    if dimension not in _LAYOUT:
        raise ValueError(f"`dimension` must be 1 (sites on a ring) or 2 (sites on a torus), got {dimension}")
    return dimension


def check_lattice(argument: str, tensor: Tensor, dimension: int, *, frames: int = 1) -> Tensor:
    """Returns `tensor` if it holds finite values over time on a lattice.

    Arguments:
        argument: What the caller calls it.
        tensor: Values with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        frames: How many frames there must be at least.

    Raises:
        ValueError: if axes, frames or sites are missing (two sites at least along each axis), or a value is not finite.
    """
    check_dimension(dimension)
    shape = tuple(tensor.shape)
    if tensor.ndim < 1 + dimension or 0 in shape or min(shape[-dimension:]) < 2:
        raise ValueError(
            f"`{argument}` must have shape {_LAYOUT[dimension]} with two sites or more along each axis, got {shape}"
        )
    if shape[0] < frames:
        raise ValueError(f"`{argument}` must have at least {frames} frames, got {shape[0]}")
    return check_finite(argument, tensor)


def site_axes(dimension: int) -> tuple[int, ...]:
    """The axes that count sites, from the end.

    Example:
        >>> site_axes(2)
        (-2, -1)
    """
    return tuple(range(-check_dimension(dimension), 0))

"""The steps of an oscillator lattice: symmetric splitting around the exact linear motion, and the published step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from flowdis.dynamics.base import FlowError
from flowdis.dynamics.propagators import Propagator

__all__ = ["Force", "nwm_step", "published_steps", "split_steps", "undo_published_steps"]

_States = Iterator[tuple[Tensor, Tensor]]

_ROUNDS = 100  # of the fixed point of a kick that depends on the momenta; a handful suffice


@dataclass(frozen=True, eq=False)
class Force:
    """The nonlinear force on spectra (F, 2 C, B), bound to weights and drive.

    Arguments:
        source: From positions, what is worked out once for each of them: the force itself where `push` is None.
        push: From the source and the momenta to the force, where it depends on the momenta.
    """

    source: Callable[[Tensor], Tensor | None]
    push: Callable[[Tensor, Tensor], Tensor] | None = None

    def value(self, source: Tensor | None, p: Tensor) -> Tensor:
        """The force at the momenta, 0 where there is none."""
        if source is None:
            return torch.zeros_like(p)
        return source if self.push is None else self.push(source, p)

    def kick(self, source: Tensor | None, p: Tensor, time: float) -> Tensor:
        """The momenta after so much time at fixed positions.

        Exactly where the force does not depend on them; else by the implicit midpoint rule, which is symmetric, so that
        the kick by a negative time undoes it.

        Raises:
            FlowError: if the midpoint rule does not settle, because the step is too long for the force.
        """
        if source is None:
            return p
        if self.push is None:
            return torch.add(p, source, alpha=time)
        after = p + time * self.push(source, p)
        for _ in range(_ROUNDS):
            before, after = after, p + time * self.push(source, (p + after) / 2)
            size = torch.finfo(p.dtype).eps * (1 + float(after.detach().abs().max()))
            if not float((after - before).detach().abs().max()) > 8 * size:
                return after
        raise FlowError(f"kick of {time:.4g} by a force of the momenta does not settle: a shorter step may help")


def split_steps(
    z: Tensor, p: Tensor, force: Force, linear: Propagator, step: float, frames: int, every: int = 1
) -> tuple[Tensor, Tensor]:
    """Half kick, exact linear step, half kick, again and again: symmetric, of second order.

    Arguments:
        z: The spectra of positions at the start, with shape (F, 2 C, B).
        p: Those of momenta.
        force: The nonlinear force, evaluated once a step.
        linear: The linear motion of one step.
        step: The time h of a step; negative, with the propagator of the same, for the inverse.
        frames: How many frames to return.
        every: How many steps there are from frame to frame.

    Returns:
        The spectra of positions and of momenta at each frame, with shape (T, F, 2 C, B), the start not among them.
    """

    def states(z: Tensor, p: Tensor) -> _States:
        source = force.source(z)
        while True:
            z, p = linear(z, force.kick(source, p, step / 2))
            source = force.source(z)
            p = force.kick(source, p, step / 2)
            yield z, p

    return _kept(states(z, p), frames, every)


def nwm_step(
    z: Tensor, p: Tensor, force: Tensor, *, stiffness: Tensor | float, damping: Tensor | float, step: float
) -> tuple[Tensor, Tensor]:
    r"""The published step, semi-implicit Euler: first the momenta, then the positions by the new ones.

    .. math:: p' = p + h (F(z, p) - \gamma z - \alpha p), \qquad z' = z + h p'

    It is of first order and not symmetric in time. With a force of the positions alone its log-determinant is
    :math:`N \log(1 - h \alpha)`, where the motion itself has :math:`-h \alpha N`.

    Arguments:
        z: The positions, fields or their spectra.
        p: The momenta.
        force: F at both.
        stiffness: gamma.
        damping: alpha.
        step: h.

    Reference: Keller and Welling 2023, Neural wave machines, ICML.

    Example:
        >>> z, p = nwm_step(torch.ones(1), torch.zeros(1), torch.zeros(1), stiffness=1.0, damping=0.5, step=0.5)
        >>> z.item(), p.item()
        (0.75, -0.5)
    """
    p = p + step * (force - stiffness * z - damping * p)
    return z + step * p, p


def published_steps(
    z: Tensor,
    p: Tensor,
    force: Force,
    stiffness: Tensor,
    damping: Tensor,
    step: float,
    frames: int,
    every: int = 1,
) -> tuple[Tensor, Tensor]:
    """The same by `nwm_step`; `stiffness` and `damping` are those of each wave, with shape (F, 2 C, 1)."""

    def states(z: Tensor, p: Tensor) -> _States:
        while True:
            pushed = force.value(force.source(z), p)
            z, p = nwm_step(z, p, pushed, stiffness=stiffness, damping=damping, step=step)
            yield z, p

    return _kept(states(z, p), frames, every)


def undo_published_steps(
    z: Tensor,
    p: Tensor,
    force: Force,
    stiffness: Tensor,
    damping: Tensor,
    step: float,
    frames: int,
    every: int = 1,
) -> tuple[Tensor, Tensor]:
    """Undoes `published_steps`, back by so many frames.

    Raises:
        ValueError: if the force depends on the momenta, as there is no closed form then.
    """
    if force.push is not None:
        raise ValueError('`inverse` must be left out of the integrator "nwm" where the force depends on momenta')

    def states(z: Tensor, p: Tensor) -> _States:
        while True:
            z = z - step * p
            pushed = force.value(force.source(z), p)
            p = (p - step * (pushed - stiffness * z)) / (1 - step * damping)
            yield z, p

    return _kept(states(z, p), frames, every)


def _kept(states: _States, frames: int, every: int) -> tuple[Tensor, Tensor]:
    """Every so many of the states, stacked by time: positions and momenta."""
    positions, momenta = zip(*islice(states, every - 1, frames * every, every), strict=True)
    return torch.stack(positions), torch.stack(momenta)

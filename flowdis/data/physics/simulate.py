"""Symplectic simulation: what conserves the energy without drift, however long the sequence.

Separable systems take leapfrog steps in the composition of fourth order of Yoshida (1990), the double pendulum steps of
Gauss's implicit method. Friction acts by an exact flow of its own within a symmetric step, in the middle of it or at
both of its ends; with friction, all is of fourth order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite, check_floating, check_last, check_positive
from flowdis.data.physics.double_pendulum import DoublePendulum
from flowdis.data.physics.gauss import Gauss
from flowdis.data.physics.separable import SeparableSystem

__all__ = ["simulate"]

_Start = Float[Tensor, "N S"]
_States = Float[Tensor, "T N S"]
_Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

_OUTER = 1 / (2 - 2 ** (1 / 3))
_YOSHIDA = (_OUTER, 1 - 2 * _OUTER, _OUTER)

_LONGEST_LEAP = 0.01
_LONGEST_GAUSS = 0.025


def simulate(
    system: SeparableSystem | DoublePendulum,
    start: _Start,
    steps: int,
    *,
    dt: float,
    friction: float = 0.0,
    substeps: int | None = None,
) -> _States:
    r"""Runs a batch of systems from their initial states.

    .. math:: \dot q = \partial H / \partial p, \qquad \dot p = - \partial H / \partial q - f \, \partial H / \partial p

    Arguments:
        system: The system.
        start: The initial states [positions, momenta], in float64, with shape (N, S).
        steps: The number of steps.
        dt: The time from one state to the next; a negative one runs backwards.
        friction: The friction f.
        substeps: Steps of the integrator for each of these; if left out, as many as make each at most 0.01 long, or
            0.025 for the double pendulum.

    Returns:
        The states at times 0, dt, .. steps dt, with shape (steps + 1, N, S), as exact as float64 and the order allow.

    Raises:
        TypeError: if the states are not in float64.
        ValueError: if a number is out of range, or a state stops being finite or a step cannot be solved for, as where
            bodies collide.

    Example:
        >>> from flowdis.data.physics import Spring
        >>> start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
        >>> simulate(Spring(stiffness=1.0, mass=1.0), start, 4, dt=math.pi / 2)[:, 0].round(decimals=6).abs().tolist()
        [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    if check_floating("start", start).dtype != torch.float64:
        raise TypeError(f"`start` must be in float64, got {start.dtype}")
    size = 2 * (2 if isinstance(system, DoublePendulum) else len(system.masses))
    check_finite("start", check_last("start", start, size, f"S={size} positions and momenta"))
    check_positive("abs(dt)", abs(dt))
    check_positive("friction", friction, zero=True)
    check_positive("steps", steps)
    longest = _LONGEST_GAUSS if isinstance(system, DoublePendulum) else _LONGEST_LEAP
    # A little is forgiven: 0.05 / 0.01 is above 5 by rounding.
    count = math.ceil(abs(dt) / longest - 1e-9) if substeps is None else substeps
    check_positive("substeps", count)
    parts = _parts(system, start, dt / count, friction)
    states = start.new_empty(steps + 1, *start.shape)
    states[0] = start
    positions, momenta = start[:, : size // 2], start[:, size // 2 :]
    for number in range(1, steps + 1):
        for _ in range(count):
            for part in parts:
                positions, momenta = part(positions, momenta)
        states[number] = torch.cat([positions, momenta], -1)
    return _checked(states, dt)


def _parts(system: SeparableSystem | DoublePendulum, like: Tensor, h: float, friction: float) -> list[_Step]:
    """What makes a step of length h, one after another."""
    if isinstance(system, SeparableSystem):
        return [_leapfrog(system, like, weight * h, friction) for weight in _YOSHIDA]
    gauss = Gauss(system.slopes, like)
    if friction == 0:
        return [partial(gauss.step, h)]
    return [_damped(system, weight * h, friction, partial(gauss.step, weight * h)) for weight in _YOSHIDA]


def _leapfrog(system: SeparableSystem, like: Tensor, h: float, friction: float) -> _Step:
    """Half a drift, friction for half the time, a kick, and both again."""
    drift = 0.5 * h / like.new_tensor(system.masses)
    decay = (-friction * drift).exp()

    def step(positions: Tensor, momenta: Tensor) -> tuple[Tensor, Tensor]:
        positions = positions + drift * momenta
        momenta = decay * (decay * momenta + h * system.force(positions))
        return positions + drift * momenta, momenta

    return step


def _damped(system: DoublePendulum, h: float, friction: float, free: _Step) -> _Step:
    """Friction for half the time, a step without, and friction again."""

    def damp(positions: Tensor, momenta: Tensor) -> Tensor:
        decay = torch.linalg.matrix_exp(-0.5 * h * friction * system.inverse_masses(positions))
        return (decay @ momenta[..., None])[..., 0]

    def step(positions: Tensor, momenta: Tensor) -> tuple[Tensor, Tensor]:
        positions, momenta = free(positions, damp(positions, momenta))
        return positions, damp(positions, momenta)

    return step


def _checked(states: Tensor, dt: float) -> Tensor:
    good = torch.isfinite(states).all(-1)
    if not bool(good.all()):
        time, row = (int(index) for index in (~good).nonzero()[0])
        raise ValueError(f"`start` must lead to finite states, got none of row {row} at time {time * dt:g}")
    return states

r"""Symmetric splitting: underdamped motion as a sequence of maps that are each solved exactly.

Written O for damping (and noise), B for the kick of the force, A for the drift of the latent,

    without noise    O/2  B/2  A  B/2  O/2        leapfrog where the damping is 0
    with noise       B/2  A/2  O  A/2  B/2        BAOAB (Leimkuhler and Matthews 2013)

Both are of order two. A step without noise by h is undone by the step by -h, up to rounding, and changes the volume of
(z, p) by exactly :math:`e^{-g h D}`. Damping alone slows a constant push by a factor of 1 - (g h)^2 / 24.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowdis.dynamics.base import Densities, Momenta, State
from flowdis.dynamics.segments import Piece, Segment, unit_mix
from flowdis.dynamics.solver import SOLVERS, Solver
from flowdis.dynamics.underdamped import Underdamped, as_number
from flowdis.fields import VelocityField

__all__ = ["advance", "split"]


def advance(
    dynamics: Underdamped,
    field: VelocityField,
    state: State,
    time: float | Tensor,
    step: float | Tensor,
    *,
    push: Momenta | None = None,
    noise: Momenta | None = None,
) -> tuple[State, Momenta]:
    """One step of underdamped motion.

    Arguments:
        dynamics: The numbers of the motion.
        field: The field, bound to a mix of unit size.
        state: The states (*, 2 D), latents and then momenta.
        time: When the step begins, a number or one per sample with shape (*).
        step: How long it takes, likewise; without noise, a negative step undoes the one that began at `time` + `step`.
        push: The force (*, D) at `time`, as the step before returned it; computed where left out.
        noise: Standard normal numbers (*, D), for a dynamics with a temperature.

    Returns:
        The states, and the force at the end.

    Raises:
        ValueError: if the states do not end in 2 D numbers, or noise does not come with a temperature alone.
    """
    if (noise is not None) != (dynamics.temperature > 0):
        raise ValueError(f"`noise` must be given at temperatures above 0 alone, got {dynamics.temperature}")
    z, p = dynamics.project(state), dynamics.momentum(state)
    push = dynamics.force(field, z, time) if push is None else push
    h = torch.as_tensor(step, dtype=z.dtype, device=z.device).unsqueeze(-1)
    end = time + step
    if noise is None:
        decay = torch.exp(-0.5 * dynamics.damping * h)
        p = decay * p + 0.5 * h * push
        z = z + h * p
        push = dynamics.force(field, z, end)
        p = decay * (p + 0.5 * h * push)
    else:
        decay = torch.exp(-dynamics.damping * h)
        p = p + 0.5 * h * push
        z = z + 0.5 * h * p
        p = decay * p + torch.sqrt(-dynamics.temperature * torch.expm1(-2 * dynamics.damping * h)) * noise
        z = z + 0.5 * h * p
        push = dynamics.force(field, z, end)
        p = p + 0.5 * h * push
    return torch.cat([z, p], dim=-1), push


def split(
    segment: Segment,
    state: State,
    log_q: Densities | None,
    steps: int,
    dynamics: Underdamped,
    solver: Solver,
    generator: torch.Generator | None = None,
) -> Piece:
    """Integrates one segment, with as many evaluations of the field as so many steps of the solver's method take.

    Arguments:
        segment: The segment.
        state: The states (*, 2 D) at its start.
        log_q: Their log-densities (*); None where none are asked for.
        steps: The number of the method's steps per segment.
        dynamics: The numbers of the motion.
        solver: The method.
        generator: The source of noise.

    Raises:
        ValueError: if steps are too long for the stiffness or the damping; the message says the limit.
    """
    mix, length = unit_mix(segment.amounts)
    field = segment.bank(mix, segment.clock)
    grid, indices = solver.grid(0.0, segment.stops, steps * SOLVERS[solver.method])
    pairs = list(zip(grid, grid[1:], strict=False))
    _check_steps(dynamics, float(length.detach().max()) * max((stop - start for start, stop in pairs), default=0.0))
    wanted, kept, push = set(indices), {0: state}, None
    for index, (start, stop) in enumerate(pairs, start=1):
        noise = None if dynamics.temperature == 0 else _noise(state, generator)
        state, push = advance(dynamics, field, state, length * start, length * (stop - start), push=push, noise=noise)
        if index in wanted:
            kept[index] = state
    states = torch.stack([kept[index] for index in indices])
    density = None
    if log_q is not None:
        rate = dynamics.damping * (states.shape[-1] // 2) * length
        density = torch.stack([log_q + rate * grid[index] for index in indices])
    return Piece(states, density, len(grid) if pairs else 0)


def _noise(state: Tensor, generator: torch.Generator | None) -> Tensor:
    shape = (*state.shape[:-1], state.shape[-1] // 2)
    device = torch.device("cpu") if generator is None else generator.device
    return torch.randn(shape, dtype=state.dtype, device=device, generator=generator).to(state.device)


def _check_steps(dynamics: Underdamped, longest: float) -> None:
    """Beyond h kappa = 2 a spring's oscillation grows; beyond g h = 2 a damped push is off by more than 15%."""
    for name in ("stiffness", "damping"):
        rate = as_number(getattr(dynamics, name))
        if rate * longest >= 2:
            raise ValueError(
                f"`solver` must take steps shorter than 2 / {name} = {2 / rate:.4g}, got steps of {longest:.4g}: "
                f"raise its `steps` or `steps_per_unit`, or lower the {name} of {rate:.4g}"
            )

"""One segment of a path, integrated: by torchdiffeq, by Euler-Maruyama with noise, by splitting with inertia."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from flowdis.dynamics.base import Dynamics
from flowdis.dynamics.segments import Piece, Segment, flow_error
from flowdis.dynamics.solver import Solver
from flowdis.dynamics.splitting import split
from flowdis.dynamics.underdamped import Underdamped
from flowdis.fields import VelocityField

__all__ = ["integrate"]


def integrate(
    segment: Segment,
    state: Tensor,
    log_q: Tensor | None,
    dynamics: Dynamics,
    solver: Solver,
    generator: torch.Generator | None = None,
) -> Piece:
    """Integrates states (*, S) over one segment, each sample with the number of steps its own amount asks for."""
    alike = segment.amounts.ndim == 1 or solver.adaptive or solver.steps is not None
    if alike:
        steps = int(solver.segment_steps(segment.amounts).max())
        return _solve(segment, state, log_q, steps, dynamics, solver, generator)
    batch = state.shape[:-1]
    counts = solver.segment_steps(segment.amounts).expand(batch).reshape(-1).to(state.device)
    flat = Segment(
        segment.bank,
        segment.index,
        segment.amounts.expand(*batch, -1).reshape(-1, segment.amounts.shape[-1]),
        segment.clock.expand(*batch, -1).reshape(-1, segment.clock.shape[-1]),
        segment.stops,
    )
    states = state.reshape(-1, state.shape[-1])
    densities = None if log_q is None else log_q.reshape(-1)
    order, pieces = [], []
    for steps in torch.unique(counts).tolist():
        rows = (counts == steps).nonzero().squeeze(-1)
        density = None if densities is None else densities[rows]
        pieces.append(_solve(flat.rows(rows), states[rows], density, steps, dynamics, solver, generator))
        order.append(rows)
    back = torch.cat(order).argsort()
    gathered = torch.cat([piece.states for piece in pieces], dim=1)[:, back]
    stops = gathered.shape[0]
    gathered_density = None
    if log_q is not None:
        gathered_density = torch.cat([p.log_q for p in pieces if p.log_q is not None], dim=1)[:, back]
        gathered_density = gathered_density.reshape(stops, *batch)
    return Piece(gathered.reshape(stops, *batch, state.shape[-1]), gathered_density, max(piece.nfe for piece in pieces))


def _solve(
    segment: Segment,
    state: Tensor,
    log_q: Tensor | None,
    steps: int,
    dynamics: Dynamics,
    solver: Solver,
    generator: torch.Generator | None,
) -> Piece:
    if isinstance(dynamics, Underdamped):
        return split(segment, state, log_q, steps, dynamics, solver, generator)
    field = segment.bank(segment.amounts, segment.clock)
    if dynamics.temperature > 0:
        return _euler_maruyama(field, segment, state, steps, dynamics, solver, generator)
    if log_q is None:

        def rate(s: Tensor, y: Tensor) -> Tensor:
            return dynamics.drift(field, y, s)

        path, nfe = _odeint(rate, segment, state, steps, solver)
        return Piece(path, None, nfe)

    def rate_and_density(s: Tensor, y: Tensor) -> Tensor:
        drift, divergence = dynamics.drift_and_divergence(field, y[..., :-1], s)
        return torch.cat([drift, -divergence.unsqueeze(-1)], dim=-1)

    path, nfe = _odeint(rate_and_density, segment, torch.cat([state, log_q.unsqueeze(-1)], dim=-1), steps, solver)
    return Piece(path[..., :-1], path[..., -1], nfe)


def _odeint(
    rate: Callable[[Tensor, Tensor], Tensor], segment: Segment, start: Tensor, steps: int, solver: Solver
) -> tuple[Tensor, int]:
    from torchdiffeq import odeint, odeint_adjoint  # brings all of scipy, which costs as much time as torch

    grid, indices = solver.grid(0.0, segment.stops, steps)
    if len(grid) == 1:
        return start.unsqueeze(0).expand(len(indices), *start.shape), 0
    if solver.adaptive:
        grid = sorted({0.0, *segment.stops})
        indices = [grid.index(stop) for stop in segment.stops]
    calls, last = 0, (0.0, start)

    def counted(s: Tensor, y: Tensor) -> Tensor:
        nonlocal calls, last
        calls, last = calls + 1, (float(s.detach()), y.detach())
        return rate(s, y)

    times = torch.tensor(grid, dtype=start.dtype, device=start.device)
    tolerances = {"rtol": solver.rtol, "atol": solver.atol}
    try:
        if solver.adjoint:
            parameters = tuple(p for p in segment.bank.parameters() if p.requires_grad)
            amounts = (segment.amounts,) if segment.amounts.requires_grad else ()
            path = odeint_adjoint(
                counted, start, times, method=solver.method, adjoint_params=parameters + amounts, **tolerances
            )
        else:
            path = odeint(counted, start, times, method=solver.method, **tolerances)
    except AssertionError as error:  # torchdiffeq asserts on step underflow and on non-finite states
        raise flow_error(segment.bank.names, segment.amounts, last[1], segment.index + last[0], str(error)) from error
    return path[indices], calls


def _euler_maruyama(
    field: VelocityField,
    segment: Segment,
    state: Tensor,
    steps: int,
    dynamics: Dynamics,
    solver: Solver,
    generator: torch.Generator | None,
) -> Piece:
    grid, indices = solver.grid(0.0, segment.stops, steps)
    source = torch.device("cpu") if generator is None else generator.device
    path = [state]
    for start, stop in zip(grid, grid[1:], strict=False):
        noise = torch.randn(state.shape, dtype=state.dtype, device=source, generator=generator).to(state.device)
        step = stop - start
        spread = math.sqrt(2 * dynamics.temperature * step)
        path.append(path[-1] + step * dynamics.drift(field, path[-1], start) + spread * noise)
    return Piece(torch.stack([path[i] for i in indices]), None, len(grid) - 1)

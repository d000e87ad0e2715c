"""Transport: the only place where field, path, dynamics and solver meet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis._checks import check_finite, check_floating, check_last
from flowdis._types import FrameLatents, Latent, Scalar
from flowdis.dynamics.base import Dynamics
from flowdis.dynamics.integrate import integrate
from flowdis.dynamics.overdamped import Overdamped
from flowdis.dynamics.retrace import follow, mirrored, retraced
from flowdis.dynamics.segments import Piece, Segment, first_motion, flow_error
from flowdis.dynamics.solver import Solver
from flowdis.dynamics.underdamped import Underdamped
from flowdis.fields import FieldBank
from flowdis.paths import Path

__all__ = ["Trajectory", "frame_times", "transport"]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Latents along a path, time first.

    Arguments:
        z: The latents at the T times asked for, with shape (T, *, D).
        log_q: The log-densities of the states in nats, with shape (T, *), or None where none was asked for.
        states: The states of the dynamics, with shape (T, *, S).
        times: The T times, in segments from the path's start.
        nfe: How many times the field was evaluated.
        log_density: Where a density of the data was given, its logarithm at the latents in nats, with shape (T, *).
        outside: Where one was given, which of the latents are outside of its border, with shape (T, *).
    """

    z: FrameLatents
    log_q: Tensor | None
    states: Tensor
    times: Tensor
    nfe: int
    log_density: Tensor | None = None
    outside: Tensor | None = None


def frame_times(frames: int | Tensor | None, segments: int) -> list[float]:
    """The times in [0, segments] that `frames` asks for.

    Arguments:
        frames: None for the end alone; an int n for n equally spaced times that end with the path (its start is not
            among them); or a tensor (T,) of ascending times.
        segments: The number of segments of the path, each of unit time.

    Raises:
        ValueError: if there is no frame, or times fall outside [0, segments] or do not ascend.

    Example:
        >>> frame_times(4, segments=2)
        [0.5, 1.0, 1.5, 2.0]
    """
    if frames is None:
        return [float(segments)]
    if isinstance(frames, Tensor):
        times = [float(t) for t in frames.flatten()]
        ascending = all(a <= b for a, b in zip(times, times[1:], strict=False))
        if not times or not ascending or times[0] < 0 or times[-1] > segments + 1e-6:
            raise ValueError(f"`frames` must be ascending times in [0, {segments}], got {times}")
        return [min(t, float(segments)) for t in times]
    if frames < 1:
        raise ValueError(f"`frames` must be at least 1, got {frames}")
    return [segments * (i + 1) / frames for i in range(frames)]


def transport(
    bank: FieldBank,
    path: Path,
    z: Latent,
    *,
    dynamics: Dynamics | None = None,
    frames: int | Tensor | None = None,
    log_q: Scalar | None = None,
    solver: Solver | None = None,
    generator: torch.Generator | None = None,
) -> Trajectory:
    r"""Pushes latents along a path, and their log-density with them.

    With log-density, :math:`d \log q / ds = - \nabla \cdot v` along the deterministic flow, or g D per unit of time for
    underdamped motion, where it is the density of latent and momentum.

    Underdamped motion retraces its states where the path comes back on its way, as in `path >> ~path`.

    Arguments:
        bank: The K fields.
        path: The amounts, (S, K) or (S, *, K).
        z: The latents at the path's start, with shape (*, D).
        dynamics: How the field pushes the latents; overdamped and without noise where left out.
        frames: Which times to return; see `frame_times`.
        log_q: The log-density of `z` in nats, with shape (*); the transported one of the states is returned when given.
        solver: The numerical method; fixed Runge-Kutta steps that follow the amount where left out.
        generator: The source of the noise, needed at temperatures above 0, and of the momentum at the start of
            underdamped motion where a density is asked for.

    Returns:
        The trajectory, time first.

    Raises:
        ValueError: if shapes do not match, the path belongs to another model, `z` is not finite, a density is
            asked for at a temperature above 0, or the solver does not suit the dynamics.
        FlowError: if a state stops being finite or an adaptive step underflows; the message names the flow, the
            sample and the time.

    References:
        Chen et al. 2018, Neural Ordinary Differential Equations, arXiv 1806.07366, theorem 1.
    """
    dynamics = Overdamped() if dynamics is None else dynamics
    solver = Solver() if solver is None else solver
    _check(bank, path, z, dynamics, log_q, solver, generator)
    times = frame_times(frames, path.segments)
    half = z.dtype in (torch.float16, torch.bfloat16)
    work = z.float() if half else z
    path = path.to(work)
    batch = torch.broadcast_shapes(work.shape[:-1], path.batch_shape)
    work, first = work.expand(*batch, work.shape[-1]), bank(*first_motion(path))
    if log_q is None:
        state, density = dynamics.lift(work, first), None
    else:
        state, density = dynamics.lift_density(work, first, log_q.to(work).expand(batch), generator)
    states, densities, nfe = _along(bank, path, state, density, times, dynamics, solver, generator)
    _check_result(bank, path, states, times, densities)
    latents = dynamics.project(states)
    if half:
        latents = latents.to(z.dtype)
    return Trajectory(latents, densities, states, torch.tensor(times, dtype=work.dtype), nfe)


def _along(
    bank: FieldBank,
    path: Path,
    state: Tensor,
    log_q: Tensor | None,
    times: list[float],
    dynamics: Dynamics,
    solver: Solver,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor | None, int]:
    """States (T, *, S) at times along the path, their log-densities (T, *), and the evaluations of the field."""
    count = max(1, math.ceil(times[-1]))
    asked = [[t - i for t in times if i < t <= i + 1 or t == i == 0] for i in range(count)]
    ways = retraced(path) if isinstance(dynamics, Underdamped) else None
    ways = None if ways is None else ways[:count]
    stops = mirrored([[*own, 1.0] if i + 1 < count else own for i, own in enumerate(asked)], ways)
    pieces: list[Piece] = []
    for i in range(count):
        forward = None
        if ways is None or bool((ways[i] < 0).any()):
            segment = Segment(bank, i, path.amounts[i], path.clock(i), stops[i])
            forward = integrate(segment, state, log_q, dynamics, solver, generator)
        piece = follow(i, stops, ways, pieces, forward)
        state, log_q = piece.states[-1], None if piece.log_q is None else piece.log_q[-1]
        pieces.append(piece)
    where = [(i, stops[i].index(time)) for i in range(count) for time in asked[i]]
    states = torch.stack([pieces[i].states[row] for i, row in where])
    densities = [density[row] for i, row in where if (density := pieces[i].log_q) is not None]
    return states, torch.stack(densities) if densities else None, sum(piece.nfe for piece in pieces)


def _check(
    bank: FieldBank,
    path: Path,
    z: Tensor,
    dynamics: Dynamics,
    log_q: Tensor | None,
    solver: Solver,
    generator: torch.Generator | None,
) -> None:
    if tuple(path.names) != tuple(bank.names):
        raise ValueError(
            f"`path` must move the model's transformations ({', '.join(bank.names)}), "
            f"got a path over ({', '.join(path.names)})"
        )
    check_floating("z", z)
    check_last("z", z, bank.dim, f"D={bank.dim} latents")
    check_finite("z", z)
    try:
        torch.broadcast_shapes(z.shape[:-1], path.batch_shape)
    except RuntimeError:
        raise ValueError(
            f"`path` must have one matrix of amounts, or one per sample of `z` with shape {tuple(z.shape)}, "
            f"got amounts of shape {tuple(path.amounts.shape)}"
        ) from None
    if dynamics.temperature > 0 and log_q is not None:
        raise ValueError(f"`log_q` can only be transported without noise, got temperature {dynamics.temperature}")
    if dynamics.temperature > 0 and generator is None:
        raise ValueError("`generator` must be given at temperatures above 0, got None")
    if isinstance(dynamics, Underdamped) and solver.adaptive:
        raise ValueError(f"`solver` must take fixed steps for underdamped motion, got method {solver.method!r}")


def _check_result(bank: FieldBank, path: Path, states: Tensor, times: list[float], log_q: Tensor | None) -> None:
    finite = torch.isfinite(states).all(-1)
    if log_q is not None:
        finite = finite & torch.isfinite(log_q)
    if bool(finite.all()):
        return
    frame = int((~finite).flatten(1).any(1).nonzero()[0])
    row = min(max(0, math.ceil(times[frame]) - 1), path.segments - 1)
    state = states[frame]
    if log_q is not None:
        state = torch.cat([state, log_q[frame].unsqueeze(-1)], dim=-1)
    raise flow_error(bank.names, path.amounts[row], state, times[frame], "a state is not finite")

"""Walks along the factors of a grid, at whole or fractional steps a frame: round circles, back from edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_choice, check_finite
from flowdis.data.grids import Factor, FactorGrid

__all__ = ["Edges", "Walks", "walk"]

Edges = Literal["reflect", "inside"]


@dataclass(frozen=True, eq=False)
class Walks:
    """B walks of T + 1 frames over a grid of F factors, frame 0 first.

    Arguments:
        positions: Where each frame is, in steps of the grid from the first value: between 0 and size - 1, or on a
            circle below its number of steps.
        classes: The grid's combination nearest to it; of two equally near, the even one.
        values: What is shown, in natural units: where images are rendered the value at the position itself, else that
            of `classes`.
        speeds: The steps a frame, before any reflection; 0 for factors that stay.
    """

    positions: Float[Tensor, "T B F"]
    classes: Int[Tensor, "T B F"]
    values: Float[Tensor, "T B F"]
    speeds: Float[Tensor, "B F"]


def walk(
    grid: FactorGrid,
    count: int,
    length: int,
    along: Sequence[str],
    *,
    generator: torch.Generator | None,
    speeds: Sequence[float] | Float[Tensor, "count K"] = (-1, 1),
    edges: Edges = "reflect",
    fixed: Mapping[str, int] | None = None,
    between: bool = False,
) -> Walks:
    """Draws walks that start at any combination and move the named factors at constant speeds, all others staying.

    Circular factors go round. Two ends of a circle that show the same image count as one step (`Factor.cycle`).

    Arguments:
        grid: The factors.
        count: The number B of walks.
        length: The number T of steps; a walk has T + 1 frames.
        along: The K factors that move.
        generator: Where the randomness comes from.
        speeds: The steps a frame out of which each walk draws one for each moving factor, fractional ones too; or the
            speed of every walk, with shape (B, K).
        edges: What becomes of factors that are not circular: "reflect" turns back at the first and last value;
            "inside" draws starts from which the walk does not reach them.
        fixed: Factors that start at one class.
        between: Whether values between those of the grid can be shown.

    Returns:
        The walks.

    Raises:
        ValueError: if a factor is unknown, has no order, has one value only, or is too short to walk "inside" it.
    """
    moving = grid.columns("along", along)
    for k in moving:
        if not grid.factors[k].ordered or grid.sizes[k] < 2:
            raise ValueError(f"`along` must name ordered factors of two values or more, got {grid.names[k]!r}")
    if length < 1:
        raise ValueError(f"`length` must be at least one step, got {length}")
    check_choice("edges", edges, ("reflect", "inside"))
    starts = grid.sample(count, generator=generator, fixed=fixed)
    steps = torch.zeros(starts.shape, dtype=torch.float64, device=starts.device)
    steps[:, moving] = _speeds(speeds, count, len(moving), starts.device, generator)
    if edges == "inside":
        for k in moving:
            if not grid.factors[k].circular:
                given = starts[:, k] if grid.names[k] in (fixed or {}) else None
                starts[:, k] = _inside(grid.factors[k], length * steps[:, k], given, generator)
    ticks = torch.arange(length + 1, device=starts.device, dtype=torch.float64)
    free = starts + ticks[:, None, None] * steps
    placed = [_placed(factor, free[..., k]) for k, factor in enumerate(grid.factors)]
    positions = torch.stack(placed, -1)
    classes = torch.stack([_nearest(factor, place) for factor, place in zip(grid.factors, placed, strict=True)], -1)
    shown = [_value(factor, place) for factor, place in zip(grid.factors, placed, strict=True)] if between else None
    values = grid.values(grid.index(classes)) if shown is None else torch.stack(shown, -1)
    return Walks(positions, classes, values, steps)


def _speeds(
    speeds: Sequence[float] | Tensor, count: int, moving: int, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """The speed of each walk along each moving factor, (B, K)."""
    if isinstance(speeds, Tensor):
        if speeds.shape != (count, moving):
            raise ValueError(f"`speeds` must have shape (B, K) = {(count, moving)}, got {tuple(speeds.shape)}")
        return check_finite("speeds", speeds.to(device, torch.float64))
    choices = check_finite("speeds", torch.tensor(speeds, dtype=torch.float64, device=device))
    if not len(choices):
        raise ValueError("`speeds` must be one speed or more, got none")
    return choices[torch.randint(len(choices), (count, moving), generator=generator, device=device)]


def _inside(factor: Factor, reach: Tensor, given: Tensor | None, generator: torch.Generator | None) -> Tensor:
    """Starts (B) from which walks that move by `reach` stay on the grid: those given, else drawn."""
    low = (-reach).clamp(min=0).ceil().long()
    high = factor.size - 1 - reach.clamp(min=0).ceil().long()
    short = (low > high) if given is None else (given < low) | (given > high)
    if bool(short.any()):
        most = float(reach[short][0])
        raise ValueError(
            f"`edges` can be 'inside' where walks fit, but factor {factor.name!r} of {factor.size} values is to move "
            f"by {most:g} steps; take a shorter or slower walk, or edges='reflect'"
        )
    if given is not None:
        return given
    drawn = torch.rand(low.shape, generator=generator, device=low.device, dtype=torch.float64)
    return low + (drawn * (high - low + 1)).floor().long()


def _placed(factor: Factor, free: Tensor) -> Tensor:
    """Unbounded positions brought onto the circle, or folded back between the ends."""
    if factor.cycle is not None:
        return free % factor.cycle
    last = factor.size - 1
    return last - (free % (2 * last) - last).abs() if last else torch.zeros_like(free)


def _nearest(factor: Factor, positions: Tensor) -> Tensor:
    classes = positions.round().long()
    return classes if factor.cycle is None else classes % factor.cycle


def _value(factor: Factor, positions: Tensor) -> Tensor:
    """Values at positions, in a straight line between those of the grid."""
    after = factor.values[-1] if factor.period is None else factor.values[0] + factor.period
    table = torch.tensor((*factor.values, after), dtype=torch.float64, device=positions.device)
    low = positions.floor().long()
    return table[low] + (positions - low) * (table[low + 1] - table[low])

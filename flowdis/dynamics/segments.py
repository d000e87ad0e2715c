"""One segment of a path: what moves in it, when it is looked at, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis._types import Amounts, Scalar
from flowdis.dynamics.base import FlowError
from flowdis.fields import FieldBank
from flowdis.paths import Path

__all__ = ["Piece", "Segment", "first_motion", "flow_error", "unit_mix"]


@dataclass(frozen=True, eq=False)
class Segment:
    """What one segment needs: the bank, its names, the amounts (*, K), the clocks (*, K), the times to return."""

    bank: FieldBank
    index: int
    amounts: Tensor
    clock: Tensor
    stops: list[float]

    def rows(self, index: Tensor) -> Segment:
        """The segment of some samples of a flat batch."""
        return Segment(self.bank, self.index, self.amounts[index], self.clock[index], self.stops)


@dataclass(frozen=True, eq=False)
class Piece:
    """States (T, *, S) at a segment's stops, log-densities (T, *) or None, and the number of field evaluations."""

    states: Tensor
    log_q: Tensor | None
    nfe: int


def unit_mix(amounts: Amounts) -> tuple[Amounts, Scalar]:
    """Amounts (*, K) as a mix m = A / a of unit size and the time a = sum |A_k| that it runs; nothing moves for a = 0.

    Nor for times whose squares a number can no longer hold, as gradients of the mix grow like 1 / a.

    Example:
        >>> mix, time = unit_mix(torch.tensor([3.0, -1.0]))
        >>> mix.tolist(), time.item()
        ([0.75, -0.25], 4.0)
    """
    time = amounts.abs().sum(-1)
    least = torch.finfo(time.dtype).tiny ** 0.5
    return amounts / torch.where(time > least, time, 1.0).unsqueeze(-1), time


def first_motion(path: Path) -> tuple[Amounts, Amounts]:
    """The unit mix (*, K) and the clocks (*, K) that each sample begins to move with; a mix of 0 if it never does."""
    amounts, clocks = path.amounts, path.clocks
    if path.segments == 1:
        return unit_mix(amounts[0])[0], path.clock(0)
    index = amounts.any(-1).to(torch.uint8).argmax(0)
    rows = index.unsqueeze(-1).expand(amounts.shape[1:]).unsqueeze(0)
    clock = torch.zeros_like(amounts[0]) if clocks is None else clocks.gather(0, rows)[0]
    return unit_mix(amounts.gather(0, rows)[0])[0], clock


def flow_error(names: tuple[str, ...], amounts: Tensor, state: Tensor, time: float, reason: str) -> FlowError:
    """The error of an integration that failed at `time`: names the moved flows and the sample farthest out."""
    flat = state.reshape(-1, state.shape[-1])
    size = torch.where(torch.isfinite(flat), flat.abs(), torch.inf).amax(-1)
    sample = int(size.argmax())
    rows = amounts.expand(*state.shape[:-1], -1).reshape(-1, amounts.shape[-1])
    moved = [name for name, amount in zip(names, rows[sample].tolist(), strict=True) if amount] or ["no flow"]
    return FlowError(
        f"flow of {' + '.join(moved)} failed at sample {sample}, time {time:.4g} of the path: {reason}; "
        "smaller amounts, more steps or a smoother field may help"
    )

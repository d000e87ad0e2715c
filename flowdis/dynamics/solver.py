"""How a path is cut into steps: as many as its amount asks for, whatever else is in the batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis._checks import check_choice, check_positive

__all__ = ["SOLVERS", "Solver"]

SOLVERS = {"rk4": 4, "midpoint": 2, "euler": 1, "dopri5": 5}
"""The methods with their orders; `dopri5` adapts its step to the whole batch, the others take fixed steps."""


@dataclass(frozen=True)
class Solver:
    """The numerical method of a transport.

    Underdamped motion is integrated by symmetric splitting, which evaluates the field once a step: it takes as many
    steps as the method would take evaluations. It has fixed steps and no adjoint.

    Arguments:
        method: "rk4", "midpoint" or "euler" with fixed steps, so that a sample's result never depends on its batch
            mates; or "dopri5", whose adaptive steps are shared by the batch and so couple it.
        steps_per_unit: Fixed steps per unit of amount, summed over transformations; a segment takes the smallest
            power of two (or 3/2 of one) that is at least this times its amount.
        steps: Fixed steps per segment whatever the amount; overrides `steps_per_unit` where given.
        rtol: Relative tolerance of `dopri5`.
        atol: Absolute tolerance of `dopri5`.
        adjoint: Whether gradients come from the adjoint equation (Chen et al. 2018, arXiv 1806.07366), whose memory
            does not grow with the number of steps.

    Raises:
        ValueError: if a choice is unknown or a number is not positive.
    """

    method: str = "rk4"
    steps_per_unit: float = 24.0
    steps: int | None = None
    rtol: float = 1e-6
    atol: float = 1e-6
    adjoint: bool = False

    def __post_init__(self) -> None:
        check_choice("method", self.method, tuple(SOLVERS))
        for name in ("steps_per_unit", "rtol", "atol"):
            check_positive(name, getattr(self, name))
        if self.steps is not None:
            check_positive("steps", self.steps)

    @property
    def adaptive(self) -> bool:
        """Whether the method chooses its own steps."""
        return self.method == "dopri5"

    def segment_steps(self, amounts: Tensor) -> Tensor:
        """The number of fixed steps, an integer tensor (*), that a segment with amounts (*, K) takes per unit time."""
        if self.steps is not None:
            return torch.full(amounts.shape[:-1], self.steps, dtype=torch.long)
        wanted = (amounts.detach().abs().sum(-1).double().cpu() * self.steps_per_unit).clamp(min=1)
        # Rounded up to 2^n or 3 * 2^(n-1): few different numbers, so few groups in a batch of different amounts.
        whole = torch.exp2(torch.ceil(torch.log2(wanted) - 1e-9))
        three_quarters = 0.75 * whole
        return torch.where((three_quarters >= wanted - 1e-9) & (whole >= 4), three_quarters, whole).long()

    def grid(self, start: float, stops: list[float], steps: int) -> tuple[list[float], list[int]]:
        """Times from `start` through each of `stops`, at most 1 / `steps` apart, and the index of each stop."""
        times, indices = [start], []
        for stop in stops:
            if stop > times[-1]:
                count = max(1, math.ceil((stop - times[-1]) * steps - 1e-6))
                last = times[-1]
                times += [last + (stop - last) * (i + 1) / count for i in range(count - 1)] + [stop]
            indices.append(len(times) - 1)
        return times, indices

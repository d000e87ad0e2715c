"""Banks of several kinds: some fields are gradients, some free of divergence, the others both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis._types import Latent
from flowdis.fields.base import Divergence, FieldBank, Mix, Velocity, VelocityField
from flowdis.fields.helmholtz import HelmholtzField
from flowdis.fields.potential import PotentialField
from flowdis.fields.solenoidal import SolenoidalField

__all__ = ["JoinedField", "SumField"]


class JoinedField(FieldBank):
    """A bank whose first fields are potential, the next ones solenoidal, and the rest sums of both kinds.

    Where nobody tells which transformation is which, each finds the kind that suits it.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        n_potential: How many are gradients of potentials.
        n_solenoidal: How many are free of divergence.
        hidden: The number of units of each field.
        generator: The source of the initial weights.

    Raises:
        ValueError: if a number is negative, or there are more than K fields.

    Reference: Song, Keller, Yue, Perona and Welling 2024, arXiv 2410.05564, which joins the first two kinds.
    """

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        *,
        n_potential: int = 1,
        n_solenoidal: int = 1,
        hidden: int = 256,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(names, dim)
        for name, number in (("n_potential", n_potential), ("n_solenoidal", n_solenoidal)):
            check_positive(name, number, zero=True)
        rest = len(self.names) - n_potential - n_solenoidal
        if rest < 0:
            counts = f"{n_potential} and {n_solenoidal}"
            raise ValueError(f"`n_potential` + `n_solenoidal` must be at most K={len(self.names)}, got {counts}")
        self.n_potential, self.n_solenoidal, self.hidden = n_potential, n_solenoidal, hidden
        self.counts = [n_potential, n_solenoidal, rest]
        kinds = (PotentialField, SolenoidalField, HelmholtzField)
        banks: list[nn.Module] = []
        first = 0
        for kind, count in zip(kinds, self.counts, strict=True):
            if count:
                banks.append(kind(self.names[first : first + count], dim, hidden=hidden, generator=generator))
            first += count
        self.banks = nn.ModuleList(banks)

    def bind(self, mix: Mix) -> VelocityField:
        """The sum of the banks' mixes."""
        counts = [count for count in self.counts if count]
        amounts = mix.amounts.split(counts, dim=-1)
        clocks = [None] * len(counts) if mix.clock is None else mix.clock.split(counts, dim=-1)
        return SumField(
            tuple(bank.bind(Mix(a, c)) for bank, a, c in zip(self.banks, amounts, clocks, strict=True))  # type: ignore[operator]
        )

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank."""
        return {"n_potential": self.n_potential, "n_solenoidal": self.n_solenoidal, "hidden": self.hidden}


@dataclass(frozen=True, eq=False)
class SumField:
    """The sum of several bound fields.

    Arguments:
        parts: The fields.
    """

    parts: tuple[VelocityField, ...]

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D)."""
        return torch.stack([part(z, s) for part in self.parts]).sum(0)

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), in one pass."""
        velocities, divergences = zip(*(part.velocity_and_divergence(z, s) for part in self.parts), strict=True)
        return torch.stack(velocities).sum(0), torch.stack(divergences).sum(0)

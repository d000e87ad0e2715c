"""Sums of a gradient field and a divergence-free field: the default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowdis._types import Latent
from flowdis.fields.base import Divergence, FieldBank, Mix, Velocity, VelocityField
from flowdis.fields.linear import LinearMix
from flowdis.fields.ridge import Ridge, RidgeMix
from flowdis.fields.solenoidal import Antisymmetric

__all__ = ["HelmholtzField", "HelmholtzMix"]


class HelmholtzField(FieldBank):
    r"""K sums of a gradient field and a divergence-free field, in one pair of matrix products.

    .. math:: v = \nabla u + (P - P^T) \nabla h + A z, \qquad \nabla \cdot v = \Delta u + \operatorname{tr} A

    A gradient field alone cannot run in circles, and turning and recolouring do. A linear part A z belongs to both:
    the symmetric half of A is the gradient of a quadratic potential, the antisymmetric half free of divergence. It
    spares the units what a linear flow does already.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        hidden: The number of units of each field: half of them, rounded up, are u's, the others h's.
        rank: The rank of P, or None for a full matrix.
        linear: Whether there is a linear part.
        generator: The source of the initial weights; |v| starts at about 0.2 where |z| is sqrt(D).

    Raises:
        ValueError: if `hidden` is less than 2, or `rank` is not between 1 and D.

    Example:
        >>> bank = HelmholtzField(("rotate", "hue"), 4, hidden=8)
        >>> velocity, divergence = bank(torch.ones(5, 2)).velocity_and_divergence(torch.zeros(5, 4), 0.0)
        >>> velocity.shape, divergence.shape
        (torch.Size([5, 4]), torch.Size([5]))
    """

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        *,
        hidden: int = 256,
        rank: int | None = None,
        linear: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(names, dim)
        if hidden < 2:
            raise ValueError(f"`hidden` must be >= 2, got {hidden}")
        self.hidden, self.rank, self.linear = hidden, rank, linear
        self.ridge = Ridge(len(self.names), hidden, dim, generator=generator)
        self.turn = Antisymmetric(len(self.names), 1, dim, rank=rank, generator=generator)
        self.matrix: nn.Parameter | None = None
        if linear:
            self.matrix = nn.Parameter(0.1 / dim * torch.randn(len(self.names), dim, dim, generator=generator))

    def bind(self, mix: Mix) -> VelocityField:
        """The mix of the fields; only the potential's units carry a divergence."""
        rest = self.hidden // 2
        straight, turned = self.ridge.weight.split([self.hidden - rest, rest], dim=1)
        out = torch.cat([straight, self.turn(turned.unsqueeze(1)).squeeze(1)], dim=1)
        curved = self.ridge.bind(mix, out, F.pad(straight.square().sum(-1), (0, rest)))
        return curved if self.matrix is None else HelmholtzMix(curved, LinearMix.of(mix.amounts, self.matrix))

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank."""
        return {"hidden": self.hidden, "rank": self.rank, "linear": self.linear}


@dataclass(frozen=True, eq=False)
class HelmholtzMix:
    """The sum of a mix of ridge fields and a mix of linear ones.

    Arguments:
        curved: The mix of the ridge fields.
        straight: The mix of the linear fields.
    """

    curved: RidgeMix
    straight: LinearMix

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D)."""
        return self.curved(z, s) + self.straight(z, s)

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), in one pass."""
        velocity, divergence = self.curved.velocity_and_divergence(z, s)
        return velocity + self.straight(z, s), divergence + self.straight.trace

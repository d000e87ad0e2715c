"""Sums of a gradient field and a divergence-free field: the default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from flowdis.fields.base import FieldBank, Mix, VelocityField
from flowdis.fields.ridge import Ridge
from flowdis.fields.solenoidal import Antisymmetric

__all__ = ["HelmholtzField"]


class HelmholtzField(FieldBank):
    r"""K sums of a gradient field and a divergence-free field, in one pair of matrix products.

    .. math:: v = \nabla u + (P - P^T) \nabla h, \qquad \nabla \cdot v = \Delta u

    A gradient field alone cannot run in circles, and turning and recolouring do.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        hidden: The number of units of each field: half of them, rounded up, are u's, the others h's.
        rank: The rank of P, or None for a full matrix.
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
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(names, dim)
        if hidden < 2:
            raise ValueError(f"`hidden` must be >= 2, got {hidden}")
        self.hidden, self.rank = hidden, rank
        self.ridge = Ridge(len(self.names), hidden, dim, generator=generator)
        self.turn = Antisymmetric(len(self.names), 1, dim, rank=rank, generator=generator)

    def bind(self, mix: Mix) -> VelocityField:
        """The mix of the fields; only the potential's units carry a divergence."""
        rest = self.hidden // 2
        straight, turned = self.ridge.weight.split([self.hidden - rest, rest], dim=1)
        out = torch.cat([straight, self.turn(turned.unsqueeze(1)).squeeze(1)], dim=1)
        return self.ridge.bind(mix, out, F.pad(straight.square().sum(-1), (0, rest)))

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank."""
        return {"hidden": self.hidden, "rank": self.rank}

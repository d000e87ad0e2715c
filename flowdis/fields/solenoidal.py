"""Divergence-free fields: antisymmetric matrices times gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from flowdis.fields.base import FieldBank, Mix, VelocityField
from flowdis.fields.ridge import Ridge

__all__ = ["Antisymmetric", "SolenoidalField"]


class Antisymmetric(nn.Module):
    r"""Learned antisymmetric matrices :math:`P - P^T`, with P full or a product :math:`U V^T` of low rank.

    Arguments:
        fields: The number K of fields.
        count: The number M of matrices of each.
        dim: The size D of the matrices.
        rank: The rank of P, or None for a full matrix.
        generator: The source of the initial weights, scaled so that the matrices keep lengths on average.

    Raises:
        ValueError: if `rank` is not between 1 and D.
    """

    factor: nn.Parameter | None

    def __init__(
        self,
        fields: int,
        count: int,
        dim: int,
        *,
        rank: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if rank is not None and not 1 <= rank <= dim:
            raise ValueError(f"`rank` must be between 1 and D={dim}, got {rank}")

        def normal(size: int, std: float) -> nn.Parameter:
            return nn.Parameter(std * torch.randn(fields, count, dim, size, generator=generator))

        if rank is None:
            self.matrix = normal(dim, (2 * dim) ** -0.5)
            self.factor = None
        else:
            self.matrix, self.factor = (normal(rank, (2 * rank * dim) ** -0.25) for _ in range(2))

    def forward(self, vectors: Tensor) -> Tensor:
        """The matrices applied to vectors, (K, M, H, D) to (K, M, H, D)."""
        if self.factor is None:
            return vectors @ (self.matrix.mT - self.matrix)
        return (vectors @ self.factor) @ self.matrix.mT - (vectors @ self.matrix) @ self.factor.mT


class SolenoidalField(FieldBank):
    r"""K divergence-free fields: antisymmetric matrices times gradients of ridge networks.

    .. math:: v = \sum_m (P_m - P_m^T) \nabla h_m, \qquad \nabla \cdot v = 0

    exactly, as the trace of an antisymmetric times a symmetric matrix is 0. It costs one gradient.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions; in one dimension the field is zero.
        hidden: The number of units of each network h_m.
        count: The number M of networks of each field.
        rank: The rank of P_m, or None for full matrices.
        generator: The source of the initial weights.

    Raises:
        ValueError: if `hidden` or `count` is not positive, or `rank` is not between 1 and D.

    Example:
        >>> bank = SolenoidalField(("rotate",), 3, hidden=8)
        >>> bank["rotate"].velocity_and_divergence(torch.ones(2, 3), 0.0)[1]
        tensor([0., 0.])
    """

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        *,
        hidden: int = 256,
        count: int = 1,
        rank: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(names, dim)
        if count < 1:
            raise ValueError(f"`count` must be >= 1, got {count}")
        self.hidden, self.count, self.rank = hidden, count, rank
        self.ridge = Ridge(len(self.names), count * hidden, dim, generator=generator)
        self.turn = Antisymmetric(len(self.names), count, dim, rank=rank, generator=generator)

    def bind(self, mix: Mix) -> VelocityField:
        """The mix of the fields, with a divergence of exact zeros."""
        weight = self.ridge.weight.unflatten(1, (self.count, self.hidden))
        return self.ridge.bind(mix, self.turn(weight).flatten(1, 2), None)

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank."""
        return {"hidden": self.hidden, "count": self.count, "rank": self.rank}

"""The honest baselines: linear fields, a Lie algebra acting on latents, and constant latent directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowdis._checks import check_finite, check_floating, check_last, check_positive
from flowdis._types import Latent
from flowdis.fields.base import Divergence, FieldBank, Mix, Velocity, VelocityField

__all__ = ["ConstantField", "ConstantMix", "LinearField", "LinearMix"]

_ROWS = 4096  # pairs whose regressors are held at a time


@dataclass(frozen=True, eq=False)
class LinearMix:
    """A linear mix of linear fields, in one matrix product; `LinearMix.of` makes it.

    Arguments:
        matrix: What codes, as rows, are multiplied by: one matrix (D, D) for all samples, one per sample (*, D, D),
            or those of all K fields below one another (K D, D).
        trace: The divergence, with shape () or (*).
        amounts: The amounts (*, K) where the fields are yet to be mixed, None where `matrix` is their mix.
    """

    matrix: Tensor
    trace: Tensor
    amounts: Tensor | None = None

    @classmethod
    def of(cls, amounts: Tensor, matrices: Tensor) -> LinearMix:
        """The mix of matrices (K, D, D), each to be applied to a column, by amounts (K,) or (*, K)."""
        turned = matrices.mT
        trace = amounts @ matrices.diagonal(dim1=-2, dim2=-1).sum(-1)
        fields, dim = matrices.shape[:2]
        if amounts.ndim > 1 and fields <= dim:
            # A matrix per sample would hold D^2 numbers for each, the codes weighted by the amounts hold K D.
            return cls(turned.flatten(0, 1), trace, amounts)
        return cls((amounts @ turned.flatten(1)).unflatten(-1, (dim, dim)), trace)

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D), the same at every time."""
        check_last("z", z, self.matrix.shape[-1], f"D={self.matrix.shape[-1]}")
        if self.amounts is not None:
            return (self.amounts.unsqueeze(-1) * z.unsqueeze(-2)).flatten(-2) @ self.matrix
        if self.matrix.ndim == 2:
            return z @ self.matrix
        return (z.unsqueeze(-2) @ self.matrix).squeeze(-2)

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), the trace of the mixed matrix."""
        velocity = self(z, s)
        return velocity, self.trace.expand(velocity.shape[:-1])


@dataclass(frozen=True, eq=False)
class ConstantMix:
    """A linear mix of constant fields: one velocity (D,) for all samples, or one per sample (*, D)."""

    direction: Tensor

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D), the same at every latent and time."""
        check_last("z", z, self.direction.shape[-1], f"D={self.direction.shape[-1]}")
        return self.direction.expand(torch.broadcast_shapes(z.shape, self.direction.shape))

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence, 0."""
        velocity = self(z, s)
        return velocity, velocity.new_zeros(velocity.shape[:-1])


class LinearField(FieldBank):
    r"""K linear fields :math:`v_k = A_k z`, whose flows are matrix exponentials.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        generator: The source of the initial weights; |v| starts at about 0.2 where |z| is sqrt(D).

    Example:
        >>> bank = LinearField(("rotate",), 2)
        >>> _ = bank.load_state_dict({"matrix": torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])})
        >>> bank["rotate"](torch.tensor([1.0, 0.0]), 0.0).tolist()
        [0.0, 1.0]
    """

    def __init__(self, names: Sequence[str], dim: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__(names, dim)
        self.matrix = nn.Parameter(0.2 / dim * torch.randn(len(self.names), dim, dim, generator=generator))

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        start: Tensor,
        end: Tensor,
        amounts: Tensor,
        *,
        mean: Tensor | None = None,
        ridge: float = 1e-4,
    ) -> LinearField:
        r"""Fits the matrices to pairs of codes by least squares, all K together.

        .. math:: \text{end} - \text{start} = \sum_k a_k A_k \, \bar z

        holds exactly of linear flows, with the mean code :math:`\bar z` of the way. By default this is the mean of both
        ends, which is exact to second order in the amounts, so that pairs should be small steps.

        Arguments:
            names: The K transformations.
            start: Codes before, with shape (N, D).
            end: Codes after, with shape (N, D).
            amounts: What was done between them, with shape (N, K).
            mean: The mean code of each way, with shape (N, D), where more is known of it than its ends.
            ridge: The penalty on squared entries, relative to the regressors' mean square: 1e-4 shrinks the
                matrices by about that factor.

        Returns:
            The bank, in the dtype and on the device of `start`.

        Raises:
            ValueError: if shapes do not match, there are fewer than K D pairs, or a field is never moved.
        """
        bank = cls(names, start.shape[-1], generator=torch.Generator())
        count, dim = len(bank.names), bank.dim
        moved, steps = _pairs(bank.names, start, end, amounts, count * dim)
        middle = (start.double() + end.double()) / 2 if mean is None else _same("mean", mean, start).double()
        gram, target = moved.new_zeros(count * dim, count * dim), moved.new_zeros(count * dim, dim)
        for change, amount, code in zip(*(part.split(_ROWS) for part in (moved, steps, middle)), strict=True):
            regressors = torch.einsum("nk,nd->nkd", amount, code).flatten(1)
            gram += regressors.mT @ regressors
            target += regressors.mT @ change
        solved = _solved(gram, target, ridge)
        bank.matrix = nn.Parameter(solved.unflatten(0, (count, dim)).mT.to(start).contiguous())
        return bank

    def bind(self, mix: Mix) -> VelocityField:
        """The mix of the matrices."""
        return LinearMix.of(mix.amounts, self.matrix)

    def config(self) -> dict[str, Any]:
        """Nothing but names and dim is needed to rebuild this bank."""
        return {}


class ConstantField(FieldBank):
    r"""K constant fields :math:`v_k = c_k`: latent directions.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        generator: The source of the initial weights; |v| starts at about 0.2.

    Example:
        >>> bank = ConstantField.fit(("shift",), torch.zeros(3, 2), torch.ones(3, 2), torch.full((3, 1), 0.5))
        >>> bank["shift"](torch.zeros(2), 0.0).tolist()
        [2.0, 2.0]
    """

    def __init__(self, names: Sequence[str], dim: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__(names, dim)
        self.direction = nn.Parameter(0.2 * dim**-0.5 * torch.randn(len(self.names), dim, generator=generator))

    @classmethod
    def fit(
        cls, names: Sequence[str], start: Tensor, end: Tensor, amounts: Tensor, *, ridge: float = 0.0
    ) -> ConstantField:
        r"""Fits the directions to pairs of codes by least squares, all K together.

        .. math:: \text{end} - \text{start} \approx \sum_k a_k c_k

        Arguments:
            names: The K transformations.
            start: Codes before, with shape (N, D).
            end: Codes after, with shape (N, D).
            amounts: What was done between them, with shape (N, K).
            ridge: The penalty on squared entries, relative to the mean squared amount.

        Returns:
            The bank, in the dtype and on the device of `start`.

        Raises:
            ValueError: if shapes do not match, there are fewer than K pairs, or amounts do not tell fields
                apart.
        """
        bank = cls(names, start.shape[-1], generator=torch.Generator())
        moved, steps = _pairs(bank.names, start, end, amounts, len(bank.names))
        bank.direction = nn.Parameter(_solved(steps.mT @ steps, steps.mT @ moved, ridge).to(start))
        return bank

    def bind(self, mix: Mix) -> VelocityField:
        """The mix of the directions."""
        return ConstantMix(mix.amounts @ self.direction)

    def config(self) -> dict[str, Any]:
        """Nothing but names and dim is needed to rebuild this bank."""
        return {}


def _pairs(names: tuple[str, ...], start: Tensor, end: Tensor, amounts: Tensor, needed: int) -> tuple[Tensor, Tensor]:
    check_floating("start", start)
    if start.ndim != 2 or end.shape != start.shape:
        shapes = f"{tuple(start.shape)} and {tuple(end.shape)}"
        raise ValueError(f"`start` and `end` must both have shape (N, D), got {shapes}")
    check_last("amounts", amounts, len(names), f"K={len(names)} ({', '.join(names)})")
    if amounts.shape != (start.shape[0], len(names)):
        wanted = (start.shape[0], len(names))
        raise ValueError(f"`amounts` must have shape (N, K) = {wanted}, got {tuple(amounts.shape)}")
    if start.shape[0] < needed:
        raise ValueError(f"`start` must hold at least {needed} pairs to fit {len(names)} fields, got {start.shape[0]}")
    for argument, tensor in (("start", start), ("end", end), ("amounts", amounts)):
        check_finite(argument, tensor)
    for name, column in zip(names, amounts.unbind(-1), strict=True):
        if not bool(column.any()):
            raise ValueError(f"`amounts` must move every field at least once, got only zeros for {name!r}")
    return end.double() - start.double(), amounts.double().to(start.device)


def _same(argument: str, codes: Tensor, start: Tensor) -> Tensor:
    if codes.shape != start.shape:
        raise ValueError(f"`{argument}` must have the shape {tuple(start.shape)} of `start`, got {tuple(codes.shape)}")
    check_finite(argument, codes)
    return codes


def _solved(gram: Tensor, target: Tensor, ridge: float) -> Tensor:
    """What least squares finds from products of regressors with themselves and with targets."""
    scale = gram.diagonal().mean() * check_positive("ridge", ridge, zero=True)
    gram = gram + scale * torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
    spectrum = torch.linalg.eigvalsh(gram)
    if bool(spectrum[0] <= 1e-12 * spectrum[-1]):
        raise ValueError("`amounts` and codes must tell the fields apart: the least squares problem is singular")
    return torch.linalg.solve(gram, target)

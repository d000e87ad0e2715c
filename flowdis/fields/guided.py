"""Fields along which given properties of a latent rise by as much as is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad

from flowdis._checks import check_finite, check_floating, check_last, check_positive
from flowdis._types import Latent
from flowdis.fields.autograd import velocity_and_trace
from flowdis.fields.base import Divergence, FieldBank, Mix, Velocity, VelocityField

__all__ = ["GuidedField", "GuidedMix", "Property", "VanishingGradientError"]

Property = Callable[[Tensor], Tensor]
"""A number (N) for each of N latents (N, D), each of them alone, differentiable once, or twice for divergences."""

_Metric = Float[Tensor, "D D"]


class VanishingGradientError(RuntimeError):
    """A property that no direction moves, or none that holds the others; the message names it and the sample."""


class GuidedField(FieldBank):
    r"""K fields whose unit is that of a property each: an amount of 1 raises it by 1.

    With the gradients :math:`g_k = \nabla p_k(z)` as the rows of J, and a metric M,

    .. math:: v = M J^T (J M J^T)^{-1} a, \qquad\text{for one property}\quad v = a \frac{M g}{g \cdot M g}.

    It is the shortest velocity, in the norm of the inverse of M, that solves :math:`J v = a`. Hence
    :math:`dp_k/ds = a_k` all along a path: each property rises by its amount exactly, up to the error of the solver,
    and those with an amount of 0 stay what they are. A covariance of codes as the metric keeps to directions in which
    codes vary.

    Arguments:
        names: The K properties.
        dim: The number D of latent dimensions.
        properties: The K functions of latents (N, D) to numbers (N), in the order of `names`. Modules among them stay
            the caller's: they are no parts of the bank, and are not saved with it.
        metric: The symmetric positive definite M (D, D); the identity where left out.
        hold: Whether the other properties are held. Without, the fields are those of each property alone, added up.
        fastest: The speed, in the norm of the inverse of M and per unit of the property, above which its gradient
            counts as vanished.

    Raises:
        TypeError: if `metric` is not a floating-point tensor.
        ValueError: if there are not K properties, or `metric` is not symmetric and positive definite (D, D).
        VanishingGradientError: when the velocity is asked for where a property cannot be moved at all.

    Example:
        >>> bank = GuidedField(("square",), 2, [lambda z: z.square().sum(-1)])
        >>> bank["square"](torch.tensor([0.5, 0.0]), 0.0)
        tensor([1., 0.])
    """

    metric: Tensor | None

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        properties: Sequence[Property],
        *,
        metric: _Metric | None = None,
        hold: bool = True,
        fastest: float = 1e6,
    ) -> None:
        super().__init__(names, dim)
        self.properties = tuple(properties)
        if len(self.properties) != len(self.names):
            raise ValueError(f"`properties` must hold one for each of {self.names}, got {len(self.properties)}")
        self.register_buffer("metric", None if metric is None else _checked_metric(metric, self.dim))
        self.hold, self.fastest = hold, check_positive("fastest", fastest)

    def bind(self, mix: Mix) -> VelocityField:
        """The field that raises each property by its amount."""
        return GuidedMix(mix.amounts, self.names, self.properties, self.metric, self.hold, self.fastest, self.dim)

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank, besides its properties and metric, which the caller keeps."""
        return {"hold": self.hold, "fastest": self.fastest}


@dataclass(frozen=True, eq=False)
class GuidedMix:
    """Guided fields bound to amounts (K,) or (*, K); `GuidedField` says what the others are."""

    amounts: Tensor
    names: tuple[str, ...]
    properties: tuple[Property, ...]
    metric: Tensor | None
    hold: bool
    fastest: float
    dim: int

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D), the same at every time.

        Raises:
            VanishingGradientError: if a property cannot be moved at one of the latents.
        """
        points, amounts, batch = self._aligned(z)
        rows, gram = self._gradients(points)
        self._check(gram, amounts)
        return self._velocity(rows, gram, amounts).reshape(*batch, self.dim)

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), exact at the cost of D Jacobian-vector products."""
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.no_grad():
                metric = None if self.metric is None else self.metric.clone()
                return replace(self, amounts=self.amounts.clone(), metric=metric).velocity_and_divergence(z.clone(), s)
        points, amounts, batch = self._aligned(z)
        self._check(self._gradients(points)[1], amounts)

        def field(codes: Tensor) -> Tensor:
            return self._velocity(*self._gradients(codes), amounts)

        velocity, trace = velocity_and_trace(field, points)
        return velocity.reshape(*batch, self.dim), trace.reshape(batch)

    def _gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients times the metric (N, K, D), and their products with each other in it (N, K, K)."""
        rows = torch.stack([self._gradient(index, points) for index in range(len(self.names))], dim=-2)
        pushed = rows if self.metric is None else rows @ self.metric.to(rows)
        return pushed, pushed @ rows.mT

    def _gradient(self, index: int, points: Tensor) -> Tensor:
        def total(codes: Tensor) -> Tensor:
            values = self.properties[index](codes)
            if values.shape != codes.shape[:-1]:
                shapes = f"{tuple(codes.shape[:-1])} at codes {tuple(codes.shape)}, got {tuple(values.shape)}"
                raise ValueError(f"`properties` must return one number per code, for {self.names[index]!r} {shapes}")
            return values.sum()

        gradient: Tensor = grad(total)(points)
        return gradient

    def _velocity(self, rows: Tensor, gram: Tensor, amounts: Tensor) -> Tensor:
        if self.hold:
            weights = torch.linalg.solve(gram, amounts.unsqueeze(-1)).squeeze(-1)
        else:
            # Where nothing is asked of a property its gradient may vanish, and 0 / 0 is no velocity.
            squares = gram.diagonal(dim1=-2, dim2=-1)
            weights = amounts / torch.where(amounts == 0, torch.ones_like(squares), squares)
        return (weights.unsqueeze(-2) @ rows).squeeze(-2)

    def _check(self, gram: Tensor, amounts: Tensor) -> None:
        gram, amounts = gram.detach(), amounts.detach()
        squares = gram.diagonal(dim1=-2, dim2=-1)
        needed = torch.ones_like(amounts, dtype=torch.bool) if self.hold else amounts != 0
        # Not `squares < ...`: what is not finite must be caught as well.
        self._refuse(needed & ~(squares > self.fastest**-2), "the gradient of {} vanishes")
        if self.hold and len(self.names) > 1:
            scale = squares.rsqrt()
            alike = torch.linalg.eigvalsh(gram * scale.unsqueeze(-1) * scale.unsqueeze(-2))[..., 0]
            least = 100 * torch.finfo(gram.dtype).eps
            bound = (~(alike > least)).unsqueeze(-1) & (amounts != 0)
            self._refuse(bound, "no direction moves {} and holds the others (" + ", ".join(self.names) + ")")

    def _refuse(self, bad: Tensor, told: str) -> None:
        if bool(bad.any()):
            sample, index = (int(i) for i in bad.nonzero()[0])
            raise VanishingGradientError(f"{told.format(repr(self.names[index]))} at sample {sample}")

    def _aligned(self, z: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        check_last("z", z, self.dim, f"D={self.dim}")
        batch = torch.broadcast_shapes(z.shape[:-1], self.amounts.shape[:-1])
        points, amounts = (x.expand(*batch, x.shape[-1]).reshape(-1, x.shape[-1]) for x in (z, self.amounts.to(z)))
        return points.contiguous(), amounts, batch


def _checked_metric(metric: Tensor, dim: int) -> Tensor:
    check_finite("metric", check_floating("metric", metric))
    if metric.shape != (dim, dim):
        raise ValueError(f"`metric` must have shape (D, D) = {(dim, dim)}, got {tuple(metric.shape)}")
    metric = metric.detach().clone()
    spectrum = torch.linalg.eigvalsh(metric.double())
    symmetric = torch.allclose(metric, metric.mT, rtol=1e-4, atol=1e-6 * float(metric.abs().max()))
    if not symmetric or not bool(spectrum[0] > 0):
        raise ValueError(f"`metric` must be symmetric and positive definite, got eigenvalues from {spectrum[0]:.3g}")
    return metric

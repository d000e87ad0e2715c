"""Mixtures of many Gaussians, exactly: log-densities, their gradients and Laplacians by matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite, check_last, check_positive
from flowdis._types import Latent, Scalar

__all__ = ["GaussianMixture"]

_Weights = Float[Tensor, "N"]
_Components = Float[Tensor, "N D"]
_Axes = Float[Tensor, "D D"]
_Vector = Float[Tensor, "D"]

_AT_ONCE = 2**22  # numbers of an array of points by components


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    r"""N Gaussians whose covariances are diagonal along common axes.

    .. math:: p(z) = \sum_n w_n \, N(y; c_n, \operatorname{diag} \sigma_n^2), \qquad y = E^T (z - o)

    Points are taken in pieces, so that memory does not grow with their number.

    Arguments:
        log_weights: The logarithms of the weights w, with shape (N); they sum to 1.
        means: The means c along the axes, with shape (N, D).
        log_stds: The logarithms of the standard deviations, with shape (N, D).
        origin: The origin o of the axes, with shape (D). Near the points, it keeps rounding errors small.
        axes: The orthonormal axes E, one in each column, with shape (D, D); those of the space where left out.

    Raises:
        ValueError: if a number is not finite, or weights or axes are none.

    Example:
        >>> standard = GaussianMixture(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(2))
        >>> value, gradient = standard.with_gradient(torch.tensor([3.0, 4.0]))
        >>> round(float(value), 4), gradient.tolist()    # -25 / 2 - log(2 pi)
        (-14.3379, [-3.0, -4.0])
    """

    log_weights: _Weights
    means: _Components
    log_stds: _Components
    origin: _Vector
    axes: _Axes | None = None

    def __post_init__(self) -> None:
        for name in ("means", "log_stds", "origin"):
            check_finite(name, getattr(self, name))
        total = float(self.log_weights.double().exp().sum())
        if not abs(total - 1) < 1e-3:
            raise ValueError(f"`log_weights` must be those of weights that sum to 1, got a sum of {total}")
        if self.axes is not None:
            square = self.axes.double().mT @ self.axes.double()
            worst = float((square - torch.eye(self.dim, dtype=square.dtype, device=square.device)).abs().max())
            if not worst < 1e-3:
                raise ValueError(f"`axes` must be orthonormal, got products that are off by {worst:.2g}")

    @property
    def dim(self) -> int:
        """The number D of dimensions."""
        return self.means.shape[-1]

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count D"]:
        """`count` points (count, D), drawn from `generator`, in the dtype and on the device of the means."""
        check_positive("count", count)
        source = torch.device("cpu") if generator is None else generator.device
        chances = self.log_weights.exp().to(device=source, dtype=torch.float64)
        rows = torch.multinomial(chances, count, replacement=True, generator=generator).to(self.means.device)
        noise = torch.randn(count, self.dim, dtype=self.means.dtype, device=source, generator=generator)
        y = self.means[rows] + self.log_stds[rows].exp() * noise.to(self.means.device)
        return self.origin + self._back(y)

    def log_density(self, z: Latent) -> Scalar:
        """The log-density (*) in nats at points (*, D)."""
        (value,) = self._each(lambda y, parts: (parts.evaluate(y)[0],), z)
        return value

    def with_gradient(self, z: Latent) -> tuple[Scalar, Latent]:
        """The log-density (*) at points (*, D), and its gradient (*, D)."""

        def both(y: Tensor, parts: _Parts) -> tuple[Tensor, Tensor]:
            value, share = parts.evaluate(y)
            return value, self._back(parts.gradient(y, share))

        value, gradient = self._each(both, z)
        return value, gradient

    def laplacian(self, z: Latent) -> Scalar:
        r"""The Laplacian of the log-density (*) at points (*, D).

        .. math:: \nabla^2 \log p = \sum_n r_n \left(|g_n|^2 - \operatorname{tr} \Sigma_n^{-1}\right) - |g|^2

        with r_n the share of a component in the density and g_n the gradient of its logarithm.
        """

        def trace(y: Tensor, parts: _Parts) -> tuple[Tensor]:
            share = parts.evaluate(y)[1]
            return (parts.laplacian(y, share),)

        (value,) = self._each(trace, z)
        return value

    def _each(self, function: Callable[[Tensor, _Parts], tuple[Tensor, ...]], z: Tensor) -> list[Tensor]:
        """The results of a function of points along the axes (B, D), piece by piece, in the batch shape of z."""
        check_last("z", z, self.dim, f"D={self.dim} latents")
        parts = _Parts(self.log_weights.to(z), self.means.to(z), self.log_stds.to(z))
        y = z.reshape(-1, self.dim) - self.origin.to(z)
        y = y if self.axes is None else y @ self.axes.to(z)
        pieces = [function(piece, parts) for piece in y.split(max(1, _AT_ONCE // len(self.means)))]
        joined = (torch.cat(column) for column in zip(*pieces, strict=True))
        return [column.reshape(z.shape[:-1] + column.shape[1:]) for column in joined]

    def _back(self, gradient: Tensor) -> Tensor:
        return gradient if self.axes is None else gradient @ self.axes.to(gradient).mT


class _Parts:
    """The components as matrices (N, D), ready for products with points along the axes."""

    def __init__(self, log_weights: Tensor, means: Tensor, log_stds: Tensor) -> None:
        self.precision = (-2 * log_stds).exp()
        self.pull = self.precision * means
        size = means.shape[-1] * math.log(2 * math.pi) + 2 * log_stds.sum(-1)
        self.height = log_weights - 0.5 * (size + (self.pull * means).sum(-1))

    def evaluate(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The log-density (B) and the share (B, N) of each component in the density."""
        logs = self.height + y @ self.pull.mT - 0.5 * y.square() @ self.precision.mT
        value = logs.logsumexp(-1)
        return value, (logs - value.unsqueeze(-1)).exp()

    def gradient(self, y: Tensor, share: Tensor) -> Tensor:
        return share @ self.pull - y * (share @ self.precision)

    def laplacian(self, y: Tensor, share: Tensor) -> Tensor:
        precision, pull = self.precision, self.pull
        squares = share @ pull.square() - 2 * y * (share @ (pull * precision))
        squares = squares + y.square() * (share @ precision.square())
        return (squares - share @ precision - self.gradient(y, share).square()).sum(-1)

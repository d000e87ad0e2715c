"""Where the codes of a generator live: a Gaussian for their log-density, and codes to start flows from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite, check_floating, check_last, check_positive
from flowdis._types import Latent, Scalar

__all__ = ["CodeDensity"]

_Codes = Float[Tensor, "N D"]
_LEAST = 1e-6  # of the mean variance: what a direction in which codes do not spread is given, and no less


@dataclass(frozen=True, eq=False)
class CodeDensity:
    r"""A Gaussian over codes, :math:`N(m, R R^T)`: the prior of a generator, or the aggregate posterior of an encoder.

    Arguments:
        mean: The mean m, with shape (D,).
        root: A lower triangular root R of the covariance, with shape (D, D).
        codes: Codes that samples are drawn from with replacement, with shape (N, D); the Gaussian's where left out.

    Raises:
        ValueError: if shapes do not match, a number is not finite or the root's diagonal is not positive.

    Example:
        >>> prior = CodeDensity.standard(3)
        >>> prior.sample(5, torch.Generator().manual_seed(0)).shape
        torch.Size([5, 3])
        >>> prior.log_density(torch.zeros(3))
        tensor(-2.7568)
    """

    mean: Float[Tensor, "D"]
    root: Float[Tensor, "rows columns"]
    codes: Float[Tensor, "N width"] | None = None

    def __post_init__(self) -> None:
        dim = self.dim
        check_finite("mean", check_floating("mean", self.mean))
        check_finite("root", check_floating("root", self.root))
        if self.root.shape != (dim, dim) or not bool((self.root.diagonal() > 0).all()):
            shape = tuple(self.root.shape)
            raise ValueError(f"`root` must be ({dim}, {dim}) with a positive diagonal, got shape {shape}")
        if self.codes is not None:
            check_finite("codes", check_last("codes", self.codes, dim, f"D={dim} latents"))
            if len(self.codes) == 0:
                raise ValueError("`codes` must hold at least one code, got none")

    @classmethod
    def standard(cls, dim: int, *, like: Tensor | None = None) -> CodeDensity:
        """N(0, I) in `dim` dimensions, in the dtype and on the device of `like`."""
        check_positive("dim", dim)
        eye = torch.eye(dim) if like is None else torch.eye(dim, dtype=like.dtype, device=like.device)
        return cls(torch.zeros_like(eye[0]), eye)

    @classmethod
    def fitted(cls, codes: _Codes, *, variances: _Codes | None = None) -> CodeDensity:
        r"""The Gaussian with the moments of codes; samples are these codes themselves.

        Given the variances of the posteriors whose means the codes are, it has the moments of the aggregate posterior:
        the covariance is that of the means plus the mean of the variances.

        Arguments:
            codes: The codes, with shape (N, D).
            variances: Their posteriors' variances, with shape (N, D).

        Raises:
            ValueError: if there are fewer than two codes, or one is not finite.
        """
        check_finite("codes", check_floating("codes", codes))
        if len(codes) < 2:
            raise ValueError(f"`codes` must be at least 2 to have a covariance, got {len(codes)}")
        wide = codes.double()
        covariance = torch.cov(wide.T, correction=0).reshape(codes.shape[-1], codes.shape[-1])
        if variances is not None:
            covariance = covariance + torch.diag(variances.double().mean(0))
        least = _LEAST * covariance.diagonal().mean().clamp(min=torch.finfo(torch.float64).tiny)
        root = torch.linalg.cholesky(covariance + least * torch.eye(len(covariance)).to(covariance))
        return cls(wide.mean(0).to(codes), root.to(codes), codes)

    @property
    def dim(self) -> int:
        """The number D of latents."""
        return self.mean.shape[-1]

    def sample(self, count: int, generator: torch.Generator | None = None) -> Latent:
        """`count` codes (count, D), drawn from `generator`."""
        source = torch.device("cpu") if generator is None else generator.device
        if self.codes is not None:
            rows = torch.randint(len(self.codes), (count,), generator=generator, device=source)
            return self.codes[rows.to(self.codes.device)]
        noise = torch.randn(count, self.dim, dtype=self.mean.dtype, device=source, generator=generator)
        return self.mean + noise.to(self.mean.device) @ self.root.T

    def log_density(self, z: Latent) -> Scalar:
        """The Gaussian's log-density (*) in nats at z (*, D)."""
        check_last("z", z, self.dim, f"D={self.dim} latents")
        flat = (z - self.mean.to(z)).reshape(-1, self.dim)
        whitened = torch.linalg.solve_triangular(self.root.to(z), flat.T, upper=False)
        size = self.root.to(z).diagonal().log().sum() + 0.5 * self.dim * math.log(2 * math.pi)
        return (-0.5 * whitened.square().sum(0) - size).reshape(z.shape[:-1])

"""The posterior of a code given an image: a diagonal Gaussian."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis._types import Latent, Scalar

__all__ = ["Posterior", "gaussian_log_density"]


def gaussian_log_density(z: Latent, mean: Latent | float, log_std: Latent | Scalar | float) -> Scalar:
    """The log-density (*) in nats of a diagonal Gaussian at z (*, D): a sum over latents, never a mean."""
    log_std = torch.as_tensor(log_std).to(z)
    squares = ((z - mean) * torch.exp(-log_std)).square()
    return -0.5 * (squares + 2 * log_std + math.log(2 * math.pi)).sum(-1)


@dataclass(frozen=True, eq=False)
class Posterior:
    r"""A diagonal Gaussian over codes, :math:`q(z | x) = N(\mu(x), \operatorname{diag} \sigma^2(x))`.

    Arguments:
        mean: The means, with shape (*, D).
        log_std: The logarithms of the standard deviations, with shape (*, D).
    """

    mean: Latent
    log_std: Latent

    def sample(self, generator: torch.Generator | None = None) -> Latent:
        """A reparameterised sample (*, D), its noise drawn from `generator`."""
        device = self.mean.device if generator is None else generator.device
        noise = torch.randn(self.mean.shape, dtype=self.mean.dtype, device=device, generator=generator)
        return self.mean + self.log_std.exp() * noise.to(self.mean.device)

    def log_density(self, z: Latent) -> Scalar:
        """The log-density (*) in nats at z (*, D)."""
        return gaussian_log_density(z, self.mean, self.log_std)

    def kl(self) -> Tensor:
        """KL(q || N(0, I)) in nats, with shape (*), a sum over latents."""
        variance = (2 * self.log_std).exp()
        return 0.5 * (self.mean.square() + variance - 1 - 2 * self.log_std).sum(-1)

"""The likelihood of whole sequences, by importance sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.batch import SequenceBatch
from flowdis.metrics.batches import pieces, slices
from flowdis.models import LatentFlow, Posterior, gaussian_log_density

__all__ = ["LogLikelihood", "log_likelihood"]

_PerSequence = Float[Tensor, "B"]


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """The log-likelihood of sequences, in nats.

    Arguments:
        nats: The estimate of log p(x_{0:T}) of each sequence, with shape (B).
        elbo: The lower bound E_q[log w] from the same samples, with shape (B).
        samples: How many samples each estimate is made from.
    """

    nats: _PerSequence
    elbo: _PerSequence
    samples: int

    @property
    def nats_per_sequence(self) -> float:
        """The mean of the estimates over sequences."""
        return float(self.nats.mean())

    def to_json(self) -> dict[str, float | int]:
        """The means in nats per sequence, with the standard error of the first over sequences."""
        count = len(self.nats)
        values: dict[str, float | int] = {
            "nats_per_sequence": self.nats_per_sequence,
            "elbo": float(self.elbo.mean()),
            "samples": self.samples,
            "sequences": count,
        }
        if count > 1:
            values["standard_error"] = float(self.nats.std()) / math.sqrt(count)
        return values


@torch.no_grad()
def log_likelihood(
    model: LatentFlow,
    batch: SequenceBatch,
    *,
    samples: int,
    generator: torch.Generator,
    batch_size: int = 250,
) -> LogLikelihood:
    r"""The importance-weighted log-likelihood of sequences, given their amounts, one weight per sequence.

    .. math:: \log p(x_{0:T}) \approx \log \frac{1}{n} \sum_n \exp \Big[ \sum_t \log p(x_t | z_t^n)
              + \log p(z_0^n) - \log q(z_0^n | x_0) \Big], \qquad z_0^n \sim q(z_0 | x_0).

    It is a lower bound in expectation, and rises with n. A flow without noise changes no weight: z_t is a
    function of z_0. With noise, the flow is its own proposal, and its densities cancel.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        batch: The sequences; the likelihood is that of the frames which the batch holds.
        samples: The number n of samples.
        generator: The source of the samples.
        batch_size: How many samples, over sequences, are worked on at a time.

    Returns:
        The estimates, with the lower bound from the same samples.

    Raises:
        ValueError: if `samples` is not positive, or the sequences do not fit the model.
        FlowError: if a flow cannot be integrated.

    References:
        Burda et al. 2015, Importance Weighted Autoencoders, arXiv 1509.00519, equation 8.
    """
    if samples < 1:
        raise ValueError(f"`samples` must be at least 1, got {samples}")
    nats, elbo = [], []
    for piece in pieces(model, batch, batch_size):
        posterior = model.encode(piece.first)
        noise = _noise(posterior.mean, samples, generator)
        count = max(1, batch_size // len(piece.first))
        weights = torch.cat(
            [_log_weights(model, piece, posterior, noise[part], generator) for part in slices(samples, count)]
        )
        nats.append(weights.logsumexp(0) - math.log(samples))
        elbo.append(weights.mean(0))
    return LogLikelihood(torch.cat(nats), torch.cat(elbo), samples)


def _noise(mean: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """Standard normal noise (n, B, D), drawn one sequence after the other, however they are batched."""
    shape, device = (samples, mean.shape[-1]), generator.device
    drawn = [torch.randn(shape, dtype=mean.dtype, device=device, generator=generator) for _ in mean]
    return torch.stack(drawn, dim=1).to(mean.device)


def _log_weights(
    model: LatentFlow,
    batch: SequenceBatch,
    posterior: Posterior,
    noise: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Log-weights (n, B) of the samples that noise (n, B, D) makes, in float64."""
    z = posterior.mean + posterior.log_std.exp() * noise
    latents = model.transport(batch.path, z, frames=batch.times, generator=generator).z
    # Images (F, 1, B, C, H, W) stand against codes (F, n, B, D).
    images = batch.frames.unsqueeze(1).expand(-1, len(noise), *[-1] * (batch.frames.ndim - 1))
    seen = model.log_likelihood(images, latents).double().sum(0)
    prior = gaussian_log_density(z, 0.0, 0.0)
    proposal = gaussian_log_density(z, posterior.mean.expand_as(z), posterior.log_std.expand_as(z))
    return seen + (prior - proposal).double()

"""One training step of a `LatentFlow` the way published code of flow-factorized representations writes it.

What `benchmarks.training` times ours against: the same encoder, decoder, units per potential and loss, but

- one transformation and one time step serve the whole batch, and all frames 0 to T are rendered;
- the field is the gradient of a potential by `torch.autograd.grad`, whose second derivatives and residual of
  the Hamilton-Jacobi equation the backward pass differentiates once more;
- each frame is one Euler step on, and is decoded on its own, in a Python loop.

Wherever published code could be slower for other reasons, it is given ours: the batched renderer, both first
derivatives in one call, the prior in closed form, the numerically safe likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowdis.data import TransformSequences, published
from flowdis.fields import PotentialField
from flowdis.models import LatentFlow, gaussian_log_density
from flowdis.training import Sampler, TrainingConfig

__all__ = ["PublishedStep", "published_model", "published_sequences"]


def published_model(model: LatentFlow, generator: torch.Generator) -> LatentFlow:
    """The model with its fields replaced by clocked, forced potentials of as many units each."""
    hidden = int(model.fields.config()["hidden"])
    bank = PotentialField(model.names, model.dim, hidden=hidden, clocked=True, forced=True, generator=generator)
    return LatentFlow(model.config, encoder=model.encoder, decoder=model.decoder, fields=bank)


def published_sequences(images: Tensor, model: LatentFlow) -> dict[str, TransformSequences]:
    """By transformation, sequences that move in it alone, in even steps from upright."""
    return {name: published(images, name, names=model.names, units=model.units) for name in model.names}


@dataclass
class PublishedStep:
    """The step.

    Arguments:
        model: What `published_model` makes.
        sequences: What `published_sequences` makes.
        config: Batch size, norm of the gradient and weights of the bound.
        optimizer: What takes the step.
        generator: The source of all randomness.
        exact: Whether second derivatives are the Hessian's diagonal, which a density asks for, by D backward
            passes; published code takes the sums of the Hessian's rows, one pass, in their place.
    """

    model: LatentFlow
    sequences: Mapping[str, Sampler]
    config: TrainingConfig
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    exact: bool = False

    def run(self, steps: int) -> None:
        """Takes steps."""
        for _ in range(steps):
            loss = self.loss()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
            self.optimizer.step()

    def loss(self) -> Tensor:
        """The loss of a new batch, in nats per pixel."""
        model, weights = self.model, self.config.weights
        k = int(torch.randint(len(model.names), (), generator=self.generator))
        batch = self.sequences[model.names[k]].sample(self.config.batch_size, generator=self.generator)
        posterior = model.encode(batch.first)
        z = posterior.sample(self.generator)
        log_q = posterior.log_density(z)
        reconstruction = -model.log_likelihood(batch.first, z)
        gaps, residuals = torch.zeros_like(log_q), torch.zeros_like(log_q)
        for t in range(1, batch.length + 1):
            velocity, second, residual = self.field(k, z, float(t))
            z = z + velocity
            log_q = log_q - (1 + second).abs().log().sum(-1)
            spread = 0.5 * (1 + 2 * t * model.log_diffusion[k].exp()).log()
            gaps = gaps + log_q - gaussian_log_density(z, 0.0, spread.expand_as(z))
            residuals = residuals + residual.square()
            reconstruction = reconstruction - model.log_likelihood(batch.frames[t], z)
        total = weights.reconstruction * reconstruction + weights.kl_initial * posterior.kl()
        total = total + weights.kl_path * gaps / batch.length + residuals
        return total.mean() / (math.prod(model.image_shape) * (batch.length + 1))

    def field(self, k: int, z: Tensor, time: float) -> tuple[Tensor, Tensor, Tensor]:
        """The velocity (B, D) of field k, its second derivatives (B, D), its Hamilton-Jacobi residual (B)."""
        bank = self.model.fields
        assert isinstance(bank, PotentialField) and bank.force is not None
        t = torch.full_like(z[:, :1], time).requires_grad_()
        potential = _ridge(bank.network, k, z, t)
        rate, velocity = torch.autograd.grad(potential.sum(), (t, z), create_graph=True)
        if self.exact:
            columns = [
                torch.autograd.grad(column.sum(), z, create_graph=True)[0][:, i]
                for i, column in enumerate(velocity.unbind(-1))
            ]
            second = torch.stack(columns, dim=-1)
        else:
            second = torch.autograd.grad(velocity.sum(), z, create_graph=True)[0]
        force = _ridge(bank.force, k, z, t)
        return velocity, second, rate.squeeze(-1) + 0.5 * velocity.square().sum(-1) + force.square()


def _ridge(network: nn.Module, k: int, z: Tensor, t: Tensor) -> Tensor:
    """The k-th ridge network at (B, D) and times (B, 1), log cosh being written to be cheap for autograd."""
    weight, bias, speed, amplitude = (
        getattr(network, name)[k] for name in ("weight", "bias", "time_weight", "amplitude")
    )
    phase = F.linear(z, weight, bias) + t * speed
    return ((phase + F.softplus(-2 * phase) - math.log(2.0)) * amplitude).sum(-1)

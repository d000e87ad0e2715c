"""The VAE and the beta-VAE: what is weighed, and by how much."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from flowdis.baselines import BetaVAE
from flowdis.data import SequenceBatch, units_of
from flowdis.fields import LinearField
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from flowdis.objectives import Bound
from tests.baselines.toys import batch, small_model


class FixedEncoder(nn.Module):
    """The same posterior for every image."""

    def __init__(self, mean: float, log_std: float) -> None:
        super().__init__()
        self.mean, self.log_std = mean, log_std

    def forward(self, images: Tensor) -> Posterior:
        shape = (len(images), 2)
        return Posterior(images.new_full(shape, self.mean), images.new_full(shape, self.log_std))


def fixed_model(mean: float, log_std: float, shape: tuple[int, int, int]) -> LatentFlow:
    config = LatentFlowConfig(shape, units_of(["rotate"]), dim=2, channels=(4,), decoder_hidden=8, field="linear")
    return LatentFlow(config, encoder=FixedEncoder(mean, log_std), fields=LinearField(("rotate",), 2))


def loss(objective: BetaVAE, model: LatentFlow, sequences: SequenceBatch, progress: float = 1.0) -> Bound:
    return objective(model, sequences, generator=torch.Generator().manual_seed(0), progress=progress)


def blank(count: int, shape: tuple[int, int, int]) -> SequenceBatch:
    return SequenceBatch(("rotate",), torch.full((1, count, *shape), 0.5), torch.zeros(1), torch.zeros(1, count, 1), 8)


@pytest.mark.parametrize("count", [1, 4, 64])
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 28, 20)])
def test_beta_weighs_the_divergence_whatever_the_batch_and_the_image(count: int, shape: tuple[int, int, int]) -> None:
    model, sequences = fixed_model(1.0, 0.0, shape), blank(count, shape)
    plain, heavy = (loss(BetaVAE(beta=beta), model, sequences) for beta in (1.0, 4.0))
    assert torch.equal(plain.terms["kl"], torch.ones(count))  # two latents of half a nat each
    torch.testing.assert_close(heavy.loss - plain.loss, torch.tensor(3.0), rtol=0, atol=1e-3)
    assert torch.equal(heavy.terms["kl"], plain.terms["kl"])  # terms are told before they are weighed


def test_a_beta_of_one_is_the_negative_bound_of_the_vae() -> None:
    objective = BetaVAE(beta=1.0)
    model, sequences = small_model(objective).double(), batch(objective)
    sequences = replace(sequences, frames=sequences.frames.double())
    noise = torch.Generator().manual_seed(0)
    posterior = model.encode(sequences.first)
    z = posterior.sample(noise)
    pixels = torch.distributions.Bernoulli(logits=model.output(z), validate_args=False).log_prob(sequences.first)
    normal = torch.distributions.Normal(posterior.mean, posterior.log_std.exp())
    divergence = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    expected = divergence.sum(-1).mean() - pixels.sum((-3, -2, -1)).mean()
    torch.testing.assert_close(loss(objective, model, sequences).loss, expected, rtol=1e-12, atol=0)


def test_the_loss_of_a_batch_is_the_mean_of_its_images_losses() -> None:
    model, sequences = fixed_model(0.3, -12.0, (1, 4, 4)), blank(10, (1, 4, 4))
    sequences = replace(sequences, frames=torch.rand(1, 10, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    objective = BetaVAE(beta=2.0, capacity=1.0)
    pieces = [
        loss(objective, model, replace(sequences, frames=part, amounts=torch.zeros(1, part.shape[1], 1))).loss
        * part.shape[1]
        for part in sequences.frames.split(4, dim=1)
    ]
    torch.testing.assert_close(loss(objective, model, sequences).loss, sum(pieces) / 10, rtol=1e-5, atol=0)


def test_the_divergence_is_held_to_a_capacity_that_rises() -> None:
    model, sequences = fixed_model(1.0, 0.0, (1, 4, 4)), blank(4, (1, 4, 4))
    objective = BetaVAE(beta=1000.0, capacity=25.0, rise=0.5)
    reconstruction = loss(objective, model, sequences).terms["reconstruction"].mean()
    for progress, excess in ((0.0, 1.0), (0.02, 0.0), (0.25, 11.5), (0.5, 24.0), (1.0, 24.0)):
        found = loss(objective, model, sequences, progress).loss - reconstruction
        torch.testing.assert_close(found, torch.tensor(1000 * excess), rtol=1e-5, atol=1e-2)
    assert BetaVAE(capacity=3.0, rise=0.0).capacity_at(0.0) == 3.0


def test_without_a_capacity_it_is_the_plain_beta_vae() -> None:
    model, sequences = small_model(BetaVAE()), batch(BetaVAE())
    bound = loss(BetaVAE(beta=4.0, capacity=0.0), model, sequences, progress=0.1)
    expected = (bound.terms["reconstruction"] + 4 * bound.terms["kl"]).mean()
    torch.testing.assert_close(bound.loss, expected)


@pytest.mark.parametrize("log_std", [-7.0, 7.0])
def test_posteriors_at_their_narrowest_and_widest_have_finite_losses(log_std: float) -> None:
    bound = loss(BetaVAE(), fixed_model(0.0, log_std, (1, 4, 4)), blank(4, (1, 4, 4)))
    assert torch.isfinite(bound.loss)

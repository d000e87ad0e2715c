"""Law 7: the importance-weighted likelihood rises with samples and meets that of a linear Gaussian model.

The model draws z_0 from N(0, I), turns it by a linear flow and shows x_t = 1/2 + W z_t with Gaussian noise,
so that all frames together are Gaussian.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from flowdis.data.batch import SequenceBatch
from flowdis.dynamics import Solver
from flowdis.metrics import log_likelihood
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from flowdis.paths import Unit

DIM, PIXELS, NOISE, FRAMES = 2, 4, 0.08, 4


class AffineDecoder(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.weight.mT).unflatten(-1, (1, 2, 2))


class ExactEncoder(nn.Module):
    """The true posterior given one frame, whose precision I + W^T W / noise^2 is diagonal; or a wider one."""

    def __init__(self, weight: Tensor, width: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.width = width

    def forward(self, images: Tensor) -> Posterior:
        precision = 1 + self.weight.square().sum(0) / NOISE**2
        mean = (images.flatten(-3) - 0.5) @ self.weight / NOISE**2 / precision
        return Posterior(mean, (math.log(self.width) - 0.5 * precision.log()).expand_as(mean))


def model_and_weight(width: float = 1.0) -> tuple[LatentFlow, Tensor]:
    """The model, and W with orthogonal columns."""
    columns = torch.tensor([[0.03, 0.02], [0.03, -0.02], [-0.03, 0.02], [-0.03, -0.02]], dtype=torch.float64)
    config = LatentFlowConfig(
        (1, 2, 2),
        {"turn": Unit()},
        dim=DIM,
        field="linear",
        likelihood="gaussian",
        noise=NOISE,
        solver=Solver(steps=4),  # at most a radian in steps of 1/6: right to 1e-5
    )
    encoder, decoder = ExactEncoder(columns, width), AffineDecoder(columns)
    model = LatentFlow(config, encoder=encoder, decoder=decoder, generator=torch.Generator()).double()
    model.fields.load_state_dict({"matrix": torch.tensor([[[-0.1, -1.0], [1.0, 0.1]]], dtype=torch.float64)})
    return model.eval(), columns


def drawn(count: int, weight: Tensor, model: LatentFlow) -> tuple[SequenceBatch, Tensor]:
    """Sequences from the model itself, each with its own amount, and their exact log-densities in nats."""
    generator = torch.Generator().manual_seed(2)
    times = torch.arange(FRAMES, dtype=torch.float64) / (FRAMES - 1)
    amounts = 2 * torch.rand(1, count, 1, generator=generator, dtype=torch.float64) - 1
    z = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
    noise = NOISE * torch.randn(count, FRAMES * PIXELS, generator=generator, dtype=torch.float64)
    frames, exact = [], []
    for amount, start, error in zip(amounts[0, :, 0], z, noise, strict=True):
        maps = [weight @ torch.linalg.matrix_exp(t * amount * model.fields.matrix[0].detach()) for t in times]
        whole = torch.cat(maps)
        covariance = whole @ whole.mT + NOISE**2 * torch.eye(FRAMES * PIXELS, dtype=torch.float64)
        image = 0.5 + whole @ start + error
        exact.append(MultivariateNormal(torch.full_like(image, 0.5), covariance).log_prob(image))
        frames.append(image.reshape(FRAMES, 1, 2, 2))
    stacked = torch.stack(frames, dim=1)
    batch = SequenceBatch(("turn",), stacked, times, amounts, FRAMES - 1)
    return batch, torch.stack(exact)


def test_it_meets_the_exact_value() -> None:
    model, weight = model_and_weight()
    batch, exact = drawn(20, weight, model)
    result = log_likelihood(model, batch, samples=20_000, generator=torch.Generator().manual_seed(0), batch_size=40_000)
    # Weights vary by a factor of a few, as the encoder has seen one frame of four.
    assert result.nats_per_sequence == pytest.approx(float(exact.mean()), abs=1e-2)
    torch.testing.assert_close(result.nats, exact, rtol=0, atol=6e-2)


def test_one_sample_is_exact_where_the_posterior_is() -> None:
    model, weight = model_and_weight()
    batch, _ = drawn(7, weight, model)
    still = SequenceBatch(("turn",), batch.frames[:1], batch.times[:1], batch.amounts, batch.length)
    covariance = weight @ weight.mT + NOISE**2 * torch.eye(PIXELS, dtype=torch.float64)
    images = batch.first.flatten(1)
    exact = MultivariateNormal(torch.full_like(images, 0.5), covariance).log_prob(images)
    result = log_likelihood(model, still, samples=1, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(result.nats, exact, rtol=0, atol=1e-9)
    torch.testing.assert_close(result.elbo, exact, rtol=0, atol=1e-9)


def test_it_rises_with_samples_from_the_bound_towards_the_truth() -> None:
    model, weight = model_and_weight(width=1.5)
    batch, exact = drawn(200, weight, model)
    values = [
        log_likelihood(model, batch, samples=n, generator=torch.Generator().manual_seed(0), batch_size=5_000)
        for n in (1, 4, 16, 64, 256)
    ]
    means = [value.nats_per_sequence for value in values]
    assert means == sorted(means)
    assert means[-1] == pytest.approx(float(exact.mean()), abs=3e-2)
    # The bound is what one sample gives in expectation, however many there are.
    bounds = [float(value.elbo.mean()) for value in values]
    assert bounds[-1] == pytest.approx(means[0], abs=0.2)
    assert bounds[-1] < float(exact.mean()) - 0.1
    assert all((value.elbo <= value.nats + 1e-9).all() for value in values)


def test_there_is_one_weight_per_sequence() -> None:
    model, weight = model_and_weight(width=2.0)
    batch, _ = drawn(3, weight, model)
    result = log_likelihood(model, batch, samples=5, generator=torch.Generator().manual_seed(4))
    generator = torch.Generator().manual_seed(4)
    noise = torch.stack([torch.randn(5, DIM, generator=generator, dtype=torch.float64) for _ in range(3)], 1)
    with torch.no_grad():
        posterior = model.encode(batch.first)
        log_weights = []
        for sample in noise:
            z = posterior.mean + posterior.log_std.exp() * sample
            way = model.transport(batch.path, z, frames=batch.times).z
            prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
            seen = model.log_likelihood(batch.frames, way).sum(0)
            log_weights.append(seen + prior - posterior.log_density(z))
    weights = torch.stack(log_weights)
    torch.testing.assert_close(result.nats, weights.logsumexp(0) - math.log(5))
    torch.testing.assert_close(result.elbo, weights.mean(0))


def test_it_does_not_depend_on_the_batch_size() -> None:
    model, weight = model_and_weight()
    batch, _ = drawn(5, weight, model)
    results = [
        log_likelihood(model, batch, samples=6, generator=torch.Generator().manual_seed(1), batch_size=size).nats
        for size in (1, 2, 7, 250)
    ]
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-10, atol=0)


def test_results_are_written_and_samples_are_needed() -> None:
    model, weight = model_and_weight()
    batch, _ = drawn(3, weight, model)
    result = log_likelihood(model, batch, samples=2, generator=torch.Generator().manual_seed(0))
    written = result.to_json()
    assert written["nats_per_sequence"] == result.nats_per_sequence
    assert (written["samples"], written["sequences"]) == (2, 3)
    with pytest.raises(ValueError, match="`samples` must be at least 1, got 0"):
        log_likelihood(model, batch, samples=0, generator=torch.Generator())

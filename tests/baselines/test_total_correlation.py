"""Total correlation: estimates against closed forms, quadrature and enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from flowdis.baselines.total_correlation import (
    decompose,
    density_ratio,
    gaussian_total_correlation,
    log_sample_weights,
    permuted_dimensions,
)
from flowdis.models import Posterior


def posterior(count: int, dim: int, seed: int = 0) -> Posterior:
    generator = torch.Generator().manual_seed(seed)
    mean, log_std = torch.randn(2, count, dim, generator=generator, dtype=torch.float64)
    return Posterior(1.5 * mean, 0.3 * log_std - 0.7)


def quadrature(order: int, dim: int) -> tuple[Tensor, Tensor]:
    """Nodes (M, D) and weights (M) of expectations over N(0, I), exact for polynomials of degree 2 order - 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    grid = torch.cartesian_prod(*[torch.from_numpy(nodes)] * dim)
    weight = torch.cartesian_prod(*[torch.from_numpy(weights / weights.sum())] * dim).prod(-1)
    return grid, weight


def expected_parts(q: Posterior, log_weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The expectations of the three parts over samples, by quadrature."""
    nodes, weights = quadrature(30, q.mean.shape[-1])
    parts = [decompose(q.mean + q.log_std.exp() * node, q, log_weights) for node in nodes]
    stacked = [
        torch.stack([getattr(part, name) for part in parts])
        for name in ("mutual_information", "total_correlation", "dimension_kl")
    ]
    return tuple((weights[:, None] * values).sum(0) for values in stacked)


@pytest.mark.parametrize("options", [{}, {"dataset_size": 50}, {"dataset_size": 50, "stratified": True}], ids=str)
def test_the_parts_sum_to_the_divergence(options: dict) -> None:
    q = posterior(5, 2)
    parts = expected_parts(q, log_sample_weights(5, like=q.mean, **options))
    torch.testing.assert_close(sum(parts), q.kl(), rtol=0, atol=1e-9)


def test_the_parts_of_a_batch_that_is_the_data_set_are_exact() -> None:
    """Against mixtures of torch.distributions on the same nodes."""
    q = posterior(5, 2)
    normal = torch.distributions.Normal(q.mean, q.log_std.exp())
    equal = torch.distributions.Categorical(probs=torch.ones(5, dtype=torch.float64))
    joint = torch.distributions.MixtureSameFamily(equal, torch.distributions.Independent(normal, 1))
    z = q.mean + q.log_std.exp() * 0.4
    log_joint = joint.log_prob(z)
    log_product = sum(
        torch.distributions.MixtureSameFamily(
            equal, torch.distributions.Normal(q.mean[:, d], q.log_std[:, d].exp())
        ).log_prob(z[:, d])
        for d in range(2)
    )
    parts = decompose(z, q, log_sample_weights(5, like=z))
    log_prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    torch.testing.assert_close(parts.mutual_information, q.log_density(z) - log_joint, rtol=0, atol=1e-12)
    torch.testing.assert_close(parts.total_correlation, log_joint - log_product, rtol=0, atol=1e-12)
    torch.testing.assert_close(parts.dimension_kl, log_product - log_prior, rtol=0, atol=1e-12)


def test_posteriors_far_apart_tell_which_image_it_was_and_equal_ones_nothing() -> None:
    z = torch.arange(6, dtype=torch.float64)[:, None] * 100 * torch.tensor([1.0, -1.0], dtype=torch.float64)
    apart = decompose(z, Posterior(z, torch.zeros_like(z)), log_sample_weights(6, like=z))
    torch.testing.assert_close(apart.mutual_information, torch.full((6,), math.log(6)).double())
    torch.testing.assert_close(apart.total_correlation, torch.full((6,), math.log(6)).double())  # one latent tells all
    same = Posterior(torch.full_like(z, 0.5), torch.full_like(z, -1.0))
    equal = decompose(same.sample(torch.Generator().manual_seed(0)), same, log_sample_weights(6, like=z))
    for part in (equal.mutual_information, equal.total_correlation):
        torch.testing.assert_close(part, torch.zeros(6).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("correlation", [0.0, 0.5, -0.8])
def test_the_estimate_for_a_gaussian_agrees_with_its_closed_form(correlation: float) -> None:
    """Means N(0, C - s^2 I) and posteriors N(mean, s^2 I) have the aggregate N(0, C)."""
    covariance = torch.tensor([[1.0, correlation], [correlation, 1.0]], dtype=torch.float64)
    noise = torch.Generator().manual_seed(0)
    variance = 0.15
    root = torch.linalg.cholesky(covariance - variance * torch.eye(2))
    mean = torch.randn(1500, 2, generator=noise, dtype=torch.float64) @ root.mT
    q = Posterior(mean, torch.full_like(mean, 0.5 * math.log(variance)))
    z = q.sample(noise)
    exact = gaussian_total_correlation(covariance)
    information = 0.5 * (torch.logdet(covariance) - 2 * math.log(variance))
    for options in ({}, {"dataset_size": 10**9, "stratified": True}):
        parts = decompose(z, q, log_sample_weights(1500, like=z, **options))
        # Of 1500 samples, with a standard deviation of about 0.6 nats, and a bias of O(1 / 1500).
        torch.testing.assert_close(parts.total_correlation.mean(), exact, rtol=0, atol=0.07)
        torch.testing.assert_close(parts.mutual_information.mean(), information, rtol=0, atol=0.1)


def test_weighted_sampling_moves_estimates_by_a_constant_and_gradients_not_at_all() -> None:
    q = posterior(6, 3)
    mean = q.mean.requires_grad_()
    z = Posterior(mean, q.log_std).sample(torch.Generator().manual_seed(0))
    values, gradients = [], []
    for size in (None, 1000):
        parts = decompose(z, Posterior(mean, q.log_std), log_sample_weights(6, size, like=z))
        total = parts.total_correlation.mean()
        values.append(total.detach())
        gradients.append(torch.autograd.grad(total, mean, retain_graph=True)[0])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(values[1] - values[0], torch.tensor(2 * math.log(1000)).double())  # (D - 1) log N


def test_stratified_sampling_estimates_the_aggregate_without_bias() -> None:
    """Over all ordered batches of three out of five images that begin with the first one."""
    densities = torch.rand(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    row = log_sample_weights(3, 5, stratified=True, like=densities)[0].exp()
    estimates = [row @ densities[[0, *others]] for others in itertools.permutations(range(1, 5), 2)]
    torch.testing.assert_close(torch.stack(estimates).mean(), densities.mean(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 5), (8, 8), (8, 1000)])
def test_stratified_weights_sum_to_one(count: int, size: int) -> None:
    weights = log_sample_weights(count, size, stratified=True, like=torch.zeros((), dtype=torch.float64)).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(count).double(), rtol=1e-12, atol=0)
    torch.testing.assert_close(weights.diagonal(), torch.full((count,), 1 / size).double())


def test_a_gaussian_s_total_correlation_does_not_depend_on_scale_or_order() -> None:
    root = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    covariance = root @ root.mT
    exact = gaussian_total_correlation(covariance)
    entropies = 0.5 * covariance.diagonal().log().sum() - 0.5 * torch.logdet(covariance)
    torch.testing.assert_close(exact, entropies)
    scale = torch.tensor([1.0, 1e3, 1e-3, 7.0], dtype=torch.float64)
    order = torch.tensor([2, 0, 3, 1])
    scaled = (scale[:, None] * covariance * scale)[order][:, order]
    torch.testing.assert_close(gaussian_total_correlation(scaled), exact)
    assert gaussian_total_correlation(torch.eye(3)) == 0
    with pytest.raises(ValueError, match="`covariance` must be positive definite"):
        gaussian_total_correlation(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))


def test_permuted_latents_keep_their_marginals_and_lose_their_dependence() -> None:
    z = torch.randn(5000, 1, generator=torch.Generator().manual_seed(0)).expand(-1, 3).contiguous()
    permuted = permuted_dimensions(z, torch.Generator().manual_seed(1))
    assert torch.equal(permuted.sort(0).values, z.sort(0).values)
    correlations = permuted.mT.corrcoef() - torch.eye(3)
    assert correlations.abs().max() < 0.06  # four standard deviations
    with pytest.raises(ValueError, match="at least 2 images for latents to be permuted over, got 1"):
        permuted_dimensions(z[:1])


def test_a_perfect_discriminator_s_ratio_is_the_total_correlation() -> None:
    covariance = torch.tensor([[1.0, 0.7], [0.7, 1.0]], dtype=torch.float64)
    joint = torch.distributions.MultivariateNormal(torch.zeros(2).double(), covariance)
    z = torch.randn(20000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = z @ torch.linalg.cholesky(covariance).mT
    product = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    estimate = density_ratio(torch.stack([joint.log_prob(z), product], dim=-1)).mean()
    torch.testing.assert_close(estimate, gaussian_total_correlation(covariance), rtol=0, atol=0.03)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"count": 1}, "`batch` must hold at least 2 images to estimate how latents depend, got 1"),
        ({"count": 8, "dataset_size": 7}, "`dataset_size` must be at least the batch's 8, got 7"),
        ({"count": 8, "stratified": True}, "`dataset_size` must be given for stratified sampling"),
    ],
)
def test_weights_need_a_batch_and_a_size(options: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        log_sample_weights(**options)

"""Where codes live: a Gaussian with the moments that it says."""

from __future__ import annotations

import pytest
import torch

from flowdis.models import Posterior
from flowdis.training.code_density import CodeDensity


def codes(count: int = 50) -> torch.Tensor:
    root = torch.tensor([[1.0, 0.0, 0.0], [0.7, 0.5, 0.0], [-0.3, 0.2, 2.0]], dtype=torch.float64)
    noise = torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return noise @ root.T + torch.tensor([1.0, -2.0, 0.5])


def test_log_density_is_that_of_the_gaussian() -> None:
    density, z = CodeDensity.fitted(codes()), codes(8).reshape(2, 4, 3)
    known = torch.distributions.MultivariateNormal(density.mean, scale_tril=density.root)
    torch.testing.assert_close(density.log_density(z), known.log_prob(z), rtol=1e-12, atol=1e-12)


def test_fitted_moments_are_those_of_the_aggregate_posterior() -> None:
    variances = torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    density = CodeDensity.fitted(codes(), variances=variances)
    wanted = torch.cov(codes().T, correction=0) + torch.diag(variances.mean(0))
    torch.testing.assert_close(density.mean, codes().mean(0))
    # A millionth of the mean variance is added, so that codes within a plane have a density too.
    torch.testing.assert_close(density.root @ density.root.T, wanted, rtol=1e-5, atol=1e-5)
    posterior = Posterior(codes(), variances.log() / 2)
    source = torch.Generator().manual_seed(2)
    drawn = torch.cat([posterior.sample(source) for _ in range(2000)])
    torch.testing.assert_close(torch.cov(drawn.T), wanted, rtol=0.03, atol=0.02)  # three standard errors of 10^5 draws


def test_codes_within_a_plane_have_a_density() -> None:
    flat = codes() * torch.tensor([1.0, 1.0, 0.0])
    assert torch.isfinite(CodeDensity.fitted(flat).log_density(flat)).all()


def test_samples_are_the_codes_or_the_gaussian_s() -> None:
    source = torch.Generator().manual_seed(0)
    drawn = CodeDensity.fitted(codes()).sample(200, source)
    assert (drawn[:, None] == codes()[None]).all(-1).any(1).all()
    density = CodeDensity(torch.tensor([3.0, 0.0]), torch.tensor([[2.0, 0.0], [1.0, 0.5]]))
    drawn = density.sample(40_000, source)
    torch.testing.assert_close(drawn.mean(0), density.mean, rtol=0, atol=0.04)  # four standard errors
    torch.testing.assert_close(torch.cov(drawn.T), density.root @ density.root.T, rtol=0.05, atol=0.03)


def test_the_standard_normal_follows_a_tensor() -> None:
    density = CodeDensity.standard(3, like=torch.zeros(1, dtype=torch.float64))
    assert density.sample(2, torch.Generator().manual_seed(0)).dtype == torch.float64
    assert density.codes is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: CodeDensity.standard(0), "`dim` must be a finite number > 0, got 0"),
        (lambda: CodeDensity.fitted(codes(1)), "`codes` must be at least 2 to have a covariance, got 1"),
        (lambda: CodeDensity(torch.zeros(2), torch.eye(3)), r"`root` must be \(2, 2\) with a positive diagonal"),
        (lambda: CodeDensity(torch.zeros(2), -torch.eye(2)), "positive diagonal"),
        (lambda: CodeDensity(torch.zeros(2), torch.eye(2), torch.zeros(4, 3)), "`codes` must end in D=2 latents"),
        (lambda: CodeDensity(torch.zeros(2), torch.eye(2), torch.zeros(0, 2)), "at least one code"),
        (lambda: CodeDensity(torch.full((2,), torch.nan), torch.eye(2)), "`mean` must be finite"),
        (lambda: CodeDensity.standard(2).log_density(torch.zeros(3)), "`z` must end in D=2 latents"),
    ],
)
def test_bad_densities_are_refused(wrong, said) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()

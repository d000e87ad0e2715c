"""The SlowVAE: the divergence from a Laplace transition against integrals done numerically."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from flowdis.baselines import BetaVAE, SlowVAE, laplace_kl
from flowdis.models import Posterior
from tests.baselines.toys import batch, small_model

F64 = torch.float64


def posterior(mean: list[float], std: list[float]) -> Posterior:
    return Posterior(torch.tensor([mean], dtype=F64), torch.tensor([std], dtype=F64).log())


def integrated(before: tuple[float, float], after: tuple[float, float], rate: float) -> torch.Tensor:
    """The divergence of one latent by the midpoint rule over both of its densities."""
    (m, s), (n, t) = before, after
    count = 2000
    unit = (torch.arange(count, dtype=F64) + 0.5) / count * 18 - 9
    weight = torch.exp(-0.5 * unit.square())
    weight = weight / weight.sum()
    z, later = m + s * unit, n + t * unit
    log_q = torch.distributions.Normal(n, t).log_prob(later)
    log_p = torch.distributions.Laplace(z[:, None], 1 / rate).log_prob(later)
    return (weight[:, None] * weight * (log_q - log_p)).sum()


@pytest.mark.parametrize("rate", [0.5, 6.0])
@pytest.mark.parametrize(
    ("before", "after"),
    [((0.0, 1.0), (0.0, 1.0)), ((0.3, 0.2), (-1.0, 0.7)), ((2.0, 0.1), (2.0, 0.05)), ((-1.0, 0.5), (4.0, 0.3))],
)
def test_it_agrees_with_the_integral(before: tuple, after: tuple, rate: float) -> None:
    found = laplace_kl(posterior([before[0]], [before[1]]), posterior([after[0]], [after[1]]), rate)
    # The kink of |z' - z| limits the midpoint rule.
    torch.testing.assert_close(found[0], integrated(before, after, rate), rtol=1e-4, atol=1e-4)


def test_it_sums_over_latents() -> None:
    both = laplace_kl(posterior([0.3, 1.0], [0.2, 0.4]), posterior([0.1, -1.0], [0.3, 0.5]), 6.0)
    one = laplace_kl(posterior([0.3], [0.2]), posterior([0.1], [0.3]), 6.0)
    other = laplace_kl(posterior([1.0], [0.4]), posterior([-1.0], [0.5]), 6.0)
    torch.testing.assert_close(both, one + other, rtol=1e-12, atol=0)


def test_far_apart_it_is_a_laplace_density_and_time_can_run_either_way() -> None:
    before, after = posterior([0.0], [0.1]), posterior([50.0], [0.1])
    entropy = math.log(0.1) + 0.5 * math.log(2 * math.pi * math.e)
    expected = torch.tensor([6.0 * 50 - math.log(3.0) - entropy], dtype=F64)
    torch.testing.assert_close(laplace_kl(before, after, 6.0), expected)
    torch.testing.assert_close(laplace_kl(after, before, 6.0), expected)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize("log_std", [-9.0, 0.0, 7.0])
def test_dead_and_certain_latents_have_finite_gradients(dtype: torch.dtype, log_std: float) -> None:
    mean = torch.tensor([[0.0, 0.0, 1e3]], dtype=dtype, requires_grad=True)
    spread = torch.full((1, 3), log_std, dtype=dtype, requires_grad=True)
    laplace_kl(Posterior(0 * mean, spread), Posterior(mean, spread), 6.0).sum().backward()
    assert mean.grad.isfinite().all() and spread.grad.isfinite().all()


def test_latents_that_stay_cost_less_than_latents_that_move() -> None:
    before = posterior([0.0, 0.0], [0.1, 0.1])
    still, moved = (laplace_kl(before, posterior([mean, 0.0], [0.1, 0.1]), 6.0) for mean in (0.0, 1.0))
    # And a move along one latent costs less than as long a move along two: transitions are sparse.
    half = 0.5**0.5
    along, across = (laplace_kl(before, posterior(mean, [0.1, 0.1]), 6.0) for mean in ([1.0, 0.0], [half, half]))
    assert still < moved and along < across - 1


def test_gamma_weighs_the_transition_and_without_it_the_second_frame_is_only_reconstructed() -> None:
    objective = SlowVAE()
    model, pairs = small_model(objective).double(), batch(objective)
    pairs = replace(pairs, frames=pairs.frames.double())
    plain, heavy, none = (
        SlowVAE(gamma=gamma)(model, pairs, generator=torch.Generator().manual_seed(0)) for gamma in (1.0, 4.0, 0.0)
    )
    torch.testing.assert_close(heavy.loss - plain.loss, 3 * plain.terms["kl_transition"].mean())
    noise = torch.Generator().manual_seed(0)
    images = replace(
        pairs, frames=pairs.frames.flatten(0, 1)[None], times=torch.zeros(1), amounts=torch.zeros(1, 16, 2)
    )
    vae = BetaVAE(beta=1.0)(model, images, generator=noise).terms
    expected = vae["reconstruction"].unflatten(0, (2, 8)).sum(0) + vae["kl"][:8]
    torch.testing.assert_close(none.loss, expected.mean())
    assert (SlowVAE().rate, SlowVAE().gamma) == (6.0, 10.0)


def test_it_takes_pairs_only() -> None:
    objective = SlowVAE()
    with pytest.raises(ValueError, match="`batch` must hold pairs of frames, got 3 frames a sequence"):
        objective(small_model(objective), batch(objective, frames=None), generator=torch.Generator())
    with pytest.raises(ValueError, match="`rate` must be a finite number > 0"):
        laplace_kl(posterior([0.0], [1.0]), posterior([0.0], [1.0]), 0.0)

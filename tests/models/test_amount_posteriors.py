from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import integrate
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Laplace, kl_divergence

from flowdis.models.amount_posteriors import (
    CategoricalPosterior,
    LaplacePrior,
    SpikeChain,
    SpikeSlabPosterior,
    _mean_distance,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def spike_slab(steps: int = 4, batch: int = 3, count: int = 2) -> SpikeSlabPosterior:
    shape = (steps, batch, count)
    return SpikeSlabPosterior(random(*shape), 1 + random(*shape, seed=1), -1 + 0.3 * random(*shape, seed=2))


def test_the_categorical_divergence_is_that_of_torch() -> None:
    posterior = CategoricalPosterior(random(5, 4))
    uniform = Categorical(logits=torch.zeros(5, 4, dtype=torch.float64))
    expected = kl_divergence(Categorical(logits=posterior.logits), uniform)
    assert torch.allclose(posterior.kl(), expected, atol=1e-12)
    mean = Categorical(probs=posterior.probabilities.mean(0))
    even = Categorical(logits=torch.zeros(4, dtype=torch.float64))
    assert torch.allclose(posterior.imbalance(), kl_divergence(mean, even), atol=1e-12)


def test_certain_rows_have_finite_divergences_and_gradients() -> None:
    logits = torch.tensor([[400.0, 0.0, -400.0], [0.0, 400.0, 0.0]], requires_grad=True)
    posterior = CategoricalPosterior(logits)
    assert torch.allclose(posterior.kl(), torch.full((2,), math.log(3)))
    assert torch.allclose(posterior.imbalance(), torch.tensor(math.log(3) - math.log(2)))
    (posterior.kl().sum() + posterior.imbalance() + posterior.relaxed(0.1, seeded()).square().sum()).backward()
    assert logits.grad is not None and bool(logits.grad.isfinite().all())


def test_the_imbalance_of_spikes_is_that_of_their_shares() -> None:
    posterior = spike_slab(4, 5, 3)
    share = posterior.probabilities.mean((0, 1))
    expected = kl_divergence(Categorical(probs=share / share.sum()), Categorical(probs=torch.ones(3).double() / 3))
    assert torch.allclose(posterior.imbalance(), expected.to(share), atol=1e-12)
    off = SpikeSlabPosterior(torch.full((2, 3), -400.0, requires_grad=True), torch.ones(2, 3), torch.zeros(2, 3))
    off.imbalance().backward()
    assert off.logits.grad is not None and bool(off.logits.grad.isfinite().all())
    assert float(off.imbalance().detach()) == pytest.approx(0, abs=1e-6)


def test_certainty_is_the_mean_over_steps_of_the_divergence_of_shares() -> None:
    posterior = spike_slab(4, 5, 3)
    share = posterior.probabilities / posterior.probabilities.sum(-1, keepdim=True)
    uniform = Categorical(probs=torch.ones_like(share) / 3)
    expected = kl_divergence(Categorical(probs=share), uniform).mean(0)
    assert torch.allclose(posterior.certainty(), expected, atol=1e-12)
    one = torch.tensor([[[60.0, -60.0, -60.0]]])
    sure = SpikeSlabPosterior(one, torch.ones_like(one), torch.zeros_like(one))
    assert float(sure.certainty()) == pytest.approx(math.log(3))


def test_relaxed_rows_sum_to_one_and_sharpen_into_samples() -> None:
    logits = random(1, 3).expand(20_000, 3)
    rows = CategoricalPosterior(logits).relaxed(0.01, seeded())
    assert torch.allclose(rows.sum(-1), torch.ones(20_000, dtype=torch.float64))
    assert float((rows.max(-1).values > 0.99).double().mean()) > 0.95
    shares = torch.nn.functional.one_hot(rows.argmax(-1), 3).double().mean(0)
    chance = logits[0].softmax(-1)
    assert bool(((shares - chance).abs() < 5 * (chance * (1 - chance) / 20_000).sqrt()).all())
    assert torch.equal(CategoricalPosterior(random(6, 3)).sharp().argmax(-1), random(6, 3).argmax(-1))


def test_the_divergence_of_spikes_is_the_sum_over_all_their_paths() -> None:
    posterior, prior = spike_slab(), SpikeChain(on=0.2, keep=0.7)
    on = posterior.probabilities
    expected = torch.zeros(3, dtype=torch.float64)
    for batch, k in itertools.product(range(3), range(2)):
        for path in itertools.product((0, 1), repeat=4):
            q = math.prod(float(p if y else 1 - p) for p, y in zip(on[:, batch, k], path, strict=True))
            chances = [prior.on, *(prior.after(y) for y in path[:-1])]
            p = math.prod(c if y else 1 - c for c, y in zip(chances, path, strict=True))
            expected[batch] += q * math.log(q / p)
    assert torch.allclose(posterior.kl_spikes(prior), expected, atol=1e-12)


def test_one_step_of_spikes_is_a_bernoulli_divergence() -> None:
    posterior = spike_slab(steps=1)
    prior = Bernoulli(probs=torch.full((3, 2), 0.3, dtype=torch.float64))
    expected = kl_divergence(Bernoulli(logits=posterior.logits[0]), prior).sum(-1)
    assert torch.allclose(posterior.kl_spikes(SpikeChain(on=0.3)), expected, atol=1e-12)


def test_the_chain_keeps_its_share_and_its_state() -> None:
    chain = SpikeChain(on=0.25, keep=0.8)
    assert 0.25 * chain.after(1) + 0.75 * chain.after(0) == pytest.approx(0.25)
    assert chain.after(1) == pytest.approx(0.8 + 0.2 * 0.25)
    steady = SpikeSlabPosterior(*(torch.full((6, 1, 1), value) for value in (8.0, 1.0, -1.0)))
    flicker = SpikeSlabPosterior(
        torch.tensor([8.0, -8.0] * 3).reshape(6, 1, 1), torch.ones(6, 1, 1), -torch.ones(6, 1, 1)
    )
    assert steady.kl_spikes(chain).item() < flicker.kl_spikes(chain).item()


def test_the_divergence_of_slabs_is_that_of_torch_and_of_quadrature() -> None:
    posterior, prior = spike_slab(), LaplacePrior(mean=1.2, scale=0.4, drift=math.inf)
    ours = Laplace(posterior.mean, posterior.log_scale.exp())
    theirs = Laplace(torch.tensor(1.2, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64))
    expected = (posterior.probabilities * kl_divergence(ours, theirs)).sum((0, -1))
    assert torch.allclose(posterior.kl_slabs(prior), expected, atol=1e-12)
    one = SpikeSlabPosterior(*(torch.full((1, 1, 1), value, dtype=torch.float64) for value in (40.0, 0.7, -1.5)))
    scale = math.exp(-1.5)

    def integrand(g: float) -> float:
        log_q = -abs(g - 0.7) / scale - math.log(2 * scale)
        return math.exp(log_q) * (log_q + abs(g - 1.2) / 0.4 + math.log(0.8))

    exact = integrate.quad(integrand, -15, 15, points=[0.7, 1.2], limit=200)[0]
    assert one.kl_slabs(prior).item() == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("apart", [0.0, 0.05, 1.3])
@pytest.mark.parametrize("other", [0.0, 1e-3, 0.399, 0.4, 0.41, 0.7])
def test_the_mean_distance_of_two_laplace_variables_is_that_of_quadrature(apart: float, other: float) -> None:
    def integrand(x: float) -> float:
        # The mean distance of a number from the other variable, in closed form; the density of the first is b = 0.4.
        away = abs(x - apart)
        return math.exp(-abs(x) / 0.4) / 0.8 * (away + (other * math.exp(-away / other) if other else 0.0))

    points = [0.0, apart, apart - other, apart + other]
    exact = integrate.quad(integrand, -20, 20, points=points, limit=400)[0]
    given = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (apart, 0.4, other)]
    ours = _mean_distance(*given)
    assert ours.item() == pytest.approx(exact, rel=2e-5, abs=1e-7)  # within 1 % of each other, scales count as equal
    ours.backward()
    assert all(bool(number.grad.isfinite()) for number in given)  # type: ignore[union-attr]


def test_monte_carlo_meets_the_divergence_of_slabs_that_keep_their_speed() -> None:
    prior, count = LaplacePrior(mean=1.1, scale=0.4, drift=0.15), 200_000
    logits, mean, log_scale = (random(4, 1, 2, seed=seed) for seed in (1, 2, 3))
    one = SpikeSlabPosterior(logits, 1 + 0.3 * mean, 0.3 * log_scale - 1.5)
    many = SpikeSlabPosterior(*(part.expand(4, count, 2) for part in (one.logits, one.mean, one.log_scale)))
    spikes, slabs = many.spikes(0.5, seeded(), hard=True), many.slabs(seeded(1))
    log_q = Laplace(many.mean, many.log_scale.exp()).log_prob(slabs)
    anew = Laplace(torch.tensor(1.1).double(), torch.tensor(0.4).double()).log_prob(slabs)
    kept = Laplace(slabs[:-1], torch.tensor(0.15).double()).log_prob(slabs[1:])
    log_p = torch.cat([anew[:1], torch.where(spikes[:-1] > 0, kept, anew[1:])])
    drawn = (spikes * (log_q - log_p)).sum((0, -1))
    assert abs(float(drawn.mean()) - float(one.kl_slabs(prior)[0])) < 5 * float(drawn.std()) / math.sqrt(count)


def test_slabs_whose_spikes_are_off_cost_nothing() -> None:
    off = SpikeSlabPosterior(torch.full((2, 1, 2), -60.0), torch.full((2, 1, 2), 9.0), torch.zeros(2, 1, 2))
    assert off.kl_slabs(LaplacePrior()).item() < 1e-12
    assert not off.sharp().any()


def test_samples_of_spikes_and_slabs_have_their_law() -> None:
    count = 40_000
    shape = (1, count, 1)
    posterior = SpikeSlabPosterior(torch.full(shape, 0.6), torch.full(shape, 1.3), torch.full(shape, -0.5))
    hard = posterior.spikes(0.5, seeded(), hard=True)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    chance = 1 / (1 + math.exp(-0.6))
    assert abs(float(hard.mean()) - chance) < 5 * math.sqrt(chance * (1 - chance) / count)
    slabs, scale = posterior.slabs(seeded(1)), math.exp(-0.5)
    # A Laplace law has variance 2 b^2 and mean distance b, itself of variance b^2.
    assert abs(float(slabs.mean()) - 1.3) < 5 * scale * math.sqrt(2 / count)
    assert abs(float((slabs - 1.3).abs().mean()) - scale) < 5 * scale / math.sqrt(count)


def test_hard_spikes_have_the_gradient_of_relaxed_ones() -> None:
    gradients = []
    for hard in (False, True):
        logits = random(2, 3, 2).requires_grad_()
        posterior = SpikeSlabPosterior(logits, logits.detach(), logits.detach())
        weights = random(2, 3, 2, seed=5)
        (posterior.spikes(0.7, seeded(), hard=hard) * weights).sum().backward()
        assert logits.grad is not None
        gradients.append(logits.grad)
    assert torch.allclose(*gradients)


def test_monte_carlo_meets_the_divergence_of_spikes_and_slabs() -> None:
    count = 200_000
    logits, mean, log_scale = (torch.tensor(v, dtype=torch.float64) for v in (0.4, 1.4, -1.0))
    one = SpikeSlabPosterior(*(v.expand(1, count, 1) for v in (logits, mean, log_scale)))
    spikes, slabs = one.spikes(0.5, seeded(), hard=True)[0, :, 0], one.slabs(seeded(1))[0, :, 0]
    chain, prior = SpikeChain(on=0.3), LaplacePrior(scale=0.3)
    on, scale = logits.sigmoid(), log_scale.exp()
    ratio = torch.where(spikes > 0, (on / 0.3).log(), ((1 - on) / 0.7).log())
    slab = Laplace(mean, scale).log_prob(slabs) - Laplace(torch.tensor(1.0), torch.tensor(0.3)).log_prob(slabs)
    drawn = ratio + spikes * slab
    exact = float((one.kl_spikes(chain) + one.kl_slabs(prior))[0])
    assert abs(float(drawn.mean()) - exact) < 5 * float(drawn.std()) / math.sqrt(count)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: SpikeChain(on=0.0), r"`on` must lie in \(0, 1\), got 0.0"),
        (lambda: SpikeChain(keep=1.0), r"`keep` must lie in \[0, 1\), got 1.0"),
        (lambda: LaplacePrior(scale=0.0), "`scale` must be"),
        (lambda: LaplacePrior(drift=-0.1), "`drift` must be a number > 0, or infinite, got -0.1"),
        (lambda: LaplacePrior(mean=math.inf), "`mean` must be finite"),
        (lambda: CategoricalPosterior(torch.zeros(1, 2)).relaxed(0.0), "`temperature` must be"),
        (lambda: spike_slab().spikes(-1.0), "`temperature` must be"),
    ],
)
def test_bad_numbers_are_named(make, told) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=told):
        make()

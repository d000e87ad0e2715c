"""The terms by which flows are found, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from flowdis.dynamics import Solver, transport
from flowdis.fields import ConstantField, HelmholtzField, LinearField
from flowdis.models import CodeDensity
from flowdis.models.gaussian_mixture import GaussianMixture
from flowdis.paths import Path
from flowdis.training.discovery_terms import (
    PairReader,
    density_cost,
    image_strengths,
    likeness_cost,
    locality_cost,
    reading_costs,
    strength_cost,
)

DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def test_strengths_of_a_linear_decoder_are_the_lengths_of_what_it_makes_of_directions() -> None:
    """x = M z and z' = z + a d give |x' - x|^2 = a^2 |M d|^2, whatever the codes and amounts."""
    matrix, directions, z = normal(12, 3), normal(2, 3, seed=1), normal(40, 3, seed=2)
    flows, amounts = torch.arange(40) % 2, normal(40, seed=3)
    ends = z + amounts[:, None] * directions[flows]
    before, after = ((codes @ matrix.T).reshape(-1, 3, 2, 2) for codes in (z, ends))
    pairs = before.flatten(1)[:, None] - before.flatten(1)[None]
    distance = pairs.square().sum(-1).mean()  # over all ordered pairs: two independent draws of this batch
    wanted = (directions @ matrix.T).square().sum(-1) / distance
    torch.testing.assert_close(image_strengths(before, after, flows, amounts, 2), wanted, rtol=1e-10, atol=0)


def test_a_flow_that_none_followed_has_no_strength() -> None:
    images = normal(4, 1, 2, 2)
    found = image_strengths(images, images + 1, torch.zeros(4).long(), torch.ones(4, dtype=DOUBLE), 2)
    assert found[0] > 0 and math.isnan(found[1])


def test_strength_cost_is_0_where_wanted_even_in_factors_and_finite_for_flows_that_stand_still() -> None:
    wanted = 0.16
    strengths = (wanted * torch.tensor([1.0, 4.0, 0.25, 0.0, 1e12], dtype=DOUBLE)).requires_grad_()
    cost = strength_cost(strengths, wanted)
    cost.sum().backward()
    assert cost[0] == 0
    assert cost[1].item() == pytest.approx(math.log(4) ** 2, rel=2e-3)  # to the thousandth that is added
    assert cost[2].item() == pytest.approx(math.log(4) ** 2, rel=5e-3)
    assert cost[3].item() == pytest.approx(math.log(1001) ** 2, rel=1e-12)
    assert cost[4] > cost[1:4].max()
    least = wanted / 1000
    slopes = 2 * ((strengths.detach() + least) / (wanted + least)).log() / (strengths.detach() + least)
    torch.testing.assert_close(strengths.grad, slopes, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("start", [1e-4, 30.0])
def test_descent_of_the_strength_cost_brings_a_direction_to_the_wanted_length(start: float) -> None:
    matrix, z = normal(8, 2), normal(64, 2, seed=1)
    size = torch.tensor(math.log(start), dtype=DOUBLE, requires_grad=True)
    direction, before = torch.tensor([0.6, 0.8], dtype=DOUBLE), (z @ matrix.T).reshape(-1, 2, 2, 2)
    optimizer = torch.optim.Adam([size], lr=0.1)
    for _ in range(200):
        after = ((z + size.exp() * direction) @ matrix.T).reshape(-1, 2, 2, 2)
        ones = torch.ones(64, dtype=DOUBLE)
        (strength,) = image_strengths(before, after, torch.zeros(64).long(), ones, 1).unbind()
        optimizer.zero_grad()
        strength_cost(strength, 0.25).backward()
        optimizer.step()
    assert strength.item() == pytest.approx(0.25, rel=0.01)


def gaussian(codes: torch.Tensor) -> CodeDensity:
    """The Gaussian with the moments of codes (N, D)."""
    mean = codes.mean(0)
    values, axes = torch.linalg.eigh(torch.cov(codes.T, correction=0))
    zeros = torch.zeros_like(mean)[None]
    return CodeDensity(GaussianMixture(zeros[:, 0], zeros, values.sqrt().log()[None], mean, axes.contiguous()), -100.0)


def cost_of(bank, z: torch.Tensor, amount: float, density: CodeDensity) -> torch.Tensor:
    path = Path(bank.names, torch.tensor([[amount]], dtype=DOUBLE))
    moved = transport(bank, path, z, log_q=density.log_density(z), solver=Solver(steps=32))
    return density_cost(density, moved.z[-1], moved.log_q[-1])


def test_density_cost_of_a_shift_is_half_its_squared_length() -> None:
    """KL(N(c, I) | N(0, I)) = |c|^2 / 2, and per code |c|^2 / 2 + c . z exactly."""
    bank = ConstantField(("shift",), 3).double()
    bank.load_state_dict({"direction": torch.tensor([[0.3, -0.4, 1.2]], dtype=DOUBLE)})
    z = normal(20, 3)
    shift = 0.7 * bank.direction.detach()[0]
    wanted = 0.5 * shift.square().sum() + z @ shift
    torch.testing.assert_close(cost_of(bank, z, 0.7, CodeDensity.prior(3)), wanted, rtol=1e-9, atol=1e-9)


def test_density_cost_of_a_linear_flow_is_the_divergence_of_gaussians() -> None:
    density = gaussian(normal(30, 2) @ torch.tensor([[1.0, 0.4], [0.0, 0.6]], dtype=DOUBLE) + 0.5)
    origin, root = density.mixture.origin, density.mixture.axes * density.mixture.log_stds.exp()
    bank = LinearField(("mix",), 2).double()
    matrix = torch.tensor([[0.3, -0.5], [0.2, -0.6]], dtype=DOUBLE)
    bank.load_state_dict({"matrix": matrix[None]})
    flow = torch.linalg.matrix_exp(0.8 * matrix)
    before = torch.distributions.MultivariateNormal(origin, covariance_matrix=root @ root.T)
    moved = torch.distributions.MultivariateNormal(
        flow @ origin, covariance_matrix=flow @ before.covariance_matrix @ flow.T
    )
    wanted = torch.distributions.kl_divergence(moved, before)
    # Gauss-Hermite points of the Gaussian: the cost is quadratic in z, so that its mean over them is exact.
    points = math.sqrt(3) * torch.tensor([-1.0, 0.0, 1.0], dtype=DOUBLE)
    weights = torch.tensor([1 / 6, 2 / 3, 1 / 6], dtype=DOUBLE)
    z = origin + torch.cartesian_prod(points, points) @ root.T
    mean = torch.outer(weights, weights).flatten() @ cost_of(bank, z, 0.8, density)
    torch.testing.assert_close(mean, wanted, rtol=1e-7, atol=1e-9)


def test_density_cost_of_a_turn_is_0_and_of_a_flight_to_the_mode_is_not() -> None:
    z, density = normal(5000, 2), CodeDensity.prior(2)
    bank = LinearField(("turn",), 2).double()
    bank.load_state_dict({"matrix": torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=DOUBLE)})
    torch.testing.assert_close(cost_of(bank, z, 2.0, density), torch.zeros(5000, dtype=DOUBLE), rtol=0, atol=1e-6)
    bank.load_state_dict({"matrix": -torch.eye(2, dtype=DOUBLE)[None]})
    towards = cost_of(bank, z, 1.0, density)
    assert bool((density.log_density(math.exp(-1) * z) >= density.log_density(z)).all())  # log p never falls
    assert towards.mean().item() == pytest.approx(2 - 1 + math.exp(-2), rel=0.05)  # K: D (a - 1/2 + exp(-2 a) / 2)


def test_density_cost_agrees_with_autograd() -> None:
    """The log-determinant that transport carries is that of the whole map of a nonlinear field."""
    bank = HelmholtzField(("any",), 3, hidden=8, generator=torch.Generator().manual_seed(0)).double()
    z, density = normal(4, 3), gaussian(normal(10, 3, seed=5))
    path = Path(bank.names, torch.tensor([[1.5]], dtype=DOUBLE))

    def end(code: torch.Tensor) -> torch.Tensor:
        return transport(bank, path, code, solver=Solver(steps=32)).z[-1]

    jacobians = torch.stack([torch.autograd.functional.jacobian(end, code) for code in z])
    wanted = density.log_density(z) - torch.linalg.slogdet(jacobians)[1] - density.log_density(end(z))
    torch.testing.assert_close(cost_of(bank, z, 1.5, density), wanted, rtol=1e-6, atol=1e-6)


def test_likeness_is_that_of_the_angle_between_two_directions() -> None:
    angles = torch.linspace(0.2, 2.9, 10, dtype=DOUBLE)
    first = torch.tensor([3.0, 0.0], dtype=DOUBLE).expand(10, 2)
    second = 0.1 * torch.stack([angles.cos(), angles.sin()], -1)
    wanted = -0.5 * (angles.sin().square() + 2e-3 + 1e-6).log()
    torch.testing.assert_close(likeness_cost(torch.stack([first, second])), wanted, rtol=1e-9, atol=1e-9)
    alike = torch.ones(3, 1, 2, dtype=DOUBLE, requires_grad=True)  # more than there are dimensions, and all the same
    assert bool(likeness_cost(alike).isfinite().all()) and likeness_cost(alike).item() > 5


def test_reading_costs_are_negative_log_densities_but_for_constants() -> None:
    logits, read = normal(6, 3), normal(6, 3, seed=1)
    flows, amounts = torch.tensor([0, 1, 2, 0, 1, 2]), normal(6, seed=2)
    named, amount = reading_costs(logits, read, flows, amounts, 0.5)
    torch.testing.assert_close(named, -functional.log_softmax(logits, -1)[torch.arange(6), flows])
    known = torch.distributions.Normal(read[torch.arange(6), flows], 0.5)
    constant = math.log(0.5) + 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(amount + constant, -known.log_prob(amounts))


def test_the_reader_sees_differences_alone_unless_it_is_given_the_context() -> None:
    before, step = normal(5, 3, 40, 40).float(), 0.1 * normal(5, 3, 40, 40, seed=1).float()
    state = torch.get_rng_state()
    plain, wide = (PairReader((3, 40, 40), 4, seed=0, context=context) for context in (False, True))
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.shape for part in plain(before, before + step)] == [(5, 4), (5, 4)]
    torch.testing.assert_close(plain(before, before + step), plain(-before, step - before), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(wide(before, before + step)[0], wide(-before, step - before)[0], atol=1e-3)


def test_bad_input_is_named() -> None:
    images = torch.ones(3, 1, 2, 2)
    with pytest.raises(ValueError, match="`before` must hold different images, got 3 that are all the same"):
        image_strengths(images, images + 1, torch.zeros(3).long(), torch.ones(3), 1)
    with pytest.raises(ValueError, match="`wanted` must be a finite number > 0, got 0"):
        strength_cost(torch.ones(2), 0.0)


@pytest.mark.parametrize("changed", [1, 3, 16])
def test_locality_is_the_logarithm_of_the_share_of_pixels_that_change_alike(changed: int) -> None:
    before = normal(5, 3, 4, 4).sigmoid()
    change = torch.zeros(5, 3, 16, dtype=DOUBLE)
    change[..., :changed] = functional.normalize(normal(5, 3, changed, seed=1), dim=1)
    cost = locality_cost(before, before + 0.5 * change.unflatten(-1, (4, 4)))
    # Pixels that stay count as changed by 1e-4, so that the share is 1 + 2 (16 - M) / M * 2e-4 times too large at most.
    torch.testing.assert_close(cost, torch.full((5,), math.log(changed / 16), dtype=DOUBLE), rtol=0, atol=1.3e-2)


def test_locality_has_a_finite_slope_where_nothing_changes() -> None:
    before = normal(2, 3, 4, 4).requires_grad_()
    cost = locality_cost(before, before.detach())
    cost.sum().backward()
    assert cost.abs().max() < 1e-12 and before.grad is not None and bool(before.grad.isfinite().all())


def test_changes_in_two_places_cost_more_than_in_either() -> None:
    before, left, right = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    left[..., :2], right[..., 2:] = 1.0, 0.5
    one, other, both = (locality_cost(before, change).item() for change in (left, right, left + right))
    assert one == pytest.approx(math.log(0.5), abs=1e-3) and other == pytest.approx(math.log(0.5), abs=1e-3)
    assert both == pytest.approx(math.log(0.75**2 / 0.625), abs=1e-6)

"""Waves: the equation they solve, their gradients, what a start from rest means, and modes of every damping."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from flowdis.fields import WaveField
from flowdis.fields.modes import damped_pair
from tests.fields.banks import DIM, NAMES, build, jacobian, normal

K = len(NAMES)
KINDS = ("wave", "wave-rest", "wave-modes", "wave-damped", "wave-damped-rest")
kinds = pytest.mark.parametrize("kind", KINDS)
rested = pytest.mark.parametrize("kind", ["wave-rest", "wave-damped-rest"])


def waves(kind: str) -> WaveField:
    bank = build(kind)
    assert isinstance(bank, WaveField)
    return bank


def derivatives(bank: WaveField, z: Tensor, times: Tensor, k: int) -> tuple[Tensor, ...]:
    """u_t, u_tt, grad u and laplacian u of field k at one latent, by autograd."""
    z, times = z.clone().requires_grad_(), times.clone().requires_grad_()
    value = bank.potential(z, times)[k]
    rate = torch.autograd.grad(value, times, create_graph=True)[0][k]
    acceleration = torch.autograd.grad(rate, times, retain_graph=True)[0][k]
    gradient = torch.autograd.grad(value, z, create_graph=True)[0]
    rows = [torch.autograd.grad(entry, z, retain_graph=True)[0] for entry in gradient]
    return rate, acceleration, gradient, torch.stack(rows).trace()


@kinds
def test_the_wave_equation_holds_by_autograd_and_by_its_own_residual(kind: str) -> None:
    bank, z, times = waves(kind), normal(4, DIM), 3 * normal(4, K, seed=1)
    own = bank.wave_residual(z, times)
    assert own.shape == (4, K) and float(own.detach().abs().max()) < 1e-12
    for i in range(4):
        for k in range(K):
            rate, acceleration, gradient, laplacian = derivatives(bank, z[i], times[i], k)
            residual = acceleration + bank.dampings[k] * rate - bank.speeds[k].square() * laplacian
            assert abs(float(residual.detach())) < 1e-10 < float(acceleration.detach().abs())
            torch.testing.assert_close(bank.time_derivative(z[i], times[i])[k], rate, rtol=0, atol=1e-10)
            torch.testing.assert_close(bank.velocities(z[i], times[i])[k], gradient, rtol=0, atol=1e-10)


def test_damped_fields_have_modes_on_both_sides_of_critical_damping() -> None:
    bank = waves("wave-damped")
    shift = bank.speeds.unsqueeze(-1) * bank.weight.norm(dim=-1) - 0.5 * bank.dampings.unsqueeze(-1)
    assert bool((shift > 0).any()) and bool((shift < 0).any())


@kinds
def test_residuals_do_not_meet_in_a_batch(kind: str) -> None:
    bank, z, times = waves(kind), normal(7, DIM), normal(7, K, seed=1)
    values = bank.potential(z, times), bank.velocities(z, times), bank.time_derivative(z, times)
    order = torch.tensor([4, 0, 6])
    for function, whole in zip((bank.potential, bank.velocities, bank.time_derivative), values, strict=True):
        torch.testing.assert_close(function(z[order], times[order]), whole[order], rtol=0, atol=1e-14)
        torch.testing.assert_close(function(z[2], times[2]), whole[2], rtol=0, atol=1e-14)
    turn = torch.linalg.qr(normal(DIM, DIM, seed=3))[0]
    turned = waves(kind)
    turned.weight.data = bank.weight.data @ turn.mT
    torch.testing.assert_close(turned.potential(z @ turn.mT, times), values[0], rtol=0, atol=1e-12)
    assert float(turned.wave_residual(z, times).detach().abs().max()) < 1e-12


@kinds
def test_the_field_is_the_gradient_of_the_mix_and_its_divergence_the_laplacian(kind: str) -> None:
    bank, amounts, clock = waves(kind), normal(5, K, seed=1), normal(5, K, seed=2)
    z = normal(5, DIM).requires_grad_()
    times = clock + 0.4 * amounts
    times = times.abs() if bank.rest else times
    truth = torch.autograd.grad((amounts * bank.potential(z, times)).sum(), z)[0]
    velocity, divergence = bank(amounts, clock).velocity_and_divergence(z, 0.4)
    torch.testing.assert_close(velocity, truth, rtol=0, atol=1e-10)
    for i in range(5):
        trace = jacobian(partial(bank(amounts[i], clock[i]), s=0.4), z[i]).trace()
        torch.testing.assert_close(divergence[i], trace, rtol=0, atol=1e-10)


@rested
def test_a_start_from_rest_does_not_move_and_then_does(kind: str) -> None:
    bank, z = waves(kind), normal(5, DIM)
    assert float(bank.velocities(z).detach().abs().max()) < 1e-15
    assert float(bank(torch.ones(K).double())(z, 0.0).detach().abs().max()) < 1e-15
    assert float(bank(torch.ones(K).double())(z, 0.5).detach().norm(dim=-1).min()) > 1e-3


def runge_kutta(velocity: object, z: Tensor, time: float, steps: int = 12) -> Tensor:
    h = time / steps
    for i in range(steps):
        t = i * h
        k1 = velocity(z, t)
        k2 = velocity(z + h / 2 * k1, t + h / 2)
        k3 = velocity(z + h / 2 * k2, t + h / 2)
        z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + velocity(z + h * k3, t + h))
    return z


def test_along_an_undamped_wave_from_rest_time_back_leads_where_time_on_does() -> None:
    bank, z, one = waves("wave-rest"), normal(5, DIM), torch.ones(K).double()
    times = normal(5, K, seed=1)
    torch.testing.assert_close(bank.potential(z, -times), -bank.potential(z, times), rtol=0, atol=1e-14)

    def velocity(y: Tensor, t: float) -> Tensor:
        return bank.velocities(y, t * one).sum(-2)

    there, back = runge_kutta(velocity, z, 1.5), runge_kutta(velocity, z, -1.5)
    torch.testing.assert_close(there, back, rtol=0, atol=1e-12)
    assert float((there - z).detach().norm(dim=-1).min()) > 1e-3


@rested
def test_a_negative_amount_from_rest_negates_the_field(kind: str) -> None:
    bank, z, amounts = waves(kind), normal(5, DIM), normal(5, K, seed=1)
    torch.testing.assert_close(bank(-amounts)(z, 0.7), -bank(amounts)(z, 0.7), rtol=0, atol=0)


def test_modes_are_the_damped_oscillator_in_all_three_regimes() -> None:
    time = torch.tensor([0.0, 0.3, 1.0, 4.0, 20.0], dtype=torch.float64)
    for frequency, damping in ((1.0, 0.0), (1.0, 0.5), (1.0, 2.0), (1.0, 2.0 + 1e-9), (1.0, 5.0), (0.0, 1.5)):
        generator = torch.tensor([[0.0, 1.0], [-(frequency**2), -damping]], dtype=torch.float64)
        cosine, sine = damped_pair(time, *torch.tensor([frequency**2, damping], dtype=torch.float64))
        for i, t in enumerate(time):
            exact = torch.linalg.matrix_exp(t * generator)
            torch.testing.assert_close(cosine[i] + 0.5 * damping * sine[i], exact[0, 0], rtol=0, atol=1e-13)
            torch.testing.assert_close(sine[i], exact[0, 1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("edge", [0.0, 0.1, -0.1])
def test_modes_are_smooth_where_one_formula_takes_over_from_another(edge: float) -> None:
    time, damping = torch.tensor(1.3).double(), torch.tensor(1.2).double()

    def at(offset: float) -> tuple[Tensor, ...]:
        shift = edge / time.square() + offset
        stiffness = (0.25 * damping.square() + shift).requires_grad_()
        cosine, sine = damped_pair(time, stiffness, damping)
        slopes = [torch.autograd.grad(value, stiffness, retain_graph=True)[0] for value in (cosine, sine)]
        return cosine.detach(), sine.detach(), *slopes

    for below, above in zip(at(-1e-9), at(1e-9), strict=True):
        assert torch.isfinite(below) and torch.isfinite(above)
        torch.testing.assert_close(below, above, rtol=0, atol=1e-8)
    step = 1e-5
    for k in range(2):
        difference = (at(step)[k] - at(-step)[k]) / (2 * step)
        torch.testing.assert_close(at(0.0)[k + 2], difference, rtol=1e-7, atol=1e-9)


def test_strongly_overdamped_modes_do_not_overflow() -> None:
    time = torch.tensor([1.0, 50.0], dtype=torch.float32)
    values = damped_pair(time, torch.tensor(0.01), torch.tensor(300.0))
    assert all(bool(torch.isfinite(value).all()) for value in values)
    torch.testing.assert_close(values[0], 0.5 * torch.exp(-0.01 / 300 * time), rtol=1e-4, atol=0)


def test_speeds_and_dampings_start_where_they_are_told_and_stay_positive() -> None:
    bank = WaveField(NAMES, DIM, hidden=4, profile="cosine", damped=True, speed=0.7, damping=0.2)
    torch.testing.assert_close(bank.speeds, torch.full((K,), 0.7))
    torch.testing.assert_close(bank.dampings, torch.full((K,), 0.2))
    bank.raw_speed.data.fill_(-20.0)
    assert bool((bank.speeds > 0).all())
    assert not waves("wave").dampings.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "square"}, "`profile` must be one of log_cosh, cosine, got 'square'"),
        ({"damped": True}, "`profile` must be cosine for damped waves, got 'log_cosh'"),
        ({"speed": 0.0}, "`speed` must be a finite number > 0, got 0"),
        ({"damping": -1.0}, "`damping` must be a finite number > 0, got -1"),
        ({"hidden": 0}, "`hidden` must be >= 1, got 0"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WaveField(("a",), 2, **options)


def test_arguments_are_checked() -> None:
    bank = waves("wave-damped")
    for function in (bank.potential, bank.velocities, bank.time_derivative, bank.wave_residual):
        with pytest.raises(ValueError, match=r"`times` must end in K=3 \(rotate, scale, hue\)"):
            function(normal(2, DIM), normal(2, DIM))
        with pytest.raises(ValueError, match="`z` must end in D=4"):
            function(normal(2, 5))

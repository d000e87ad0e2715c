"""What potentials offer beyond the contract: values, time derivatives, the Hamilton-Jacobi residual."""

from __future__ import annotations

import pytest
import torch

from flowdis.fields import PotentialField
from flowdis.fields.ridge import log_cosh
from tests.fields.banks import NAMES, normal

K, DIM = len(NAMES), 4
depths = pytest.mark.parametrize("depth", [1, 2, 4])


def clocked(depth: int, *, forced: bool = False) -> PotentialField:
    generator = torch.Generator().manual_seed(3)
    return PotentialField(NAMES, DIM, hidden=6, depth=depth, clocked=True, forced=forced, generator=generator).double()


def test_log_cosh_is_exact_and_does_not_overflow() -> None:
    x = torch.tensor([-1e4, -2.0, 0.0, 0.5, 1e4], dtype=torch.float64, requires_grad=True)
    log_cosh(x).sum().backward()
    torch.testing.assert_close(log_cosh(x)[1:4], x[1:4].cosh().log(), rtol=0, atol=1e-14)
    assert float(log_cosh(x.detach())[4]) == pytest.approx(1e4 - 0.6931471805599453, abs=1e-9)
    torch.testing.assert_close(x.grad, x.tanh(), rtol=0, atol=1e-14)


@depths
def test_velocities_and_time_derivatives_are_the_potentials_gradients(depth: int) -> None:
    bank = clocked(depth)
    z, times = normal(5, DIM).requires_grad_(), normal(5, K, seed=1).requires_grad_()
    value = bank.potential(z, times)
    assert value.shape == (5, K)
    for k in range(K):
        by_z, by_time = torch.autograd.grad(value[:, k].sum(), (z, times), retain_graph=True)
        torch.testing.assert_close(bank.velocities(z, times)[:, k], by_z, rtol=0, atol=1e-10)
        torch.testing.assert_close(bank.time_derivative(z, times)[:, k], by_time[:, k], rtol=0, atol=1e-10)


@depths
def test_times_default_to_zero_and_serve_a_whole_batch(depth: int) -> None:
    bank, z, times = clocked(depth), normal(2, 5, DIM), normal(K, seed=1)
    for function in (bank.potential, bank.velocities, bank.time_derivative, bank.hamilton_jacobi_residual):
        torch.testing.assert_close(function(z), function(z, torch.zeros(2, 5, K).double()), rtol=0, atol=1e-14)
        torch.testing.assert_close(function(z, times), function(z, times.expand(2, 5, K)), rtol=0, atol=1e-14)
        with pytest.raises(ValueError, match=r"`times` must end in K=3 \(rotate, scale, hue\)"):
            function(z, torch.zeros(2, 5, DIM).double())
        with pytest.raises(ValueError, match="`z` must end in D=4"):
            function(torch.zeros(2, 5).double())


@depths
def test_the_residual_is_per_field_and_per_sample(depth: int) -> None:
    bank, z, times = clocked(depth), normal(5, DIM), normal(5, K, seed=1)
    residual = bank.hamilton_jacobi_residual(z, times)
    kinetic = 0.5 * bank.velocities(z, times).square().sum(-1)
    torch.testing.assert_close(residual, bank.time_derivative(z, times) + kinetic, rtol=0, atol=1e-12)
    order = torch.tensor([3, 0, 4])
    torch.testing.assert_close(
        bank.hamilton_jacobi_residual(z[order], times[order]), residual[order], rtol=0, atol=1e-12
    )


@depths
def test_a_force_raises_the_residual_and_learns_from_it(depth: int) -> None:
    forced, free = clocked(depth, forced=True), clocked(depth)
    z, times = normal(5, DIM), normal(5, K, seed=1)
    free.load_state_dict(forced.state_dict(), strict=False)
    residual = forced.hamilton_jacobi_residual(z, times)
    assert (residual >= free.hamilton_jacobi_residual(z, times)).all()
    torch.testing.assert_close(forced.velocities(z, times), free.velocities(z, times), rtol=0, atol=0)
    residual.square().sum().backward()
    for name, parameter in forced.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@depths
def test_potentials_without_a_clock_do_not_change(depth: int) -> None:
    generator = torch.Generator().manual_seed(3)
    bank = PotentialField(NAMES, DIM, hidden=6, depth=depth, generator=generator).double()
    z, times = normal(5, DIM), normal(5, K, seed=1)
    assert torch.equal(bank.potential(z, times), bank.potential(z))
    assert not bank.time_derivative(z, times).any()
    assert not any("time" in name for name, _ in bank.named_parameters())

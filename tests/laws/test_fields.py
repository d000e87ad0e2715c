"""Law 1: velocities are gradients, divergences traces; solenoidal flows keep density; samples do not meet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from flowdis.fields import HelmholtzField, PotentialField, SolenoidalField, VelocityField
from tests.fields.banks import BUILDERS, DIM, NAMES, build, jacobian, normal

K = len(NAMES)


def runge_kutta(field: VelocityField, z: Tensor, steps: int) -> Tensor:
    """The end of the flow of unit time, by the classical method of order four."""
    h = 1 / steps
    for i in range(steps):
        s = i * h
        k1 = field(z, s)
        k2 = field(z + h / 2 * k1, s + h / 2)
        k3 = field(z + h / 2 * k2, s + h / 2)
        k4 = field(z + h * k3, s + h)
        z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return z


@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if kind.startswith("potential")])
def test_velocity_is_the_gradient_of_the_mixed_potential(kind: str) -> None:
    bank = build(kind)
    assert isinstance(bank, PotentialField)
    z, amounts, clock = normal(5, DIM).requires_grad_(), normal(5, K, seed=1), normal(5, K, seed=2)
    potential = (amounts * bank.potential(z, clock + 0.4 * amounts)).sum()
    truth = torch.autograd.grad(potential, z)[0]
    torch.testing.assert_close(bank(amounts, clock)(z, 0.4), truth, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if kind.startswith("potential")])
def test_the_jacobian_of_a_gradient_is_symmetric(kind: str) -> None:
    field = build(kind)["hue"]
    hessian = jacobian(lambda x: field(x, 0.4), normal(DIM))
    torch.testing.assert_close(hessian, hessian.mT, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"count": 3}, {"rank": 1}, {"count": 2, "rank": 2}])
def test_solenoidal_fields_have_no_divergence(options: dict[str, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    bank = SolenoidalField(NAMES, DIM, hidden=8, generator=generator, **options).double()
    field, z = bank(normal(K)), normal(3, DIM)
    assert not field.velocity_and_divergence(z, 0.0)[1].any()
    for point in z:
        derivative = jacobian(lambda x: field(x, 0.0), point)
        assert abs(float(derivative.trace())) < 1e-12 < float(derivative.norm())


def test_a_solenoidal_flow_keeps_the_density() -> None:
    bank = SolenoidalField(NAMES, DIM, hidden=8, count=2, generator=torch.Generator().manual_seed(1)).double()
    field = bank(10 * normal(K))
    # |v| is about 2: 60 steps of order four leave (1/30)^4, about 1e-6, times small constants.
    for point in normal(3, DIM):
        volume = torch.linalg.slogdet(jacobian(lambda x: runge_kutta(field, x, 60), point))[1]
        assert abs(float(volume)) < 1e-7
    moved = runge_kutta(field, normal(3, DIM), 60) - normal(3, DIM)
    assert float(moved.detach().norm(dim=-1).min()) > 0.1


def test_the_divergence_of_a_helmholtz_field_is_its_potentials_alone() -> None:
    bank = HelmholtzField(NAMES, DIM, hidden=9, generator=torch.Generator().manual_seed(1)).double()
    amounts, z = normal(K), normal(6, DIM)
    velocity, divergence = bank(amounts).velocity_and_divergence(z, 0.0)
    with torch.no_grad():
        bank.turn.matrix.zero_()
    straight, same = bank(amounts).velocity_and_divergence(z, 0.0)
    torch.testing.assert_close(divergence, same, rtol=0, atol=1e-14)
    assert float((velocity - straight).detach().norm()) > 1e-3


def test_a_helmholtz_field_turns_where_a_gradient_cannot() -> None:
    field = build("helmholtz")["rotate"]
    derivative = jacobian(lambda x: field(x, 0.0), normal(DIM))
    assert float((derivative - derivative.mT).norm()) > 1e-2


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("arrange", [lambda x: x[:1], lambda x: x.flip(0), lambda x: x.repeat(9, 1)])
def test_a_sample_is_the_same_in_every_batch(kind: str, arrange: Callable[[Tensor], Tensor]) -> None:
    bank, z, amounts, clock = build(kind), normal(7, DIM), normal(7, K, seed=1), normal(7, K, seed=2)
    whole = bank(amounts, clock).velocity_and_divergence(z, 0.3)
    other = bank(arrange(amounts), arrange(clock)).velocity_and_divergence(arrange(z), 0.3)
    torch.testing.assert_close(other[0], arrange(whole[0]), rtol=0, atol=1e-12)
    torch.testing.assert_close(other[1].unsqueeze(-1), arrange(whole[1].unsqueeze(-1)), rtol=0, atol=1e-12)

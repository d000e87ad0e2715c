"""Fields that are kept in: what they add is the least change, and their divergence is exact."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowdis.fields import FieldBank, HelmholtzField, StayingFields
from flowdis.fields.staying import WAYS
from flowdis.models.gaussian_mixture import GaussianMixture
from tests import problems


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def density(dim: int, count: int = 5) -> GaussianMixture:
    weights = torch.log_softmax(draw(count, seed=1), 0)
    return GaussianMixture(weights, draw(count, dim, seed=2), 0.2 * draw(count, dim, seed=3), draw(dim, seed=4))


def helmholtz(dim: int = 3) -> FieldBank:
    return HelmholtzField(("a", "b"), dim, hidden=8, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bank", [helmholtz(), problems.Radial(draw(3)).bank()], ids=["closed form", "autograd"])
def test_the_divergence_is_the_trace_of_the_jacobian(bank: FieldBank, way: str) -> None:
    where, z = density(3), draw(2, 6, 3, seed=5)
    amounts = draw(6, len(bank.names), seed=6)
    level = float(where.log_density(z).median())
    fields = StayingFields(bank, where, level, way=way)
    with torch.no_grad():
        velocity, divergence = fields(amounts).velocity_and_divergence(z, 0.0)
    assert torch.equal(velocity, fields(amounts)(z, 0.0).detach())
    changed = (velocity - bank(amounts)(z, 0.0)).norm(dim=-1) > 0
    assert 0 < int(changed.sum()) < changed.numel()
    for row in range(2):
        for column in range(6):
            field = fields(amounts[column])
            jacobian = torch.autograd.functional.jacobian(lambda y, f=field: f(y, 0.0), z[row, column])
            assert float((jacobian.trace() - divergence[row, column]).abs()) < 1e-9
    with torch.inference_mode():
        again = fields(amounts).velocity_and_divergence(z, 0.0)[1]
    assert (again - divergence).abs().max() < 1e-12


def test_at_the_level_what_leads_outward_is_left_out() -> None:
    bank, where, z = helmholtz(), density(3), draw(20, 3, seed=5)
    amounts = draw(2, seed=6)
    velocity = bank(amounts)(z, 0.0)
    gradient = where.with_gradient(z)[1]
    normal = gradient / gradient.norm(dim=-1, keepdim=True)
    outward = (velocity * normal).sum(-1, keepdim=True).clamp(max=0)
    for index, level in enumerate(where.log_density(z).tolist()):
        projected = StayingFields(bank, where, level)(amounts)(z[index], 0.0)
        torch.testing.assert_close(projected, (velocity - outward * normal)[index], rtol=0, atol=1e-12)
        stopped = StayingFields(bank, where, level, way="stop")(amounts)(z, 0.0)[index]
        expected = torch.where(outward < 0, 0.0, velocity)[index]
        torch.testing.assert_close(stopped, expected, rtol=0, atol=1e-12)


def test_near_the_level_the_density_falls_no_faster_than_toward_it() -> None:
    bank, where, z = helmholtz(), density(3), draw(50, 3, seed=5)
    amounts = 3 * draw(2, seed=6)
    value, gradient = where.with_gradient(z)
    level = float(value.median())
    for way in WAYS:
        fall = -(StayingFields(bank, where, level, way=way, rate=2.0)(amounts)(z, 0.0) * gradient).sum(-1)
        allowed = 2.0 * amounts.abs().sum() * (value - level).clamp(min=0.0 if way == "stop" else -0.1)
        assert (fall <= allowed + 1e-12).all() and int(((fall - allowed).abs() < 1e-12).sum()) > 5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"way": "bounce"}, "`way` must be one of project, stop, got 'bounce'"),
        ({"rate": 0.0}, "`rate` must be a finite number > 0, got 0.0"),
        ({"level": float("nan")}, "`level` must be"),
        ({"level": float("-inf")}, "`level` must be"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        StayingFields(helmholtz(), density(3), **{"level": -3.0, **options})
    kept = StayingFields(helmholtz(), density(3), -3.0, way="stop")
    assert kept.config() == {"level": -3.0, "way": "stop", "rate": 12.0} and kept.names == ("a", "b")

"""Law: a flow that stays on the data never lowers the density below its level, and is left alone elsewhere."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis.dynamics import Solver, transport
from flowdis.fields import ConstantField, FieldBank, HelmholtzField, StayingFields
from flowdis.fields.staying import WAYS
from flowdis.models import gaussian_log_density
from flowdis.models.gaussian_mixture import GaussianMixture
from flowdis.paths import Path
from tests import problems

RADIUS = 1.5


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def standard(dim: int) -> GaussianMixture:
    zeros = torch.zeros(1, dim, dtype=torch.float64)
    return GaussianMixture(zeros[:, 0], zeros, zeros, zeros[0])


def level(radius: float, dim: int = 2) -> float:
    """The log-density of N(0, I) at a radius."""
    return -0.5 * (dim * math.log(2 * math.pi) + radius**2)


def eastward() -> FieldBank:
    """One unit to the right per unit of amount, in the plane."""
    east = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    return ConstantField.fit(("flow",), torch.zeros(1, 2).double(), east, torch.ones(1, 1).double()).double()


def strong(dim: int) -> FieldBank:
    """Two fields of random weights."""
    bank = HelmholtzField(("a", "b"), dim, hidden=8).double()
    for index, parameter in enumerate(bank.parameters()):
        parameter.data = 0.7 * draw(*parameter.shape, seed=index + 10)
    return bank.requires_grad_(False)


def moved(amount: float) -> Path:
    return Path(("flow",), torch.tensor([[amount]], dtype=torch.float64))


def test_along_a_circular_border_it_slides_as_the_closed_form_says() -> None:
    fields = StayingFields(eastward(), standard(2), level(RADIUS))
    angle = torch.tensor([0.3, 1.0, -1.2, 1.57], dtype=torch.float64)
    z = RADIUS * torch.stack([angle.cos(), angle.sin()], dim=-1)
    slid = transport(fields, moved(1.3), z, frames=4, solver=Solver(steps=64))
    for time, at in zip(slid.times, slid.z, strict=True):
        # The part of the push along the circle turns by d angle / dt = -sin(angle) / R.
        expected = 2 * torch.atan((angle / 2).tan() * math.exp(-1.3 * float(time) / RADIUS))
        assert (at.norm(dim=-1) - RADIUS).abs().max() < 1e-6
        assert (torch.atan2(at[:, 1], at[:, 0]) - expected).abs().max() < 1e-6


def test_a_push_straight_out_comes_to_rest_at_the_border() -> None:
    z = torch.zeros(1, 2, dtype=torch.float64)
    for way in WAYS:
        fields = StayingFields(eastward(), standard(2), level(RADIUS), way=way)
        walk = transport(fields, moved(4.0), z, frames=torch.tensor([0.25, 0.5, 1.0]))
        assert (walk.z[0] - torch.tensor([1.0, 0.0])).abs().max() < 1e-12  # not yet near the border
        assert 0 < RADIUS - float(walk.z[-1, 0, 0]) < 1e-6 and float(walk.z[-1, 0, 1]) == 0


def test_one_that_stops_stays_on_its_own_curve() -> None:
    turn = problems.Rotation(speed=2.0).bank()
    centre = torch.tensor([0.5, 0.2], dtype=torch.float64)
    zeros = torch.zeros(1, 2, dtype=torch.float64)
    density = GaussianMixture(zeros[:, 0], zeros, zeros, centre)
    z = torch.tensor([[1.2, 0.0], [0.3, 0.8]], dtype=torch.float64)
    walk = transport(StayingFields(turn, density, level(1.0), way="stop"), moved(3.0), z, frames=20)
    assert (walk.z.norm(dim=-1) - z.norm(dim=-1)).abs().max() < 1e-4  # circles about the origin
    # The first leaves the disc of radius 1 about the centre and rests on its edge; the second, too.
    assert (1 - (walk.z[-1] - centre).norm(dim=-1)).min() > -1e-4
    assert (walk.z[-1] - walk.z[-5]).norm(dim=-1).max() < 1e-3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 6])
def test_the_density_never_falls_below_the_level(way: str, count: int) -> None:
    bank = strong(5)
    weights = torch.log_softmax(draw(count), 0)
    density = GaussianMixture(weights, draw(count, 5, seed=1), 0.2 * draw(count, 5, seed=2), draw(5, seed=3))
    z = density.means[:1] + density.origin + 0.5 * draw(9, 5, seed=4)
    held = float(density.log_density(z).min()) - 0.5
    path = Path(("a", "b"), torch.tensor([[1.5, -1.0], [0.0, 1.0]], dtype=torch.float64))
    free = transport(bank, path, z, frames=10).z
    assert (density.log_density(free) < held - 0.5).any(0).sum() >= 3  # or this would test nothing
    walk = transport(StayingFields(bank, density, held, way=way), path, z, frames=10).z
    assert float(density.log_density(walk).min()) > held - 1e-5


@pytest.mark.parametrize("way", WAYS)
def test_within_the_border_nothing_changes(way: str) -> None:
    bank = strong(3)
    path, z = Path(("a", "b"), draw(2, 4, 2)), draw(4, 3, seed=1)
    fields = StayingFields(bank, standard(3), -1e4, way=way)
    assert torch.equal(transport(fields, path, z, frames=5).z, transport(bank, path, z, frames=5).z)
    # Nor on the border itself, where motion leads inward.
    inward = torch.tensor([[-RADIUS, 0.0]], dtype=torch.float64)
    walk = transport(StayingFields(eastward(), standard(2), level(RADIUS), way=way), moved(1.0), inward)
    assert (walk.z[-1] - torch.tensor([1 - RADIUS, 0.0])).abs().max() < 1e-12


@pytest.mark.parametrize("way", WAYS)
def test_what_begins_outside_gets_no_farther_out(way: str) -> None:
    density = standard(2)
    z = torch.tensor([[2.0, 0.0], [1.8, 0.6], [-2.0, 0.3]], dtype=torch.float64)
    walk = transport(StayingFields(eastward(), density, level(RADIUS), way=way), moved(0.5), z, frames=10)
    start = density.log_density(z)
    assert (density.log_density(walk.z) > start - 1e-9).all()
    assert (walk.z[-1, 2] - z[2] - torch.tensor([0.5, 0.0])).abs().max() < 1e-9  # it leads inward
    if way == "stop":
        assert torch.equal(walk.z[-1, 0], z[0])
    else:  # drawn in by c * 0.1 = 1.2 nats per unit of amount, straight back: |z|^2 / 2 falls by half of that
        assert (walk.z[-1, 0] - torch.tensor([math.sqrt(2.0**2 - 2 * 0.5 * 1.2), 0.0])).norm() < 1e-6


@pytest.mark.parametrize("way", WAYS)
def test_transported_densities_agree_with_the_determinant_of_the_whole_map(way: str) -> None:
    bank = strong(3)
    path = Path(("a", "b"), torch.tensor([[2.0, -1.0]], dtype=torch.float64))
    fields = StayingFields(bank, standard(3), level(1.2, 3), way=way, rate=3.0)
    solver = Solver(steps=64)
    z = 0.4 * draw(3, seed=2)
    log_q = gaussian_log_density(z, 0.0, 0.0)
    result = transport(fields, path, z, log_q=log_q, solver=solver)
    assert (result.z[-1] - transport(bank, path, z, solver=solver).z[-1]).norm() > 0.05
    jacobian = torch.autograd.functional.jacobian(lambda y: transport(fields, path, y, solver=solver).z[-1], z)
    expected = log_q - torch.linalg.slogdet(jacobian).logabsdet
    assert float((result.log_q[-1] - expected).abs()) < 1e-3


def test_a_sample_stays_the_same_in_any_company_and_in_single_precision() -> None:
    bank = strong(5).float()
    density, z = standard(5), draw(7, 5, seed=1).float()
    path = Path(("a", "b"), 2 * draw(1, 7, 2, seed=2).float())
    fields = StayingFields(bank, density, float(density.log_density(z).min()) - 0.2)
    together = transport(fields, path, z).z[-1]
    assert together.dtype == torch.float32
    for index in range(7):
        one = transport(fields, Path(path.names, path.amounts[:, index]), z[index]).z[-1]
        assert (one - together[index]).abs().max() < 1e-5
    double = transport(
        StayingFields(bank.double(), density, fields.level), path.to(torch.zeros(1).double()), z.double()
    ).z[-1]
    assert (double - together).abs().max() < 1e-4

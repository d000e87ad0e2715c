"""Guided fields: the property rises by the amount, the others stay, the metric keeps directions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from flowdis.dynamics import Solver, transport
from flowdis.fields import GuidedField, VanishingGradientError
from flowdis.paths import Flow
from tests.fields.banks import normal

D = 5


def linear(z: Tensor) -> Tensor:
    return z @ torch.arange(1.0, D + 1, dtype=z.dtype)


def quadratic(z: Tensor) -> Tensor:
    return (z.square() * torch.arange(1.0, D + 1, dtype=z.dtype)).sum(-1)


class Perceptron(nn.Module):
    """A small network, with a linear part that keeps its gradient away from zero."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(D, 8, generator=generator, dtype=torch.float64))
        self.out = nn.Parameter(0.2 * torch.randn(8, generator=generator, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(z @ self.weight) @ self.out + 2 * z[..., 0]


PROPERTIES = {"linear": linear, "quadratic": quadratic, "perceptron": Perceptron()}
SPREAD = torch.eye(D, dtype=torch.float64) + torch.ones(D, D, dtype=torch.float64)


def rises(bank: GuidedField, name: str, amount: Tensor, z: Tensor, solver: Solver | None = None) -> Tensor:
    """What each property (K) of each latent rose by along an amount of one flow."""
    flow = Flow(name, bank.names)
    end = transport(bank, flow.by_amount(amount), z, solver=solver).z[-1]
    return torch.stack([p(end) - p(z) for p in bank.properties], -1).detach()


@pytest.mark.parametrize("metric", [None, SPREAD], ids=["identity", "spread"])
@pytest.mark.parametrize("kind", list(PROPERTIES))
def test_a_property_rises_by_the_amount_exactly(kind: str, metric: Tensor | None) -> None:
    bank = GuidedField((kind,), D, [PROPERTIES[kind]], metric=metric).double()
    amount = torch.tensor([1.5, -0.5, 0.3, 0.0], dtype=torch.float64)
    got = rises(bank, kind, amount, normal(4, D) + 2, Solver(steps=64))
    torch.testing.assert_close(got[:, 0], amount, rtol=0, atol=1e-8)


def test_the_error_is_the_solver_s_and_falls_with_the_fourth_power_of_its_step() -> None:
    bank = GuidedField(("perceptron",), D, [PROPERTIES["perceptron"]]).double()
    amount, z = torch.full((8,), 4.0, dtype=torch.float64), normal(8, D)
    errors = [float((rises(bank, "perceptron", amount, z, Solver(steps=n)) - 4).abs().max()) for n in (16, 32)]
    assert 1e-13 < errors[1] < errors[0] / 10


def test_others_are_held_and_a_mix_raises_each_by_its_own_amount() -> None:
    names = tuple(PROPERTIES)
    bank = GuidedField(names, D, list(PROPERTIES.values()), metric=SPREAD).double()
    z, solver = normal(6, D) + 2, Solver(steps=128)
    got = rises(bank, "quadratic", torch.tensor(1.0, dtype=torch.float64), z, solver)
    torch.testing.assert_close(got, torch.tensor([0.0, 1, 0]).double().expand(6, 3), rtol=0, atol=1e-7)
    linear_flow, _, last = (Flow(name, names) for name in names)
    end = transport(bank, linear_flow(0.7) + last(-0.4), z, solver=solver).z[-1]
    rose = torch.stack([p(end) - p(z) for p in bank.properties], -1).detach()
    torch.testing.assert_close(rose, torch.tensor([0.7, 0, -0.4]).double().expand(6, 3), rtol=0, atol=1e-7)


def test_without_holding_the_others_move() -> None:
    bank = GuidedField(("linear", "quadratic"), D, [linear, quadratic], hold=False).double()
    got = rises(bank, "linear", torch.tensor(1.0, dtype=torch.float64), normal(6, D) + 2)
    torch.testing.assert_close(got[:, 0], torch.ones(6).double(), rtol=0, atol=1e-8)
    assert float(got[:, 1].abs().min()) > 0.01


def test_of_all_velocities_that_do_it_it_is_the_shortest_in_the_inverse_of_the_metric() -> None:
    bank = GuidedField(("linear", "quadratic"), D, [linear, quadratic], metric=SPREAD).double()
    z = normal(3, D)
    velocity = bank["quadratic"](z, 0.0)
    rows = torch.stack([torch.arange(1.0, D + 1).double().expand(3, D), 2 * z * torch.arange(1.0, D + 1).double()], 1)
    root = torch.linalg.cholesky(SPREAD)
    wanted = torch.tensor([0.0, 1.0]).double().expand(3, 2).unsqueeze(-1)
    shortest = (root @ torch.linalg.lstsq(rows @ root, wanted, driver="gelsd").solution).squeeze(-1)
    torch.testing.assert_close(velocity, shortest, rtol=0, atol=1e-10)


def test_decoded_series_are_edited_by_a_property_of_the_series() -> None:
    """A decoder of 40 samples of a wave: its energy above a threshold is asked to rise, no image in sight."""
    times = torch.linspace(0, 2 * math.pi, 40, dtype=torch.float64)
    modes = torch.stack([torch.sin((k + 1) * times) for k in range(D)])

    def series(z: Tensor) -> Tensor:
        return torch.tanh(z @ modes)

    bank = GuidedField(("energy",), D, [lambda z: series(z).square().mean(-1)])
    z = normal(7, D)
    end = transport(bank, Flow("energy", ("energy",))(0.1), z).z[-1]
    rose = series(end).square().mean(-1) - series(z).square().mean(-1)
    torch.testing.assert_close(rose, torch.full((7,), 0.1).double(), rtol=0, atol=1e-5)


def test_a_vanishing_gradient_is_named() -> None:
    bank = GuidedField(("level", "square"), D, [linear, lambda z: z.square().sum(-1)], hold=False).double()
    z = normal(3, D)
    z[1] = 0
    with pytest.raises(VanishingGradientError, match="the gradient of 'square' vanishes at sample 1"):
        bank["square"](z, 0.0)
    assert bool(torch.isfinite(bank["level"](z, 0.0)).all())  # nothing is asked of the square


def test_properties_that_cannot_be_told_apart_are_named() -> None:
    bank = GuidedField(("one", "two"), D, [linear, lambda z: 2 * linear(z)]).double()
    with pytest.raises(VanishingGradientError, match="no direction moves 'two' and holds the others"):
        bank["two"](normal(3, D), 0.0)


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (torch.eye(D - 1), "must have shape"),
        (-torch.eye(D), "positive definite"),
        (torch.eye(D) + torch.eye(D).roll(1, 0), "symmetric"),
        (torch.full((D, D), math.nan), "finite"),
    ],
)
def test_a_metric_that_is_none_is_refused(metric: Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GuidedField(("linear",), D, [linear], metric=metric)


def test_bad_properties_are_refused() -> None:
    with pytest.raises(ValueError, match="`properties` must hold one for each"):
        GuidedField(("a", "b"), D, [linear])
    with pytest.raises(ValueError, match="one number per code, for 'a'"):
        GuidedField(("a",), D, [lambda z: z])["a"](torch.ones(2, D), 0.0)
    with pytest.raises(ValueError, match="`fastest` must be"):
        GuidedField(("a",), D, [linear], fastest=0.0)

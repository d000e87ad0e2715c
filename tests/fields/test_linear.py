"""Linear and constant fields, and their fits to pairs of codes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor

from flowdis.fields import ConstantField, LinearField
from tests.fields.banks import normal
from tests.problems import Linear, Rotation


def turned(amount: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of codes, turned by a rotation or moved by a linear flow, half of them by each."""
    rotation, linear = Rotation(0.8, dim=4), Linear(0.4 * normal(4, 4, seed=7))
    start = normal(40, 4)
    end = torch.cat([rotation.flow(start[:20], amount), linear.flow(start[20:], -amount)])
    amounts = torch.zeros(40, 2, dtype=torch.float64)
    amounts[:20, 0], amounts[20:, 1] = amount, -amount
    return start, end, amounts


def test_constant_fit_recovers_directions_from_mixed_steps() -> None:
    directions, start, amounts = normal(3, 5), normal(10, 5, seed=1), normal(10, 3, seed=2)
    bank = ConstantField.fit(("a", "b", "c"), start, start + amounts @ directions, amounts)
    torch.testing.assert_close(bank.direction.detach(), directions, rtol=0, atol=1e-12)
    assert bank.direction.requires_grad


def test_constant_fit_is_the_least_squares_solution() -> None:
    start, end, amounts = normal(10, 5), normal(10, 5, seed=1), normal(10, 3, seed=2)
    bank = ConstantField.fit(("a", "b", "c"), start, end, amounts)
    truth = torch.linalg.lstsq(amounts, end - start).solution
    torch.testing.assert_close(bank.direction.detach(), truth, rtol=0, atol=1e-10)


def test_linear_fit_of_a_rotation_is_the_midpoint_rules() -> None:
    # The midpoint rule makes exp(a A) into (2 / a) tanh(a A / 2): for a turn, the tangent of half the angle.
    bank = LinearField.fit(("turn", "push"), *turned(0.1), ridge=0.0)
    slope = 2 / 0.1 * math.tan(0.1 * 0.8 / 2)
    torch.testing.assert_close(bank.matrix[0].detach(), Rotation(slope, dim=4).matrix, rtol=0, atol=1e-10)


def test_linear_fit_is_of_second_order_in_the_amount() -> None:
    truth = torch.stack([Rotation(0.8, dim=4).matrix, 0.4 * normal(4, 4, seed=7)])
    errors = [
        float((LinearField.fit(("turn", "push"), *turned(amount), ridge=0.0).matrix.detach() - truth).norm())
        for amount in (0.2, 0.1, 0.05)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.05)


def mean_code(shares: Iterable[float], weights: Iterable[float], amount: float) -> Tensor:
    """The mean code of each way of `turned(amount)`, by quadrature."""
    parts = (weight * turned(amount * share)[1] for share, weight in zip(shares, weights, strict=True))
    return sum(parts, start=torch.zeros(()))


def test_linear_fit_with_mean_codes_is_exact_for_long_ways() -> None:
    truth = torch.stack([Rotation(0.8, dim=4).matrix, 0.4 * normal(4, 4, seed=7)])
    start, end, amounts = turned(1.5)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    exact = mean_code((nodes + 1) / 2, weights / 2, 1.5)
    found = LinearField.fit(("turn", "push"), start, end, amounts, mean=exact, ridge=0.0).matrix.detach()
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-9)
    # Simpson's rule is off by h^4 / 180 for half a way of h = 0.6 radians.
    simpson = mean_code((0.0, 0.5, 1.0), (1 / 6, 2 / 3, 1 / 6), 1.5)
    near = LinearField.fit(("turn", "push"), start, end, amounts, mean=simpson, ridge=0.0).matrix[0].detach()
    assert 0 < float((near - truth[0]).norm() / truth[0].norm()) < 2 * 0.6**4 / 180


def test_linear_fit_of_small_steps_flows_like_the_truth() -> None:
    bank = LinearField.fit(("turn", "push"), *turned(0.02), ridge=1e-8)
    flow = torch.linalg.matrix_exp(bank.matrix[0].detach() * 2.0)
    z = normal(5, 4, seed=9)
    torch.testing.assert_close(z @ flow.mT, Rotation(0.8, dim=4).flow(z, 2.0), rtol=0, atol=1e-3)


def test_the_ridge_shrinks_by_about_its_factor() -> None:
    free = LinearField.fit(("turn", "push"), *turned(0.1), ridge=0.0).matrix.detach()
    shrunk = LinearField.fit(("turn", "push"), *turned(0.1), ridge=1e-3).matrix.detach()
    assert 0 < float((free - shrunk).norm() / free.norm()) < 1e-2


@pytest.mark.parametrize("kind", [LinearField, ConstantField])
def test_fit_keeps_dtype_and_draws_nothing(kind: type[LinearField] | type[ConstantField]) -> None:
    start, end, amounts = turned(0.1)
    before = torch.random.get_rng_state()
    bank = kind.fit(("turn", "push"), start.float(), end.float(), amounts.float())
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(parameter.dtype == torch.float32 for parameter in bank.parameters())
    exact = kind.fit(("turn", "push"), start, end, amounts)
    for single, double in zip(bank.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "shapes", "message"),
    [
        (LinearField, [(7, 4), (7, 4), (7, 2)], "`start` must hold at least 8 pairs to fit 2 fields, got 7"),
        (
            ConstantField,
            [(1, 4), (1, 4), (1, 2)],
            "`start` must hold at least 2 pairs to fit 2 fields, got 1",
        ),
        (LinearField, [(9, 4), (9, 3), (9, 2)], r"both have shape \(N, D\), got \(9, 4\) and \(9, 3\)"),
        (ConstantField, [(4,), (4,), (2,)], r"both have shape \(N, D\), got \(4,\) and \(4,\)"),
        (LinearField, [(9, 4), (9, 4), (9, 3)], r"`amounts` must end in K=2 \(a, b\), got shape \(9, 3\)"),
        (
            ConstantField,
            [(9, 4), (9, 4), (8, 2)],
            r"`amounts` must have shape \(N, K\) = \(9, 2\), got \(8, 2\)",
        ),
    ],
)
def test_fit_names_bad_shapes(
    kind: type[LinearField] | type[ConstantField], shapes: list[tuple[int, ...]], message: str
) -> None:
    start, end, amounts = (normal(*shape, seed=i) for i, shape in enumerate(shapes))
    with pytest.raises(ValueError, match=message):
        kind.fit(("a", "b"), start, end, amounts)


@pytest.mark.parametrize("kind", [LinearField, ConstantField])
def test_fit_names_bad_values(kind: type[LinearField] | type[ConstantField]) -> None:
    start, end, amounts = turned(0.1)
    with pytest.raises(ValueError, match="`amounts` must move every field at least once, got only zeros for 'b'"):
        kind.fit(("a", "b"), start, end, amounts * torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match="least squares problem is singular"):
        kind.fit(("a", "b"), start, end, amounts.sum(-1, keepdim=True).expand(-1, 2), ridge=0.0)
    with pytest.raises(ValueError, match="`end` must be finite, got nan"):
        kind.fit(("a", "b"), start, end.clone().fill_(math.nan), amounts)
    with pytest.raises(ValueError, match="`ridge` must be a finite number >= 0, got -1"):
        kind.fit(("a", "b"), start, end, amounts, ridge=-1.0)


def test_linear_fit_names_bad_means() -> None:
    start, end, amounts = turned(0.1)
    with pytest.raises(ValueError, match=r"`mean` must have the shape \(40, 4\) of `start`, got \(40, 3\)"):
        LinearField.fit(("a", "b"), start, end, amounts, mean=end[:, :3])
    with pytest.raises(ValueError, match="`mean` must be finite, got nan"):
        LinearField.fit(("a", "b"), start, end, amounts, mean=end.clone().fill_(math.nan))


@pytest.mark.parametrize(("fields", "dim"), [(2, 5), (4, 4), (6, 2)])
@pytest.mark.parametrize(("batch", "mixes"), [((7,), ()), ((7,), (7,)), ((), (7,)), ((3, 7), (3, 1)), ((), ())])
def test_few_and_many_fields_are_mixed_alike(
    fields: int, dim: int, batch: tuple[int, ...], mixes: tuple[int, ...]
) -> None:
    matrices, z, amounts = normal(fields, dim, dim), normal(*batch, dim, seed=1), normal(*mixes, fields, seed=2)
    bank = LinearField([f"flow{k}" for k in range(fields)], dim).double()
    bank.load_state_dict({"matrix": matrices})
    velocity, divergence = bank(amounts).velocity_and_divergence(z, 0.0)
    wanted = sum(amounts[..., k, None] * (z @ matrices[k].mT) for k in range(fields))
    traces = sum(amounts[..., k] * matrices[k].trace() for k in range(fields))
    torch.testing.assert_close(velocity, wanted, rtol=0, atol=1e-13)
    torch.testing.assert_close(divergence, traces.expand(wanted.shape[:-1]), rtol=0, atol=1e-13)


def test_amounts_for_all_samples_are_mixed_once() -> None:
    bank = LinearField(("a", "b"), 4, generator=torch.Generator().manual_seed(0)).double()
    field = bank(torch.tensor([2.0, -1.0], dtype=torch.float64))
    z = normal(3, 4)
    before = field(z, 0.0)
    with torch.no_grad():
        bank.matrix.zero_()
    assert torch.equal(field(z, 0.0), before)

"""Flow matching: no error along a true flow, and the minimum where the formula has it."""

from __future__ import annotations

import pytest
import torch

from flowdis.fields import ConstantField, PotentialField
from flowdis.objectives.flow_matching import matching_error


def test_a_shift_by_the_field_has_no_error() -> None:
    generator = torch.Generator().manual_seed(0)
    bank = ConstantField(("right", "up"), 3, generator=generator).double()
    start = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    amounts = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    error = matching_error(bank, start, start + amounts @ bank.direction, amounts, torch.rand(5).double())
    torch.testing.assert_close(error, torch.zeros(5).double(), rtol=0, atol=1e-24)


def test_the_best_constant_is_the_regression_on_amounts() -> None:
    generator = torch.Generator().manual_seed(1)
    start, moved = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    amounts = torch.randn(50, 1, generator=generator, dtype=torch.float64)
    bank = ConstantField(("go",), 3).double()
    with torch.no_grad():
        bank.direction.copy_((amounts * moved).mean(0) / amounts.square().mean())
    loss = matching_error(bank, start, start + moved, amounts, torch.zeros(50).double()).mean()
    (gradient,) = torch.autograd.grad(loss, bank.direction)
    torch.testing.assert_close(gradient, torch.zeros(1, 3).double(), rtol=0, atol=1e-14)


def test_it_is_asked_on_the_straight_path_in_units_of_the_scale() -> None:
    generator = torch.Generator().manual_seed(2)
    bank = PotentialField(("go",), 3, hidden=4, generator=generator).double()
    start, end = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    amounts, times = torch.full((6, 1), 0.7, dtype=torch.float64), torch.rand(6, generator=generator).double()
    scale = torch.tensor([0.5, 1.0, 2.0]).double()
    where = torch.stack([(1 - t) * a + t * b for t, a, b in zip(times, start, end, strict=True)])
    wanted = (((0.7 * bank["go"](where, 0.0) - (end - start)) / scale) ** 2).sum(-1)
    got = matching_error(bank, start, end, amounts, times, scale=scale)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)


def test_codes_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="`start` must end in D=3"):
        matching_error(ConstantField(("go",), 3), torch.ones(2, 4), torch.ones(2, 4), torch.ones(2, 1), torch.ones(2))

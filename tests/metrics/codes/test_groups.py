from __future__ import annotations

import numpy as np
import pytest

from flowdis.metrics.codes.groups import group, live_codes
from flowdis.metrics.codes.inputs import read


def uneven():
    """Factors of 40 rows whose values occur unevenly; value 5 of the second occurs once."""
    first = np.repeat([0, 1, 2], [20, 15, 5])
    second = np.array([5] + [3] * 9 + [4] * 30)
    order = np.random.default_rng(0).permutation(40)
    return read(np.zeros((40, 1)), np.column_stack([first, second])[order])


def test_batches_share_a_value_and_values_come_as_often_as_they_occur():
    table = uneven()
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2, 6000)
    rows = group(table).batches(factors, 5, rng)
    values = table.factors[rows, factors[:, None]]
    assert (values == values[:, :1]).all()
    shares = np.bincount(values[factors == 0, 0]) / (factors == 0).sum()
    assert shares == pytest.approx([20 / 40, 15 / 40, 5 / 40], abs=0.03)  # four standard errors
    shares = np.bincount(values[factors == 1, 0], minlength=3) / (factors == 1).sum()
    assert shares == pytest.approx([9 / 39, 30 / 39, 0], abs=0.03)
    counts = np.bincount(rows[factors == 0].ravel(), minlength=40)
    assert counts.min() > 0.6 * counts.mean(), "every row of a group is drawn alike"


def test_pairs_share_a_value_and_are_never_one_row():
    table = uneven()
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2, 400)
    one, other = group(table).pairs(factors, 7, rng)
    assert one.shape == other.shape == (400, 7)
    assert (table.factors[one, factors[:, None]] == table.factors[other, factors[:, None]]).all()
    assert (one != other).all()
    rarest = table.factors[:, 0] == 2
    met = (factors == 0)[:, None] & rarest[one]
    assert len({*zip(one[met].tolist(), other[met].tolist(), strict=True)}) == 5 * 4, "every pair of a group is drawn"


def test_a_factor_none_of_whose_values_occurs_twice_is_named():
    with pytest.raises(ValueError, match="a value that occurs twice, got none of serial in 6 samples"):
        group(read(np.zeros((6, 1)), np.column_stack([[0, 0, 0, 1, 1, 1], range(6)]), names=["hue", "serial"]))


def test_live_codes_are_scaled_and_constant_ones_left_out():
    codes = np.column_stack([np.full(50, 0.1), np.random.default_rng(0).normal(3, 200, 50)])
    scaled, live = live_codes(read(codes, np.arange(50) % 2))
    assert live.tolist() == [1]
    assert scaled.std() == pytest.approx(1.0)

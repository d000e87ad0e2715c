from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from flowdis.metrics.codes import explicitness, infomec, irs, mig, modularity
from flowdis.metrics.codes.inputs import read, read_codes
from tests.metrics.codes.toys import GRID, PERFECT
from tests.test_bad_input import unchecked

METRICS = [mig, modularity, explicitness, infomec, irs]


def test_values_become_classes_in_ascending_order():
    factors = np.array([[0.5, 7], [-2.0, 7], [0.5, 3], [9.0, 3], [9.0, 3], [-2.0, 7]])
    table = read(np.zeros((6, 2)), factors, names=["x", "y"])
    assert table.factors.tolist() == [[1, 1], [0, 1], [1, 0], [2, 0], [2, 0], [0, 1]]
    assert (table.sizes, table.names, table.dead_codes, len(table)) == ((3, 2), ("x", "y"), (0, 1), 6)
    assert table.take(np.array([3, 3])).factors.tolist() == [[2, 0], [2, 0]]
    assert read(PERFECT, GRID).names == ("factor 0", "factor 1")


def test_one_column_may_be_flat():
    assert np.array_equal(read(PERFECT, GRID[:, 1]).factors, GRID[:, 1:])


@pytest.mark.parametrize(
    "kind",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.repeat(a, 3, axis=1)[:, ::3],
        torch.from_numpy,
        lambda a: torch.from_numpy(a).repeat_interleave(2, 1)[:, ::2],
        lambda a: torch.from_numpy(a.astype(np.float32)).requires_grad_(),
        lambda a: a.astype(np.float16),
        lambda a: torch.from_numpy(a).bfloat16(),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_every_memory_order_and_type_gives_the_same_score_exactly(kind, metric):
    codes = np.round(PERFECT + np.random.default_rng(0).normal(size=PERFECT.shape), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted, got = metric(codes, GRID), metric(kind(codes), kind(GRID.astype(float)))
    assert got.score == wanted.score
    assert got.to_json() == wanted.to_json()


def test_binary_attributes_are_factors():
    rng = np.random.default_rng(0)
    attributes = rng.choice([-1, 1], size=(64, 40))
    table = read(rng.normal(size=(64, 6)), torch.from_numpy(attributes))
    assert table.sizes == (2,) * 40
    assert np.array_equal(table.factors, (attributes + 1) // 2)
    assert read(rng.normal(size=(64, 6)), attributes > 0).sizes == (2,) * 40


def test_constant_factors_are_left_out_by_name():
    factors = np.column_stack([GRID[:, 0], np.full(len(GRID), 3), GRID[:, 1]])
    with pytest.warns(UserWarning, match="constant factors are left out: hue") as told:
        table = read(PERFECT, factors, names=["x", "hue", "y"])
    assert (table.names, table.dropped_factors) == (("x", "y"), ("hue",))
    assert np.array_equal(table.factors, GRID)
    assert "flowdis" not in told[0].filename.split("/")[-1]
    with pytest.raises(ValueError, match="`factors` must vary, got one value throughout for x, y"):
        read(PERFECT, np.zeros_like(GRID), names=["x", "y"])


def test_continuous_factors_are_cut_where_asked_for():
    rng = np.random.default_rng(0)
    factors = np.column_stack([rng.normal(size=200), GRID[:, 0]])
    with pytest.raises(ValueError, match="must be classes, got 200 values of speed in 200 samples; set `factor_bins`"):
        read(PERFECT, factors, names=["speed", "x"])
    table = read(PERFECT, factors, names=["speed", "x"], factor_bins=8)
    assert table.sizes == (8, 4)
    assert np.bincount(table.factors[:, 0]).tolist() == [25] * 8
    assert np.array_equal(table.factors[:, 1], GRID[:, 0])
    order = np.argsort(factors[:, 0])
    assert (np.diff(table.factors[order, 0]) >= 0).all()
    # Whole numbers may be as many as they like: an index is a class.
    assert read(PERFECT, np.arange(200)).sizes == (200,)


def test_binned_factors_keep_equal_values_together():
    values = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0], [96, 1, 1, 1, 1])
    table = read(np.zeros((100, 1)), values, factor_bins=3)
    assert [len(set(table.factors[values == v, 0])) for v in range(5)] == [1] * 5
    assert table.sizes == (2,)


@pytest.mark.parametrize(
    ("codes", "factors", "options", "told"),
    [
        (np.where(np.arange(400).reshape(200, 2) == 7, np.nan, 1.0), GRID, {}, "`codes` .*got nan in row 3, column 1"),
        (np.where(PERFECT == 4, np.inf, PERFECT), GRID, {}, "`codes` must be finite, got inf in row 40, column 1"),
        (
            PERFECT,
            np.where(np.arange(400).reshape(200, 2) == 7, np.nan, 1.0),
            {"names": ["x", "hue"]},
            r"`factors` must be finite, got nan in row 3, column 1 \(hue\)",
        ),
        (PERFECT, GRID[:-1], {}, "`codes` and `factors` must have equally many rows, got 200 and 199"),
        (PERFECT, None, {}, "`factors` must be ground-truth labels .*, got None; without labels use udr .*metrics of"),
        (
            PERFECT[:0],
            GRID[:0],
            {},
            r"`codes` must have shape \(N, D\), with at least one row and column, got \(0, 2\)",
        ),
        (PERFECT[:, :0], GRID, {}, r"`codes` must have shape \(N, D\)"),
        (PERFECT[:, 0], GRID, {}, r"`codes` must have shape \(N, D\), .*got \(200,\)"),
        (PERFECT, GRID[:, :0], {}, r"`factors` must have shape \(N, F\) or \(N\), got \(200, 0\)"),
        (PERFECT, GRID[None], {}, r"`factors` must have shape \(N, F\) or \(N\), got \(1, 200, 2\)"),
        (PERFECT, GRID, {"names": ["x"]}, r"`names` must be F=2 different names, got \['x'\]"),
        (PERFECT, GRID, {"names": ["x", "x"]}, r"`names` must be F=2 different names, got \['x', 'x'\]"),
        (PERFECT, GRID, {"factor_bins": 1}, "`factor_bins` must be >= 2, got 1"),
    ],
)
@pytest.mark.parametrize("metric", [read, mig, irs])
def test_what_cannot_be_measured_is_named(metric, codes, factors, options, told):
    with pytest.raises(ValueError, match=told):
        metric(codes, factors, **options)


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([[0.0]], "`codes` must be a tensor or a NumPy array, got list"),
        (np.array([["a"]]), "`codes` must hold real numbers, got dtype <U1"),
        (np.array([[1j]]), "`codes` must hold real numbers, got dtype complex128"),
        (torch.tensor([[1j]]), "`codes` must hold real numbers, got dtype torch.complex64"),
    ],
)
def test_codes_are_real_numbers(codes, told):
    unchecked(lambda: read_codes("codes", codes), TypeError, told)


def test_inputs_are_left_as_they_are():
    codes, factors = PERFECT.copy(), GRID.copy()
    codes.flags.writeable = factors.flags.writeable = False
    for metric in METRICS:
        metric(codes, factors)
    assert np.array_equal(codes, PERFECT) and np.array_equal(factors, GRID)

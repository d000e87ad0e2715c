from __future__ import annotations

import warnings

import numpy as np
import pytest

from flowdis.metrics.codes import explicitness, infomec, irs, mig, modularity, read
from flowdis.metrics.codes.bootstrap import bootstrap, resample
from tests.metrics.codes.toys import GRID, PERFECT, factor_sample


def test_the_interval_of_a_mean_is_the_known_one():
    values = np.random.default_rng(0).uniform(size=400)
    interval = resample(lambda rows: float(values[rows].mean()), 400, float(values.mean()), 4000, seed=0)
    half = 1.96 * values.std() / np.sqrt(400)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.05 * half)
    assert (interval.level, interval.replicates) == (0.95, 4000)


def test_it_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        values = rng.uniform(size=60)
        interval = resample(lambda rows, v=values: float(v[rows].mean()), 60, float(values.mean()), 200, seed=trial)
        held += interval.low <= 0.5 <= interval.high
    # 95 % of 200, within 4 standard deviations of that count.
    assert 190 - 4 * np.sqrt(200 * 0.95 * 0.05) <= held


def test_it_holds_the_gap_of_other_samples():
    def sample(seed):
        factors = factor_sample(500, 3, 5, seed=seed)
        noise = np.random.default_rng(seed + 1000).normal(size=(500, 3))
        return factors @ np.array([[1.0, 0.2, 0.0], [0.2, 1.0, 0.5]]) + noise, factors

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        interval = mig(*sample(0), bootstrap=200).interval
        others = np.array([mig(*sample(seed)).score for seed in range(1, 41)])
    # The spread of other draws is what the interval is for: 1.96 standard deviations to either side.
    assert (interval.high - interval.low) / 3.92 == pytest.approx(others.std(), rel=0.4)
    assert np.mean((others >= interval.low) & (others <= interval.high)) > 0.6


@pytest.mark.parametrize("metric", [mig, modularity, explicitness, infomec, irs])
def test_a_score_lies_in_its_interval_and_a_seed_repeats_it(metric):
    codes = PERFECT + 0.5 * np.random.default_rng(0).normal(size=PERFECT.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result, again = metric(codes, GRID, bootstrap=50), metric(codes, GRID, bootstrap=50)
        plain, other = metric(codes, GRID), metric(codes, GRID, bootstrap=50, seed=1)
    assert plain.interval is None
    assert result.interval == again.interval
    assert result.interval != other.interval
    assert 0 <= result.interval.low <= result.score <= result.interval.high <= 1
    assert result.interval.low < result.interval.high
    if metric is not explicitness:  # whose split the seed draws too
        assert result.score == plain.score == other.score


def test_a_certain_score_has_no_width():
    interval = mig(PERFECT, GRID, bootstrap=20).interval
    assert interval.high == 1.0
    assert bootstrap(lambda table: 0.25, read(PERFECT, GRID), 20, seed=0).low == 0.25


def test_resamples_are_rows_of_the_table():
    seen = []

    def score(table):
        seen.append(table)
        return float(len(table))

    table = read(PERFECT, GRID, names=["x", "y"])
    bootstrap(score, table, 3, seed=0, estimate=1.0)
    assert [len(drawn) for drawn in seen] == [200] * 3
    for drawn in seen:
        assert np.array_equal(drawn.codes, drawn.factors)
        assert (drawn.names, drawn.sizes) == (table.names, table.sizes)
    assert not np.array_equal(seen[0].codes, seen[1].codes)


@pytest.mark.parametrize(
    ("replicates", "level", "told"),
    [
        (1, 0.95, "`bootstrap` must be 0 or at least 2 replicates, got 1"),
        (-3, 0.95, "`bootstrap` must be 0 or at least 2 replicates, got -3"),
        (10, 1.0, "`level` must be between 0 and 1, got 1.0"),
    ],
)
def test_what_gives_no_interval_is_named(replicates, level, told):
    with pytest.raises(ValueError, match=told):
        resample(lambda rows: 0.0, 5, 0.0, replicates, 0, level)

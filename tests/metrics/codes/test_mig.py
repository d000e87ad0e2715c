from __future__ import annotations

import json

import numpy as np
import pytest

from flowdis.metrics.codes import mig
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample

pytestmark = pytest.mark.filterwarnings("ignore:.*samples are few")


def published(codes, factors, bins):
    """The gaps as disentanglement libraries compute them: histograms and scikit-learn's mutual information."""
    from sklearn.metrics import mutual_info_score

    binned = [np.digitize(z, np.histogram(z, bins)[1][:-1]) for z in codes.T]
    matrix = np.array([[mutual_info_score(v, b) for v in factors.T] for b in binned])
    entropies = np.array([mutual_info_score(v, v) for v in factors.T])
    ordered = np.sort(matrix, axis=0)[::-1]
    over_factors = np.sort(matrix / entropies, axis=1)[:, ::-1]
    return (ordered[0] - ordered[1]) / entropies, over_factors[:, 0] - over_factors[:, 1]


def test_perfect_codes_have_the_whole_gap():
    result = mig(PERFECT, GRID, names=["x", "y"])
    assert result.score == pytest.approx(1, abs=1e-12)
    assert result.supervised == result.supervised_published == pytest.approx(1, abs=1e-12)
    assert np.allclose(result.information, np.diag([np.log(4), np.log(5)]), rtol=0, atol=1e-12)
    assert (result.codes.tolist(), result.code_factors.tolist()) == ([0, 1], [0, 1])
    assert (result.names, result.estimator) == (("x", "y"), "20 equal-count bins, plug-in")


@pytest.mark.parametrize("bins", [10, 20])
def test_it_agrees_with_the_published_computation(bins):
    factors = factor_sample(2000, 3, 6, 10)
    rng = np.random.default_rng(0)
    codes = np.column_stack([factors @ rng.normal(size=(3, 4)) + rng.normal(size=(2000, 4)), factors[:, 1]])
    result = mig(codes, factors, bins=bins, kind="equal_width")
    gaps, code_gaps = published(codes, factors, bins)
    assert np.allclose(result.gaps, gaps, rtol=0, atol=1e-9)
    assert np.allclose(result.code_gaps, code_gaps, rtol=0, atol=1e-9)
    assert result.score == pytest.approx(gaps.mean(), abs=1e-9)
    assert result.supervised_published == pytest.approx(code_gaps.mean(), abs=1e-9)


def test_constants_are_named_and_change_nothing():
    with pytest.warns(UserWarning, match="constant factors are left out: hue"):
        result = mig(PERFECT, np.column_stack([GRID, np.zeros(200, int)]), names=["x", "y", "hue"])
    assert result.score == pytest.approx(1, abs=1e-12)
    assert (result.names, result.dropped_factors, result.gaps.shape) == (("x", "y"), ("hue",), (2,))
    dead = mig(np.column_stack([np.full(200, 3.0), PERFECT]), GRID)
    assert dead.score == dead.supervised == pytest.approx(1, abs=1e-12)
    assert (dead.dead_codes, dead.told_codes) == ((0,), (1, 2))
    assert dead.supervised_published == pytest.approx(2 / 3, abs=1e-12)


def test_two_codes_for_one_factor_leave_no_gap():
    result = mig(np.column_stack([PERFECT, PERFECT]), GRID)
    assert result.score == 0.0
    # Each code tells of one factor only all the same.
    assert result.supervised == pytest.approx(1, abs=1e-12)


def test_one_code_for_two_factors_has_no_supervised_gap():
    both = PERFECT @ np.array([[5.0], [1.0]])
    result = mig(both, GRID)
    assert result.gaps == pytest.approx([1, 1], abs=1e-12)
    assert result.supervised == pytest.approx(0, abs=1e-12)


def test_one_code_or_one_factor_has_its_information_for_a_gap():
    result = mig(PERFECT[:, :1], GRID)
    assert result.gaps == pytest.approx([1, 0], abs=1e-12)
    result = mig(PERFECT, GRID[:, 1])
    assert (result.score, result.supervised) == (pytest.approx(1, abs=1e-12),) * 2
    assert result.told_codes == (1,)


def test_rotated_codes_have_no_gap():
    # a + b and a - b tell the same of each factor, but for the sign.
    assert mig(ROTATED, GRID).score == pytest.approx(0, abs=1e-12)


def test_noise_has_no_gap_and_is_told_from_information():
    factors = factor_sample(5000, 5, 10)
    noise = np.random.default_rng(1).normal(size=(5000, 6))
    result = mig(np.column_stack([factors.astype(float), noise]), factors)
    assert result.told_codes == (0, 1)
    assert result.supervised > 0.98 and result.supervised_published < 0.27
    assert mig(noise, factors).supervised == 0.0


def test_written_down():
    result = mig(PERFECT, GRID, bootstrap=10)
    table = json.loads(json.dumps(result.to_json()))
    assert table["score"] == result.score
    assert table["information"] == result.information.tolist()
    assert table["interval"] == {"low": 1.0, "high": 1.0, "level": 0.95, "replicates": 10} | {
        "low": result.interval.low,
        "high": result.interval.high,
    }
    assert mig(PERFECT, GRID).to_json()["interval"] is None

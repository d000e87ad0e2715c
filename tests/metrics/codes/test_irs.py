from __future__ import annotations

import numpy as np
import pytest

from flowdis.metrics.codes import irs
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample


def published(codes, factors, quantile):
    """The published score, class by class, of codes that are not constant."""
    largest = np.abs(codes - codes.mean(0)).max(0)
    matrix = np.zeros((codes.shape[1], factors.shape[1]))
    for f, v in enumerate(factors.T):
        for c in np.unique(v):
            inside = codes[v == c]
            matrix[:, f] += np.quantile(np.abs(inside - inside.mean(0)), quantile, axis=0) / len(np.unique(v))
    robust = (1 - matrix / largest[:, None]).max(1)
    return np.average(robust, weights=largest)


def test_perfect_codes_stay_put():
    result = irs(PERFECT, GRID)
    assert (result.score, result.published) == (1.0, 1.0)
    assert result.code_factors.tolist() == [0, 1]


def test_rotated_codes_move():
    result = irs(ROTATED, GRID, quantile=0.99)
    # Given a, a + b is up to 2 from its mean, of 3.5: 1 - 2 / 3.5 - and given b, 1.5 away: 4 / 7.
    assert result.score == pytest.approx(4 / 7, abs=1e-12)
    assert result.published == pytest.approx(0.571429, abs=1e-6)
    assert np.allclose(result.matrix, [[1 - 2 / 3.5, 1 - 1.5 / 3.5]] * 2, rtol=0, atol=1e-12)


def test_a_constant_code_is_named_and_left_out():
    result = irs(np.column_stack([PERFECT, np.full(200, 0.1)]), GRID)
    assert (result.score, result.published) == (1.0, 1.0)
    assert result.dead_codes == (2,)
    assert result.matrix[2].tolist() == [0.0, 0.0]
    dead = irs(np.full((200, 3), 0.1), GRID)
    assert (dead.score, dead.published) == (0.0, 0.0)


@pytest.mark.parametrize("quantile", [0.9, 0.99, 1.0])
def test_it_agrees_with_the_published_computation(quantile):
    factors = factor_sample(600, 3, 7)
    codes = factors @ np.array([[1.0, 0.3, 0.0], [0.2, 1.0, 5.0]]) + np.random.default_rng(0).normal(size=(600, 3))
    result = irs(codes, factors, quantile=quantile)
    assert result.published == pytest.approx(published(codes, factors, quantile), abs=1e-12)
    if quantile == 1:  # the largest deviation is the quantile, and only the weights differ
        largest = np.abs(codes - codes.mean(0)).max(0)
        assert result.published == pytest.approx(np.average(result.code_scores, weights=largest), abs=1e-12)


def test_noise_scores_nothing_where_the_published_score_is_a_third():
    factors = factor_sample(10_000, 5, 10)
    result = irs(np.random.default_rng(1).normal(size=(10_000, 4)), factors)
    # Of 2,000 or 1,000 samples a class, the 0.99 quantile of |N(0, 1)| = 2.576 has standard deviation
    # sqrt(0.99 * 0.01 / n) / 0.0289; four of those, of the mean over classes and of all samples together.
    spread = 4 * np.sqrt(0.0099 * (1 / 10_000 + 1 / 10_000)) / 0.0289 / 2.576
    assert result.score == pytest.approx(0, abs=spread)
    # The largest of 10,000 such is 3.9.
    assert result.published == pytest.approx(1 - 2.576 / 3.9, abs=0.06)


def test_scaling_one_code_changes_the_published_score_only():
    factors = factor_sample(2000, 4, 6)
    codes = factors + np.random.default_rng(0).normal(size=(2000, 2)) * [0.1, 2.0]
    result, scaled = irs(codes, factors), irs(codes * [-100.0, 1.0], factors)
    assert scaled.score == pytest.approx(result.score, abs=1e-12)
    assert scaled.published > result.published + 0.1


def test_a_code_that_hardly_ever_moves_is_measured_by_its_largest_move():
    codes = np.zeros((1000, 1))
    codes[0], codes[1] = 1.0, -1.0
    result = irs(codes, np.arange(1000) % 4, quantile=0.9)
    assert np.isfinite(result.matrix).all()
    # 0 is 1 / 250 from the mean of two classes of four; the largest move is 1, where the quantile of moves is 0.
    assert result.score == pytest.approx(1 - 2 / 250 / 4, abs=1e-12)


@pytest.mark.parametrize("quantile", [0.0, 1.5, -1.0])
def test_the_quantile_is_a_share(quantile):
    with pytest.raises(ValueError, match=rf"`quantile` must be in \(0, 1\], got {quantile}"):
        irs(PERFECT, GRID, quantile=quantile)

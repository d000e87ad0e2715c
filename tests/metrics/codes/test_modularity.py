from __future__ import annotations

import numpy as np
import pytest

from flowdis.metrics.codes import modularity
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample, grid_of

pytestmark = pytest.mark.filterwarnings("ignore:.*samples are few")


def looped(matrix):
    """The definition, code by code: the distance to the nearest template with one factor only."""
    scores = []
    for row in matrix:
        template = np.where(np.arange(len(row)) == row.argmax(), row.max(), 0.0)
        scores.append(1 - ((row - template) ** 2).sum() / (row.max() ** 2 * (len(row) - 1)))
    return np.array(scores)


def test_perfect_codes_are_modular():
    result = modularity(PERFECT, GRID)
    assert (result.score, result.published) == (1.0, 1.0)
    # So are many codes for each factor: modularity does not ask for few.
    assert modularity(np.column_stack([PERFECT, -PERFECT, PERFECT**2]), GRID).score == 1.0


def test_it_is_the_distance_to_a_template():
    factors = factor_sample(3000, 3, 5, 8)
    rng = np.random.default_rng(0)
    codes = factors @ rng.normal(size=(3, 5)) + rng.normal(size=(3000, 5))
    result = modularity(codes, factors)
    assert np.allclose(result.code_scores, looped(result.information), rtol=0, atol=1e-12)
    assert result.score == result.published == pytest.approx(result.code_scores.mean(), abs=1e-12)


def test_codes_that_tell_all_factors_alike_are_not_modular():
    factors = grid_of(3, 3, 3)
    result = modularity(factors @ np.array([[9.0], [3.0], [1.0]]), factors)
    assert result.score == pytest.approx(0, abs=1e-12)


def test_rotated_codes_score_as_their_information_has_it():
    result = modularity(ROTATED, GRID)
    low, high = np.sort(result.information[0])
    assert result.score == pytest.approx(1 - (low / high) ** 2, abs=1e-12)
    assert result.score == pytest.approx(0.616, abs=1e-3)


def test_a_dead_code_is_masked_and_the_published_score_counts_it():
    result = modularity(np.column_stack([PERFECT, np.ones(200)]), GRID)
    assert result.score == 1.0
    assert result.published == pytest.approx(2 / 3, abs=1e-12)
    assert result.code_scores.tolist() == [1.0, 1.0, 0.0]
    assert (result.dead_codes, result.told_codes) == ((2,), (0, 1))
    assert modularity(np.zeros((200, 3)), GRID).score == 0.0


def test_noise_is_masked_though_its_bias_looks_modular():
    factors = factor_sample(10_000, 3, 6, 40, 32, 32)
    noise = np.random.default_rng(1).normal(size=(10_000, 5))
    result = modularity(noise, factors)
    assert result.score == 0.0
    # Information from bias grows with the number of classes: (b - 1)(c - 1) / (2 N).
    bias = np.array([2, 5, 39, 31, 31]) / 39
    assert result.published == pytest.approx(1 - (np.sum(bias**2) - 1) / 4, abs=0.05)
    mixed = modularity(np.column_stack([factors.astype(float), noise]), factors)
    assert mixed.told_codes == (0, 1, 2, 3, 4)
    assert mixed.score > 0.99 > 0.9 > mixed.published


def test_one_factor_has_no_other_to_be_confused_with():
    noise = np.random.default_rng(0).normal(size=(200, 1))
    result = modularity(np.column_stack([PERFECT, noise]), GRID[:, 0])
    assert result.score == 1.0
    assert result.told_codes == (0,)
    assert result.code_scores.tolist() == [1.0, 0.0, 1.0]

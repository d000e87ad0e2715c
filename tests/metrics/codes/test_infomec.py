from __future__ import annotations

import numpy as np
import pytest

from flowdis.metrics.codes import infomec, mig
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample, grid_of

pytestmark = pytest.mark.filterwarnings("ignore:.*samples are few")


def published(shares):
    """InfoM and InfoC by their definitions, from all of the shares (D, F)."""
    codes, factors = shares.shape
    modularity = np.mean([row.max() / row.sum() for row in shares])
    compactness = np.mean([column.max() / column.sum() for column in shares.T])
    return (modularity - 1 / factors) / (1 - 1 / factors), (compactness - 1 / codes) / (1 - 1 / codes)


def test_perfect_codes_score_one():
    result = infomec(PERFECT, GRID)
    assert result.score == result.modularity == pytest.approx(1, abs=1e-12)
    assert result.compactness == pytest.approx(1, abs=1e-12)
    assert result.explicitness == pytest.approx(1, abs=1e-4)


def test_it_agrees_with_the_definition():
    factors = factor_sample(2000, 3, 5, 8)
    rng = np.random.default_rng(0)
    codes = factors @ rng.normal(size=(3, 4)) + rng.normal(size=(2000, 4))
    result = infomec(codes, factors)
    assert result.active_codes == (0, 1, 2, 3)
    assert np.array_equal(result.shares, mig(codes, factors).information / mig(codes, factors).factor_entropies)
    assert (result.modularity, result.compactness) == pytest.approx(published(result.shares), abs=1e-12)
    assert result.code_scores.mean() == pytest.approx(result.modularity, abs=1e-12)
    assert result.factor_scores.mean() == pytest.approx(result.compactness, abs=1e-12)


def test_explicitness_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    factors = factor_sample(800, 2, 5)
    codes = factors + np.random.default_rng(0).normal(size=(800, 2)) * [1.0, 10.0]
    result = infomec(codes, factors)
    for f in range(2):
        model = LogisticRegression(C=1e10, tol=1e-8, max_iter=5000).fit(codes - codes.mean(0), factors[:, f])
        entropy = mig(codes, factors).factor_entropies[f]
        loss = log_loss(factors[:, f], model.predict_proba(codes - codes.mean(0)))
        assert result.explicitness_scores[f] == pytest.approx(1 - loss / entropy, abs=1e-5)


def test_explicitness_of_a_threshold_is_known():
    # The code tells whether the class is 0 or 1 or else 2 or 3: log 2 of log 4.
    result = infomec((GRID[:, :1] >= 2).astype(float), GRID[:, 0])
    assert result.explicitness == pytest.approx(0.5, abs=1e-4)
    assert result.shares[0, 0] == pytest.approx(0.5, abs=1e-12)


def test_explicitness_is_of_the_representation_that_is_linear():
    # Exclusive or of two codes is told by both together, but by no linear map of them; by that of four bins it is not
    # either, one code at a time, but it is once the codes are made one.
    corners = grid_of(2, 2, copies=50)
    exclusive = corners.sum(1) % 2
    assert infomec(corners.astype(float), exclusive).explicitness == pytest.approx(0, abs=1e-6)
    together = corners @ np.array([[2.0], [1.0]])
    assert infomec(together, exclusive).explicitness == pytest.approx(0, abs=1e-6)
    assert infomec(together, exclusive, one_hot=True).explicitness == pytest.approx(1, abs=1e-3)


def test_many_codes_for_one_factor_are_modular_but_not_compact():
    result = infomec(np.column_stack([PERFECT, PERFECT]), GRID)
    assert result.modularity == pytest.approx(1, abs=1e-12)
    # Each factor lies in two of four codes: (1/2 - 1/4) / (1 - 1/4).
    assert result.compactness == pytest.approx(1 / 3, abs=1e-12)
    both = infomec(PERFECT @ np.array([[5.0], [1.0]]), GRID)
    assert (both.modularity, both.compactness) == (pytest.approx(0, abs=1e-12), 1.0)


def test_rotated_codes_are_explicit_only():
    result = infomec(ROTATED, GRID)
    assert result.modularity < 0.2 and result.compactness == pytest.approx(0, abs=1e-12)
    assert result.explicitness == pytest.approx(1, abs=1e-4)


def test_codes_that_tell_nothing_are_pruned_whatever_their_range():
    factors = factor_sample(4000, 4, 8)
    noise = np.random.default_rng(0).normal(size=(4000, 3)) * [1e-6, 1.0, 1e6]
    codes = np.column_stack([factors * [1e-3, 1.0], noise, np.zeros(4000)])
    result = infomec(codes, factors)
    assert (result.active_codes, result.dead_codes) == ((0, 1), (5,))
    assert result.modularity > 0.98 and result.compactness > 0.98
    # By range, only what is large is kept.
    assert infomec(codes, factors, prune="range").active_codes == (4,)
    assert infomec(codes[:, :2] * [1e3, 1.0], factors, prune="range").active_codes == (0, 1)


def test_noise_scores_nothing():
    factors = factor_sample(5000, 4, 8, 10)
    result = infomec(np.random.default_rng(0).normal(size=(5000, 6)), factors)
    assert (result.modularity, result.compactness, result.active_codes) == (0.0, 0.0, ())
    # On the same rows, D (C - 1) coefficients fit D (C - 1) / (2 N) nats of noise, with a chi-squared spread.
    freedom = 6 * np.array([3, 7, 9])
    expected = freedom / (2 * 5000) / np.log([4, 8, 10])
    assert result.explicitness_scores == pytest.approx(expected, abs=4 * np.sqrt(2 * 63) / 10_000 / np.log(4))


def test_nothing_is_nan_where_there_is_nothing():
    dead = infomec(np.zeros((200, 2)), GRID)
    assert (dead.modularity, dead.explicitness, dead.compactness) == (0.0, 0.0, 0.0)
    half = infomec(PERFECT[:, :1], GRID)
    assert (half.modularity, half.compactness) == (pytest.approx(1, abs=1e-12), 0.5)
    single = infomec(PERFECT[:, :1], GRID[:, 0])
    assert (single.modularity, single.compactness) == (1.0, 1.0)
    assert dead.to_json()["score"] == 0.0


def test_neighbours_are_scikit_learns():
    from sklearn.feature_selection import mutual_info_classif
    from sklearn.preprocessing import StandardScaler

    factors = factor_sample(500, 3, 5)
    codes = factors + 0.3 * np.random.default_rng(0).normal(size=(500, 2))
    result = infomec(codes, factors, neighbours=10, prune="range")
    scaled = StandardScaler().fit_transform(codes)
    wanted = [
        mutual_info_classif(scaled, factors[:, f], n_neighbors=10, random_state=0)
        / mig(codes, factors).factor_entropies[f]
        for f in range(2)
    ]
    assert np.allclose(result.shares, np.array(wanted).T, rtol=0, atol=1e-6)
    assert result.estimator.startswith("10 nearest neighbours; codes pruned by range")
    assert infomec(np.column_stack([codes, np.ones(500)]), factors, neighbours=10).shares[2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prune": "variance"}, "`prune` must be one of information, range, got 'variance'"),
        ({"neighbours": 200}, "`neighbours` must be from 1 to N - 1 = 199, got 200"),
        ({"neighbours": 10, "bootstrap": 5}, "`bootstrap` must be 0 with `neighbours` .*, got 5"),
    ],
)
def test_options_that_do_not_fit(options, told):
    with pytest.raises(ValueError, match=told):
        infomec(PERFECT, GRID, **options)

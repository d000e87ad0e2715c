from __future__ import annotations

import numpy as np
import pytest

from flowdis.metrics.codes import explicitness, read
from flowdis.metrics.codes.explicitness import explicitness_of
from flowdis.metrics.codes.splits import Split, split
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample


def test_perfect_codes_are_explicit():
    result = explicitness(PERFECT, GRID)
    assert result.score == result.train == 1.0
    assert result.above_chance == 1.0
    assert result.class_scores == ((1.0,) * 4, (1.0,) * 5)
    # Linear maps of codes are read as well: explicitness does not ask for axes.
    assert explicitness(ROTATED, GRID).score == 1.0


def test_one_threshold_a_class_reads_no_middle_values():
    # One-versus-rest on one code is increasing or decreasing in it: class 1 of 0..3 is above 0, below 2 and 3.
    result = explicitness(PERFECT[:, :1], GRID[:, 0], classifier="one_vs_rest")
    first, second, third, last = result.class_scores[0]
    assert (first, last) == (1.0, 1.0)
    test = np.bincount(GRID[split(200).test, 0])
    assert second == pytest.approx((test[2] + test[3]) / (test.sum() - test[1]), abs=1e-12)
    assert third == pytest.approx((test[0] + test[1]) / (test.sum() - test[2]), abs=1e-12)
    assert "one-versus-rest logistic regression" in result.estimator


@pytest.mark.parametrize("classifier", ["multinomial", "one_vs_rest"])
def test_areas_agree_with_scikit_learn(classifier):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    factors = factor_sample(600, 2, 5)
    codes = (factors + np.random.default_rng(0).normal(size=(600, 2))).round(1)
    result = explicitness(codes, factors, classifier=classifier)
    rows = split(600)
    scaler = StandardScaler().fit(codes[rows.train])
    train, test = scaler.transform(codes[rows.train]), scaler.transform(codes[rows.test])
    for f in range(2):
        labels = factors[:, f]
        if classifier == "multinomial":
            scores = LogisticRegression(tol=1e-8, max_iter=1000).fit(train, labels[rows.train]).predict_proba(test)
        else:
            models = [LogisticRegression(tol=1e-8).fit(train, labels[rows.train] == c) for c in range(f * 3 + 2)]
            scores = np.stack([model.decision_function(test) for model in models], axis=1)
        wanted = [roc_auc_score(labels[rows.test] == c, scores[:, c]) for c in range(f * 3 + 2)]
        assert result.class_scores[f] == pytest.approx(wanted, abs=1e-4)
        assert result.factor_scores[f] == pytest.approx(np.mean(wanted), abs=1e-4)


def test_a_class_missing_from_the_test_rows_is_left_out():
    codes, factors = PERFECT[::10], GRID[::10]
    table = read(codes, factors)
    without = np.flatnonzero(factors[:, 0] != 2)
    everything = np.arange(len(table))
    result = explicitness_of(table, Split(everything, without))
    assert result.class_scores[0] == (1.0, 1.0, None, 1.0)
    assert result.class_scores[1] == (1.0,) * 5
    # And one missing from the rows trained on, of which nothing could be learned.
    result = explicitness_of(table, Split(without, everything))
    assert result.class_scores[0][2] is None
    assert result.to_json()["class_scores"][0][2] is None
    assert np.isfinite(result.factor_scores).all()
    with pytest.raises(ValueError, match="two classes of shape among both the 5 rows trained on and the 20"):
        explicitness_of(read(codes, factors, names=["shape", "x"]), Split(everything[:5], everything))


def test_chance_is_one_half():
    factors = factor_sample(6000, 2, 5, 10)
    noise = np.random.default_rng(1).normal(size=(6000, 4))
    result = explicitness(noise, factors)
    for area, size in zip(result.factor_scores, (2, 5, 10), strict=True):
        # Mann and Whitney's variance for one class of 2000 / size test rows, without ties; 4 standard deviations.
        positives = 2000 / size
        assert area == pytest.approx(0.5, abs=4 * np.sqrt(2001 / (12 * positives * (2000 - positives))))
    assert result.above_chance == pytest.approx(0, abs=0.06)


def test_dead_codes_are_named_and_ignored():
    result = explicitness(np.column_stack([np.full(200, 7.0), PERFECT]), GRID)
    assert (result.score, result.dead_codes) == (1.0, (0,))
    assert explicitness(np.zeros((200, 2)), GRID).score == 0.5


def test_the_seed_draws_the_split():
    factors = factor_sample(300, 4)
    codes = factors + np.random.default_rng(0).normal(size=(300, 1))
    assert explicitness(codes, factors).score == explicitness(codes, factors).score
    assert explicitness(codes, factors).score != explicitness(codes, factors, seed=1).score
    rows = split(300, 5)
    assert sorted([*rows.train, *rows.test]) == list(range(300))
    assert (len(rows.train), len(rows.test)) == (200, 100)
    with pytest.raises(ValueError, match="rows to train on and to test on, got N=1"):
        split(1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"classifier": "svm"}, "`classifier` must be one of multinomial, one_vs_rest, got 'svm'"),
        ({"penalty": 0.0}, "`penalty` must be a finite number > 0, got 0.0"),
    ],
)
def test_options_that_do_not_exist(options, told):
    with pytest.raises(ValueError, match=told):
        explicitness(PERFECT, GRID, **options)

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from flowdis.metrics.codes.linear_svm import svm_accuracies
from flowdis.metrics.codes.sap import RULES, sap
from flowdis.metrics.codes.splits import split
from flowdis.metrics.codes.thresholds import threshold_accuracies
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample


def tilted(count=500, sizes=(2, 3, 5), codes=4, seed=0):
    factors = factor_sample(count, *sizes, seed=seed)
    rng = np.random.default_rng(seed)
    return factors @ rng.normal(size=(len(sizes), codes)) + rng.normal(size=(count, codes)), factors


def gap(matrix):
    ordered = np.sort(matrix, axis=0)
    return (ordered[-1] - ordered[-2]).mean()


def test_perfect_codes_score_1_by_correlation_but_045_by_a_linear_svm():
    assert sap(PERFECT, GRID).score == pytest.approx(1.0, abs=1e-12)
    accuracies = svm_accuracies(PERFECT, GRID, PERFECT, GRID)
    assert accuracies.tolist() == [[0.75, 0.2], [0.25, 0.6]]
    assert gap(accuracies) == pytest.approx(0.45)
    assert sap(PERFECT, GRID, rule="linear_svm", penalty=1e5).score > gap(accuracies)


def test_perfect_codes_gain_all_but_chance_by_thresholds():
    assert sap(PERFECT, GRID, rule="thresholds").gaps == pytest.approx([3 / 4, 4 / 5])


def test_squared_correlations_are_those_of_numpy():
    codes, factors = tilted()
    result = sap(codes, factors)
    wanted = np.corrcoef(codes.T, factors.T)[:4, 4:] ** 2
    assert result.predictability == pytest.approx(wanted, abs=1e-12)
    assert result.score == pytest.approx(gap(wanted), abs=1e-12)
    assert result.codes.tolist() == wanted.argmax(axis=0).tolist()


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_the_linear_svm_is_that_of_scikit_learn(scale):
    codes, factors = tilted()
    codes = np.column_stack([scale * codes, np.zeros(500)])
    parts = split(500)
    result = sap(codes, factors, rule="linear_svm")
    for d, f in itertools.product(range(5), range(3)):
        model = LinearSVC(C=0.01, class_weight="balanced", tol=1e-10, max_iter=100_000)
        model.fit(codes[parts.train][:, [d]], factors[parts.train, f])
        wanted = model.score(codes[parts.test][:, [d]], factors[parts.test, f])
        assert result.predictability[d, f] == pytest.approx(wanted, abs=1e-12)
    assert result.score == pytest.approx(gap(result.predictability), abs=1e-12)


def test_a_class_that_training_lacks_is_told_wrong():
    codes = np.array([[0.0], [1.0], [2.0], [3.0]])
    classes = np.array([[0], [0], [2], [2]])
    assert svm_accuracies(codes, classes, np.array([[0.0], [3.0], [9.0]]), np.array([[0], [1], [2]]), 10.0) == 2 / 3


def test_thresholds_are_the_best_there_are():
    rng = np.random.default_rng(0)
    for _ in range(4):
        codes, classes = rng.permutation(8).astype(float), np.array([0, 0, 0, 0, 1, 1, 2, 2])[rng.permutation(8)]
        labels = classes[np.argsort(codes)]
        best = 0.0
        for cuts in itertools.combinations_with_replacement(range(9), 2):
            for named in itertools.product(range(3), repeat=3):
                told = np.repeat(named, np.diff([0, *cuts, 8]))
                best = max(best, np.mean([(told[labels == k] == k).mean() for k in range(3)]))
        assert threshold_accuracies(codes[:, None], classes[:, None]) == pytest.approx(best)


def test_thresholds_tell_a_category_that_no_line_tells():
    codes = np.random.default_rng(0).normal(size=(400, 2))
    factors = np.column_stack([np.abs(codes[:, 0]) > 0.6, codes[:, 1] > 0]).astype(int)
    factors[0, 0] = 2  # a third class allows two cuts
    told = sap(codes, factors, names=["shape", "x"], categories=["shape"])
    assert told.rules == ("thresholds", "correlation")
    assert told.predictability[0, 0] > 0.64 > 0.1 > sap(codes, factors).predictability[0, 0]
    assert told.predictability[:, 1] == pytest.approx(sap(codes, factors).predictability[:, 1])
    assert "correlation" in told.estimator and "cuts" in told.estimator


@pytest.mark.parametrize("rule", RULES)
def test_twice_the_same_code_leaves_no_gap_and_one_code_no_next(rule):
    assert sap(np.column_stack([PERFECT, PERFECT]), GRID, rule=rule).score == pytest.approx(0.0, abs=1e-12)
    alone = sap(PERFECT[:, :1], GRID, rule=rule)
    assert alone.gaps == pytest.approx(alone.predictability[0])
    assert sap(PERFECT[:, :1], GRID).gaps == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("rule", ["correlation", "thresholds"])
def test_order_sign_and_scale_of_codes_do_not_matter(rule):
    codes, factors = tilted()
    moved = codes[:, [2, 0, 3, 1]] * [-3.0, 1e4, 0.5, 1e-4] + 7
    assert sap(moved, factors, rule=rule).score == pytest.approx(sap(codes, factors, rule=rule).score, abs=1e-9)


def test_rotated_codes_and_noise_score_low():
    assert sap(ROTATED, GRID).score < 0.1
    factors = factor_sample(2000, 4, 5)
    noise = np.random.default_rng(1).normal(size=(2000, 5))
    for rule in RULES:
        assert sap(noise, factors, rule=rule).score < 0.03


def test_constant_codes_predict_nothing_and_constant_factors_are_named():
    codes = np.column_stack([PERFECT, np.full(200, 0.1)])
    with pytest.warns(UserWarning, match="left out: factor 2"):
        result = sap(codes, np.column_stack([GRID, np.ones(200)]))
    assert result.score == pytest.approx(1.0)
    assert result.predictability[2].tolist() == [0, 0]
    assert sap(codes, GRID, rule="thresholds").predictability[2].tolist() == [0, 0]
    assert sap(np.ones((200, 3)), GRID).score == 0


@pytest.mark.parametrize("rule", RULES)
def test_the_interval_holds_the_score(rule):
    codes, factors = tilted()
    result = sap(codes, factors, rule=rule, bootstrap=12)
    assert result.interval.low < result.score < result.interval.high
    assert result.interval.high - result.interval.low < 0.2


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="`rule` must be one of correlation, thresholds, linear_svm"):
        sap(PERFECT, GRID, rule="svm")
    with pytest.raises(ValueError, match="`categories` must be one of factor 0, factor 1"):
        sap(PERFECT, GRID, categories=["shape"])
    with pytest.raises(ValueError, match="`penalty` must be a finite number > 0"):
        sap(PERFECT, GRID, rule="linear_svm", penalty=0.0)

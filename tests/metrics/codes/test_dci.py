from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
import scipy.stats
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
)
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from flowdis.metrics.codes.dci import completeness, dci, dci_of, disentanglement, factor_completeness
from flowdis.metrics.codes.inputs import read
from flowdis.metrics.codes.lasso import lasso
from flowdis.metrics.codes.loss_capacity import factor_explicitness, loss_capacity
from flowdis.metrics.codes.predictors import standardise, targets
from flowdis.metrics.codes.splits import Split, split
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample


def noisy(count=600, sizes=(4, 5), noise=0.4, codes=4, seed=0):
    """Factors, and codes of which the first tell one each, with noise, and the others nothing."""
    factors = factor_sample(count, *sizes, seed=seed)
    z = np.random.default_rng(seed + 1).normal(size=(count, codes))
    z[:, : len(sizes)] = factors + noise * z[:, : len(sizes)]
    return z, factors


@pytest.mark.parametrize(
    "importances, d, c",
    [
        ([[1, 0], [0, 1]], 1.0, 1.0),
        ([[1, 0], [0, 1], [0, 0]], 1.0, 1.0),  # a code that is not used costs nothing
        ([[0.5, 0], [0.5, 0], [0, 1]], 1.0, 0.684535),
        ([[0, 0], [0, 0]], 0.0, 0.0),
        ([[1, 1], [1, 1]], 0.0, 0.0),
        ([[0.3], [0.7]], 1.0, 1 + (0.3 * np.log(0.3) + 0.7 * np.log(0.7)) / np.log(2)),  # one factor
        ([[0.2, 0.8]], 1 + (0.2 * np.log(0.2) + 0.8 * np.log(0.8)) / np.log(2), 1.0),  # one code
        ([[0.0]], 0.0, 0.0),
        ([[2.0]], 1.0, 1.0),
    ],
)
def test_importances_have_known_scores(importances, d, c):
    matrix = np.array(importances, dtype=float)
    assert disentanglement(matrix) == pytest.approx(d, abs=1e-6)
    assert completeness(matrix) == pytest.approx(c, abs=1e-6)


def test_scores_are_weighted_entropies_as_scipy_has_them():
    matrix = np.random.default_rng(0).random((6, 4)) ** 3
    rows = 1 - scipy.stats.entropy(matrix.T, base=4)
    columns = 1 - scipy.stats.entropy(matrix, base=6)
    assert disentanglement(matrix) == pytest.approx((rows * matrix.sum(axis=1)).sum() / matrix.sum(), abs=1e-12)
    assert completeness(matrix) == pytest.approx((columns * matrix.sum(axis=0)).sum() / matrix.sum(), abs=1e-12)
    assert factor_completeness(matrix) == pytest.approx(columns, abs=1e-12)


@pytest.mark.parametrize("predictor", ["forest", "lasso"])
def test_perfect_codes_score_1_and_noise_beside_them_costs_nothing(predictor):
    for codes in (PERFECT, np.column_stack([np.random.default_rng(0).normal(size=(200, 3)), -3 * PERFECT])):
        result = dci(codes, GRID, predictor=predictor)
        assert result.score == result.disentanglement == pytest.approx(1.0, abs=1e-12)
        assert result.completeness == pytest.approx(1.0, abs=1e-12)
        assert result.informativeness == pytest.approx(1.0, abs=1e-2)  # the lasso shrinks
        assert result.explicitness == pytest.approx(1.0, abs=1e-3)
    assert result.importances[:3].max() < 1e-12 < result.importances[3, 0]


def test_independent_noise_scores_0():
    factors = factor_sample(2000, 4, 5, 3)
    result = dci(np.random.default_rng(9).normal(size=(2000, 6)), factors)
    assert result.disentanglement < 0.01
    assert result.completeness < 0.01
    assert result.informativeness == pytest.approx((1 / 4 + 1 / 5 + 1 / 3) / 3, abs=0.05)
    assert result.explicitness == 0.0


@pytest.mark.parametrize("predictor", ["forest", "lasso"])
def test_rotated_codes_score_low(predictor):
    result = dci(ROTATED, GRID, predictor=predictor)
    assert result.disentanglement < 0.2
    assert result.completeness < 0.2
    assert result.explicitness == pytest.approx(1.0, abs=1e-3)  # still linear


def test_order_sign_and_scale_of_codes_do_not_matter():
    codes, factors = noisy()
    plain = dci(codes, factors)
    moved = dci(codes[:, [2, 0, 3, 1]] * [-3.0, 1e3, 0.5, 1e-4] + 7, factors)
    assert moved.disentanglement == pytest.approx(plain.disentanglement, abs=0.02)  # a forest's ties break otherwise
    assert moved.code_disentanglement[[1, 3]] == pytest.approx(plain.code_disentanglement[:2], abs=0.02)
    linear = [
        dci(c, factors, predictor="lasso").score for c in (codes, codes[:, [2, 0, 3, 1]] * [-3.0, 1e3, 0.5, 1e-4])
    ]
    assert linear[0] == pytest.approx(linear[1], abs=1e-9)


def test_detail_comes_to_the_scores():
    codes, factors = noisy()
    result = dci(codes, factors, names=["hue", "size"])
    assert result.names == ("hue", "size")
    assert result.importances.shape == (4, 2)
    assert result.code_weights @ result.code_disentanglement == pytest.approx(result.disentanglement)
    assert result.factor_weights @ result.factor_completeness == pytest.approx(result.completeness)
    assert result.factor_informativeness.mean() == pytest.approx(result.informativeness)
    assert result.factor_informativeness_train.mean() == pytest.approx(result.informativeness_train)
    assert result.factor_explicitness.mean() == pytest.approx(result.explicitness)
    assert result.losses.shape == (len(result.capacities), 2)
    assert result.to_json()["importances"] == result.importances.tolist()
    assert "random forest" in result.estimator and "400 training rows" in result.estimator


def test_boosting_is_that_of_published_code():
    codes, factors = noisy(150, sizes=(2, 3))
    parts = split(150)
    matrix, right = np.zeros((4, 2)), np.zeros(2)
    for f in range(2):
        model = GradientBoostingClassifier(random_state=0).fit(codes[parts.train], factors[parts.train, f])
        matrix[:, f] = model.feature_importances_
        right[f] = model.score(codes[parts.test], factors[parts.test, f])
    rows = 1 - scipy.stats.entropy(matrix.T + 1e-11, base=2)
    result = dci(codes, factors, predictor="boosting")
    assert result.disentanglement == pytest.approx((rows * matrix.sum(axis=1)).sum() / matrix.sum(), abs=1e-6)
    assert result.factor_informativeness == pytest.approx(right, abs=1e-12)


def test_threads_leave_filters_of_warnings_alone():
    codes, factors = noisy(60)
    dci(codes, factors)  # libraries add filters when they are imported
    before = list(warnings.filters)
    for predictor in ("forest", "boosting"):
        dci(codes, factors % 2, predictor=predictor, jobs=4)
    assert warnings.filters == before


def test_the_lasso_is_that_of_scikit_learn():
    codes, factors = noisy()
    parts = split(len(codes))
    x = codes - codes[parts.train].mean(axis=0)
    x /= codes[parts.train].std(axis=0)
    y = factors - factors[parts.train].mean(axis=0)
    y = y / factors[parts.train].std(axis=0)
    model = Lasso(alpha=0.02, tol=1e-12, max_iter=100_000, fit_intercept=False).fit(x[parts.train], y[parts.train])
    result = dci(codes, factors, predictor="lasso")
    assert result.importances == pytest.approx(np.abs(model.coef_.T), abs=1e-8)
    left = np.square(model.predict(x[parts.test]) - y[parts.test]).mean(axis=0)
    assert result.factor_informativeness == pytest.approx(1 - left, abs=1e-8)


def test_lassos_of_alike_codes_settle_where_nothing_is_left_to_gain():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 4))
    z[:, 3] = z[:, 2]
    goals = z @ rng.normal(size=(4, 3)) + rng.normal(size=(500, 3))
    gram, cross = z.T @ z / 500, z.T @ goals / 500
    weights = lasso(gram, cross, 0.1)
    pull = cross - gram @ weights
    assert np.abs(pull).max() <= 0.1 + 1e-9
    assert pull[weights != 0] == pytest.approx(0.1 * np.sign(weights[weights != 0]), abs=1e-9)


def test_a_lasso_that_has_not_settled_says_so(monkeypatch):
    monkeypatch.setattr(sys.modules[lasso.__module__], "_SWEEPS", 1)
    with pytest.warns(UserWarning, match="not settled after 1 sweeps"):
        lasso(np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([[1.0], [0.5]]), 0.1)


def test_any_estimator_with_importances_will_do():
    codes, factors = noisy(300)
    parts, model = split(300), ExtraTreesClassifier(20, random_state=3)
    result = dci(codes, factors, predictor=model)
    own = ExtraTreesClassifier(20, random_state=3).fit(standardise(codes, parts)[parts.train], factors[parts.train, 1])
    assert result.importances[:, 1] == pytest.approx(own.feature_importances_, abs=1e-12)
    assert not hasattr(model, "estimators_"), "the caller's own is left as it was"
    assert dci(codes, factors, predictor=LogisticRegression()).disentanglement > 0.3
    assert dci(codes, factors, predictor=Ridge()).factor_informativeness.max() <= 1
    with pytest.raises(ValueError, match="feature_importances_ or coef_"):
        dci(codes, factors, predictor=KNeighborsClassifier())


def test_classes_without_an_order_are_not_predicted_by_number():
    # Classes 0, 2 against 1, 3: no line through the code tells their numbers.
    codes = np.column_stack([GRID[:, 0] % 2, PERFECT[:, 1]]).astype(float)
    options = {"names": ["shape", "x"], "predictor": "lasso"}
    plain, told = dci(codes, GRID, **options), dci(codes, GRID, **options, categories=["shape"])
    assert told.factor_informativeness[0] > plain.factor_informativeness[0] + 0.1
    assert told.factor_informativeness[1] == plain.factor_informativeness[1]
    columns = targets(read(codes, GRID, names=["shape", "x"]), split(200), ["shape"])
    assert [c.shape for c in columns] == [(200, 4), (200, 1)]
    train = split(200).train
    assert [float(c[train].var(axis=0).sum()) for c in columns] == pytest.approx([1.0, 1.0])
    mixed = dci(PERFECT, GRID, task="regression", names=["shape", "x"], categories=["shape"])
    assert mixed.factor_informativeness.tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_regression_gives_r_squared():
    codes, factors = noisy(600, noise=0.2)
    for predictor in ("forest", "boosting"):
        result = dci(codes, factors, predictor=predictor, task="regression")
        # Noise of 0.2 against class numbers whose variance is (K^2 - 1) / 12.
        assert result.informativeness > 1 - 0.2**2 / 1.25 - 0.06
        assert result.informativeness_train < 1 + 1e-12


@pytest.mark.parametrize("predictor", ["forest", "boosting", "lasso"])
def test_a_factor_that_is_constant_in_training_is_predicted_so(predictor):
    factors = np.column_stack([GRID[:, 0], np.zeros(200, dtype=int)])
    table_factors = factors.copy()
    table_factors[:20, 1] = 1
    table = read(PERFECT, table_factors)
    parts = Split(np.arange(50, 200), np.arange(50))
    result = dci_of(table, parts, predictor=predictor)
    assert result.factor_weights[1] == 0 == result.factor_completeness[1] == result.factor_explicitness[1]
    assert result.factor_informativeness[1] == pytest.approx(0.0 if predictor == "lasso" else 0.6)


def test_constant_codes_weigh_nothing_and_constant_factors_are_named():
    codes = np.column_stack([PERFECT, np.full(200, 0.1)])
    with pytest.warns(UserWarning, match="left out: shade"):
        result = dci(codes, np.column_stack([GRID, np.zeros(200)]), names=["hue", "size", "shade"])
    assert result.disentanglement == pytest.approx(1.0)
    assert (result.dropped_factors, result.dead_codes) == (("shade",), (2,))
    assert result.code_weights[2] == 0
    dead = dci(np.zeros((200, 2)), GRID)
    assert (dead.disentanglement, dead.completeness, dead.explicitness) == (0.0, 0.0, 0.0)
    assert dead.informativeness < 0.3


def test_one_factor_or_one_code_is_no_trouble():
    assert dci(PERFECT, GRID[:, 0]).disentanglement == pytest.approx(1.0)
    result = dci(PERFECT[:, :1], GRID)
    assert result.completeness == pytest.approx(1.0)
    assert 0 <= result.disentanglement <= 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"predictor": "forrest"}, r"`predictor` must be one of .*did you mean 'forest'"),
        ({"predictor": object()}, "`predictor` must be one of forest, boosting, lasso or a scikit-learn"),
        ({"task": "ranking"}, "`task` must be one of classification, regression"),
        ({"predictor": "lasso", "task": "classification"}, "`task` must be regression for this predictor"),
        ({"predictor": Ridge(), "task": "classification"}, "`task` must be regression"),
        ({"predictor": Ridge(), "categories": ["factor 0"]}, "`predictor` must be a classifier for categories"),
        ({"categories": ["shape"]}, "`categories` must be one of factor 0, factor 1"),
        ({"bootstrap": 1}, "`bootstrap` must be 0 or at least 2"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        dci(PERFECT, GRID, **options)


def test_the_interval_is_of_refitted_predictors_and_holds_the_score():
    codes, factors = noisy(noise=0.8)
    result = dci(codes, factors, predictor="lasso", bootstrap=100)
    assert result.interval.low < result.score < result.interval.high
    assert 0.005 < result.interval.high - result.interval.low < 0.3
    again = dci(codes, factors, predictor="lasso", bootstrap=100)
    assert again.interval == result.interval


def test_seeds_and_threads():
    codes, factors = noisy(300)
    first = dci(codes, factors)
    assert first.to_json() == dci(codes, factors, jobs=2).to_json()
    assert first.disentanglement != dci(codes, factors, seed=1).disentanglement


def test_noise_has_no_explicitness_whatever_the_split():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        codes = rng.normal(size=(1000, 4))
        factors = np.stack([rng.integers(0, size, 1000) for size in (3, 6)], axis=1)
        table, parts = read(codes, factors), split(1000, seed)
        curve = loss_capacity(standardise(codes, parts), targets(table, parts, ()), parts)
        assert (curve.losses > 0.99).all() and (factor_explicitness(curve) == 0).all()

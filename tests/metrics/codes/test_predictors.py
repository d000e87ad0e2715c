from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from flowdis.metrics.codes.inputs import read
from flowdis.metrics.codes.predictors import predict, standardise
from flowdis.metrics.codes.splits import split
from tests.metrics.codes.test_dci import noisy


@pytest.mark.parametrize("classify", [True, False])
def test_the_forest_is_that_of_scikit_learn(classify):
    codes, factors = noisy(200)
    table, parts = read(codes, factors), split(200)
    found = predict(table, parts, task="classification" if classify else "regression", seed=5, jobs=2)
    kind = RandomForestClassifier if classify else RandomForestRegressor
    leaf = max(1, round(0.005 * len(parts.train)))
    scaled = standardise(table.codes, parts)
    for f in range(2):
        model = kind(30, max_features=None, min_samples_leaf=leaf, random_state=5)
        model.fit(scaled[parts.train], table.factors[parts.train, f])
        assert found.importances[:, f] == pytest.approx(model.feature_importances_, abs=1e-12)
        told, truth = model.predict(scaled[parts.test]), table.factors[parts.test, f]
        variance = table.factors[parts.train, f].var()
        quality = (told == truth).mean() if classify else 1 - np.square(told - truth).mean() / variance
        assert found.test[f] == pytest.approx(quality, abs=1e-12)


def test_threads_change_nothing():
    codes, factors = noisy(200)
    table, parts = read(codes, factors), split(200)
    one, two = (predict(table, parts, jobs=jobs) for jobs in (1, 3))
    assert one.importances.tolist() == two.importances.tolist()
    assert (one.train.tolist(), one.test.tolist()) == (two.train.tolist(), two.test.tolist())


def test_a_forest_of_stumps_gives_no_importance():
    codes, factors = np.ones((100, 1)), np.arange(100)[:, None] % 2
    found = predict(read(codes, factors), split(100), task="regression")
    assert found.importances.tolist() == [[0.0]]

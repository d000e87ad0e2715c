from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from flowdis.metrics.codes.forest import Forest
from tests.metrics.codes.test_dci import noisy


@pytest.mark.parametrize("classify", [True, False])
def test_the_forest_is_that_of_scikit_learn(classify):
    codes, factors = noisy(200)
    kind = RandomForestClassifier if classify else RandomForestRegressor
    model = kind(8, max_features=None, min_samples_leaf=3, random_state=5).fit(codes, factors[:, 1])
    own = Forest(classify=classify, trees=8, leaf=3, seed=5, jobs=2).fit(codes, factors[:, 1])
    assert own.feature_importances_ == pytest.approx(model.feature_importances_, abs=1e-12)
    fresh = noisy(100, seed=7)[0]
    assert own.predict(fresh) == pytest.approx(model.predict(fresh), abs=1e-12)


def test_threads_change_nothing():
    codes, factors = noisy(200)
    one, two = (Forest(classify=True, trees=6, leaf=2, seed=0, jobs=j).fit(codes, factors[:, 0]) for j in (1, 3))
    assert one.feature_importances_.tolist() == two.feature_importances_.tolist()
    assert one.predict(codes).tolist() == two.predict(codes).tolist()


def test_a_forest_of_stumps_gives_no_importance():
    forest = Forest(classify=False, trees=3, leaf=60, seed=0).fit(np.arange(100.0)[:, None], np.arange(100.0))
    assert forest.feature_importances_.tolist() == [0.0]
    assert np.ptp(forest.predict(np.arange(5.0)[:, None])) == 0

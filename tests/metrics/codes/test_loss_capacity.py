from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from flowdis.metrics.codes.dci import dci
from flowdis.metrics.codes.inputs import read
from flowdis.metrics.codes.loss_capacity import LossCapacity, factor_explicitness, loss_capacity
from flowdis.metrics.codes.predictors import standardise, targets
from flowdis.metrics.codes.splits import split
from tests.metrics.codes.test_dci import noisy
from tests.metrics.codes.toys import grid_of


def test_the_loss_of_each_size_is_that_of_a_ridge():
    codes, factors = noisy(300, noise=0.6)
    table, parts = read(codes, factors), split(300)
    scaled, goals = standardise(codes, parts), targets(table, parts, ())
    curve = loss_capacity(scaled, goals, parts)
    model = Ridge(alpha=1e-3 * len(parts.train)).fit(scaled[parts.train], factors[parts.train])
    left = np.square(model.predict(scaled[parts.test]) - factors[parts.test]).mean(axis=0)
    by_the_mean = np.square(factors[parts.train].mean(axis=0) - factors[parts.test]).mean(axis=0)
    assert curve.losses[0] == pytest.approx(left / by_the_mean, abs=1e-9)
    assert curve.sizes.tolist() == [4, 8, 16, 32, 64, 128, 256]


def test_explicitness_falls_with_the_capacity_that_is_needed():
    factors = grid_of(8, 8, copies=30)
    z = (factors - 3.5) / 3.5
    linear = dci(z, factors, predictor="lasso").factor_explicitness
    cubed = dci(np.cbrt(z), factors, predictor="lasso").factor_explicitness
    waves = np.column_stack([np.cos(np.pi * z[:, 0]), z[:, 0] * z[:, 1], np.sin(3 * z[:, 1])])
    bent = dci(waves, factors, predictor="lasso").factor_explicitness
    assert linear.min() > 0.999 > cubed.min() > 0.9
    assert bent.min() < cubed.min() - 0.05


@pytest.mark.parametrize(
    "losses, value",
    [
        ([0.4, 0.4, 0.4], 1.0),
        ([1.0, 0.6, 0.2], 0.0),  # evenly from the baseline
        ([1.0, 1.0, 0.2], -0.5),
        ([0.2, 0.9, 1.0], 1.0),  # only the lowest loss so far counts
        ([3.0, 0.6, 0.2], 0.0),  # nobody need do worse than the baseline
        ([1.0, 0.999, 0.998], 0.0),  # nothing learnt
    ],
)
def test_explicitness_is_the_area_over_the_curve(losses, value):
    curve = LossCapacity(np.array([3, 6, 12]), np.array(losses)[:, None], rows=1000)
    assert factor_explicitness(curve) == pytest.approx([value], abs=1e-12)

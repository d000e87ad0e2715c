from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from flowdis.metrics.codes.beta_vae import beta_vae, beta_vae_of
from flowdis.metrics.codes.groups import group
from flowdis.metrics.codes.inputs import read
from tests.metrics.codes.toys import GRID, PERFECT, ROTATED, factor_sample

FEW = {"points": 400, "eval_points": 400}


def test_perfect_codes_among_noise_score_1():
    codes = np.column_stack([PERFECT, np.random.default_rng(0).normal(size=(200, 3))])
    result = beta_vae(codes, GRID, **FEW)
    assert result.score == result.eval_accuracy == result.train_accuracy == 1.0
    assert result.factor_accuracies.tolist() == [1.0, 1.0]
    assert result.weights[0, 0] < 0 < result.weights[0, 1], "the factor held is that whose code keeps still"
    assert beta_vae(codes[:, :1], GRID, **FEW).score == 1.0  # one code that keeps still or not tells two factors apart


def test_random_codes_score_near_chance():
    factors = factor_sample(2000, 4, 5, 3, 6, 2)
    result = beta_vae(np.random.default_rng(5).normal(size=(2000, 6)), factors, **FEW)
    assert result.chance == 0.2
    assert result.eval_accuracy < 0.4
    assert result.eval_accuracy == pytest.approx(0.2, abs=0.1)
    assert result.train_accuracy > result.eval_accuracy - 0.05


def test_rotated_codes_are_not_found_out():
    assert beta_vae(ROTATED, GRID, **FEW).score > 0.9


def test_points_are_mean_distances_of_pairs():
    factors = factor_sample(300, 3, 4, 2)
    codes = np.random.default_rng(1).normal(size=(300, 3)) * [1.0, 50.0, 0.01] + factors * [1.0, 40.0, 0.0]
    table = read(codes, factors)
    result = beta_vae_of(table, points=50, eval_points=30, pairs=6, seed=4)
    rng = np.random.default_rng(4)
    held = [rng.integers(0, 3, count) for count in (50, 30)]
    points = []
    for factor in held:
        one, other = group(table).pairs(factor, 6, rng)
        point = [
            sum(np.abs(codes[one[p, k]] - codes[other[p, k]]) / codes.std(axis=0) for k in range(6)) / 6
            for p in range(len(factor))
        ]
        points.append(np.array(point))
    model = LogisticRegression(max_iter=1000).fit(points[0], held[0])
    assert result.eval_accuracy == model.score(points[1], held[1])
    assert result.train_accuracy == model.score(points[0], held[0])
    assert result.weights == pytest.approx(model.coef_, abs=1e-6)


def test_order_sign_and_scale_of_codes_do_not_matter():
    factors = factor_sample(500, 3, 4)
    codes = factors @ np.random.default_rng(0).normal(size=(2, 4)) + np.random.default_rng(1).normal(size=(500, 4))
    moved = codes[:, [2, 0, 3, 1]] * [-3.0, 1e4, 0.5, 1e-4] + 7
    plain, other = beta_vae(codes, factors, **FEW), beta_vae(moved, factors, **FEW)
    assert other.score == pytest.approx(plain.score, abs=0.005)  # a point at the classifier's edge may cross it
    assert other.weights == pytest.approx(plain.weights[:, [2, 0, 3, 1]], abs=1e-2)


def test_constant_codes_take_no_part():
    codes = np.column_stack([np.full(200, 0.1), PERFECT])
    result = beta_vae(codes, GRID, **FEW)
    assert (result.score, result.dead_codes) == (1.0, (0,))
    assert result.weights[:, 0].tolist() == [0, 0]
    dead = beta_vae(np.ones((200, 3)), GRID, **FEW)
    assert (dead.score, dead.train_accuracy) == (0.0, 0.0)


def test_points_of_one_factor_only_tell_of_no_other():
    result = beta_vae(PERFECT, GRID, points=1, eval_points=400)
    assert result.train_accuracy == 1.0
    assert result.eval_accuracy == pytest.approx(0.5, abs=0.1)


def test_the_interval_holds_the_score():
    factors = factor_sample(300, 3, 4)
    codes = factors + np.random.default_rng(1).normal(size=(300, 2))
    result = beta_vae(codes, factors, bootstrap=12, pairs=4, **FEW)
    assert result.interval.low <= result.score <= result.interval.high
    assert result.interval.high - result.interval.low < 0.4


@pytest.mark.parametrize("argument", ["points", "eval_points", "pairs"])
def test_bad_options_are_named(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be a finite number > 0"):
        beta_vae(PERFECT, GRID, **{argument: 0})


def test_one_factor_cannot_be_told_from_others():
    with pytest.raises(ValueError, match="at least two that vary, to be told apart; got hue"):
        beta_vae(PERFECT, GRID[:, 0], names=["hue"])

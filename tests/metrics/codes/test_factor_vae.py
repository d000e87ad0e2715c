from __future__ import annotations

import numpy as np
import pytest

from flowdis.metrics.codes.factor_vae import factor_vae, factor_vae_of
from flowdis.metrics.codes.groups import group
from flowdis.metrics.codes.inputs import read
from tests.metrics.codes.toys import GRID, PERFECT, factor_sample

FEW = {"votes": 400, "eval_votes": 400}


def test_perfect_codes_among_noise_score_1_and_one_code_a_part():
    codes = np.column_stack([PERFECT, np.random.default_rng(0).normal(size=(200, 3))])
    result = factor_vae(codes, GRID)
    assert result.score == result.eval_accuracy == result.train_accuracy == 1.0
    assert result.code_factors.tolist() == [0, 1, -1, -1, -1]
    assert result.factor_accuracies.tolist() == [1.0, 1.0]
    alone = factor_vae(codes[:, :1], GRID)
    assert 0.4 < alone.score < 0.6  # one code can stand for one factor only
    assert alone.code_factors[0] in (0, 1)


def test_random_codes_score_near_chance():
    factors = factor_sample(2000, 4, 5, 3, 6, 2)
    result = factor_vae(np.random.default_rng(5).normal(size=(2000, 6)), factors, **FEW)
    assert result.chance == 0.2
    assert result.eval_accuracy < 0.4
    assert result.eval_accuracy == pytest.approx(0.2, abs=0.1)
    assert 0.2 < result.train_accuracy < 0.4


def test_votes_name_the_code_whose_variance_falls_most():
    factors = factor_sample(300, 3, 4)
    codes = np.random.default_rng(1).normal(size=(300, 3)) * [1.0, 50.0, 0.01] + factors[:, [0, 1, 0]] * [
        1.0,
        40.0,
        0.0,
    ]
    table = read(codes, factors)
    result = factor_vae_of(table, votes=60, eval_votes=40, rows=8, seed=4)
    rng = np.random.default_rng(4)
    for count, votes in ((60, result.votes), (40, result.eval_votes)):
        held = rng.integers(0, 2, count)
        batches = group(table).batches(held, 8, rng)
        wanted = np.zeros((2, 3), dtype=int)
        for factor, rows in zip(held, batches, strict=True):
            ratios = [np.var(codes[rows, d], ddof=1) / np.var(codes[:, d], ddof=1) for d in range(3)]
            wanted[factor, int(np.argmin(ratios))] += 1
        assert votes.tolist() == wanted.tolist()
    named = result.votes.argmax(axis=0)
    right = sum(result.eval_votes[named[d], d] for d in range(3))
    assert result.eval_accuracy == right / 40
    assert result.factor_accuracies @ result.eval_votes.sum(axis=1) == pytest.approx(right)


def test_votes_come_out_alike_in_blocks_of_any_size(monkeypatch):
    codes = np.column_stack([PERFECT, np.random.default_rng(0).normal(size=(200, 3))])
    monkeypatch.setattr("flowdis.metrics.codes.groups._BLOCK", 64 * 5 * 7)  # 7 votes a block, 1 in the last
    result = factor_vae(codes, GRID, votes=400, eval_votes=50)
    assert (result.votes.sum(), result.eval_votes.sum(), result.score) == (400, 50, 1.0)


def test_order_sign_and_scale_of_codes_do_not_matter():
    factors = factor_sample(500, 3, 4)
    codes = factors @ np.random.default_rng(0).normal(size=(2, 4)) + np.random.default_rng(1).normal(size=(500, 4))
    moved = codes[:, [2, 0, 3, 1]] * [-3.0, 1e4, 0.5, 1e-4] + 7
    plain, other = factor_vae(codes, factors, **FEW), factor_vae(moved, factors, **FEW)
    assert other.score == plain.score
    assert other.votes.tolist() == plain.votes[:, [2, 0, 3, 1]].tolist()


def test_constant_codes_take_no_part():
    codes = np.column_stack([np.full(200, 0.1), PERFECT])
    result = factor_vae(codes, GRID, **FEW)
    assert (result.score, result.dead_codes) == (1.0, (0,))
    assert result.votes[:, 0].tolist() == [0, 0]
    dead = factor_vae(np.ones((200, 3)), GRID, **FEW)
    assert (dead.score, dead.train_accuracy, dead.code_factors.tolist()) == (0.0, 0.0, [-1, -1, -1])


def test_the_interval_holds_the_score():
    factors = factor_sample(300, 3, 4)
    codes = factors + np.random.default_rng(1).normal(size=(300, 2))
    result = factor_vae(codes, factors, bootstrap=20, rows=8, **FEW)
    assert result.interval.low <= result.score <= result.interval.high
    assert result.interval.high - result.interval.low < 0.4


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rows": 1}, "`rows` must be >= 2"),
        ({"votes": 0}, "`votes` must be a finite number > 0"),
        ({"eval_votes": -1}, "`eval_votes` must be a finite number > 0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        factor_vae(PERFECT, GRID, **options)


def test_one_factor_cannot_be_told_from_others():
    with pytest.raises(ValueError, match="at least two that vary, to be told apart; got hue"):
        factor_vae(PERFECT, GRID[:, 0], names=["hue"])

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso

from flowdis.metrics.codes.udr import SIMILARITIES, udr


def models(count=400, seed=0):
    """Codes of three models that agree in part, with ties, and of different sizes."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 3))
    first = z + 0.2 * rng.normal(size=(count, 3))
    second = np.column_stack([z[:, [2, 0]] * [5.0, -0.1], rng.normal(size=(count, 2))])
    third = np.round(z @ rng.normal(size=(3, 3)), 1)
    return [first, second, third]


def agreement(similarity):
    """The published relative strength of one pair of models, as a loop."""
    halves = []
    for matrix in (similarity, similarity.T):
        strengths = [max(column) ** 2 / sum(column) if sum(column) > 0 else 0.0 for column in matrix.T]
        halves.append(np.mean(strengths))
    return np.mean(halves)


def similarity_of(kind, one, other):
    if kind == "spearman":
        return np.abs(spearmanr(one, other).statistic[: one.shape[1], one.shape[1] :])
    one, other = ((z - z.mean(axis=0)) / z.std(axis=0) for z in (one, other))
    model = Lasso(alpha=0.1, tol=1e-12, max_iter=100_000).fit(one, other)
    return np.abs(model.coef_.T)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_pairs_and_scores_are_the_published_ones(kind):
    codes = models()
    result = udr(codes, similarity=kind)
    wanted = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            if i != j:
                wanted[i, j] = agreement(similarity_of(kind, codes[i], codes[j]))
    assert result.pairs == pytest.approx(wanted, abs=1e-8)
    medians = [np.median([wanted[i, j] for i in range(3) if i != j]) for j in range(3)]
    assert result.model_scores == pytest.approx(medians, abs=1e-8)
    assert result.score == pytest.approx(np.mean(medians), abs=1e-8)
    assert result.names == ("model 0", "model 1", "model 2")
    assert result.to_json()["pairs"] == result.pairs.tolist()


def test_models_that_are_the_same_but_for_order_sign_and_scale_agree():
    z = np.random.default_rng(0).normal(size=(4000, 3))
    z = z - z.mean(axis=0)
    z = np.linalg.qr(z)[0]  # exactly uncorrelated
    alike = [z, -3 * z[:, ::-1], 100 * z[:, [1, 2, 0]]]
    assert udr(alike).model_scores == pytest.approx([0.9] * 3, abs=1e-9)  # the penalty takes a tenth
    assert udr(alike, penalty=1e-9).score == pytest.approx(1.0, abs=1e-6)
    assert udr(alike, similarity="spearman").score > 0.95
    rotated = z @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    assert udr([z, rotated]).score < 0.75


def test_order_sign_and_scale_change_no_score():
    codes = models()
    moved = [codes[0][:, ::-1] * [2.0, -1e3, 1e-4] + 5, codes[1], -codes[2]]
    for kind in SIMILARITIES:
        assert udr(moved, similarity=kind).pairs == pytest.approx(udr(codes, similarity=kind).pairs, abs=1e-8)


def test_only_informative_codes_count():
    rng = np.random.default_rng(0)
    shared = rng.random(1000)
    codes = [np.column_stack([shared, rng.random((1000, 9))]) for _ in range(2)]
    kl = [np.eye(10)[0], torch.eye(10)[0]]
    assert udr(codes).score < 0.2
    told = udr(codes, kl=kl)
    assert told.score == pytest.approx(0.9, abs=1e-9)
    assert told.informative[0].tolist() == [True] + [False] * 9
    none = udr(codes, kl=[np.zeros(10), np.ones(10)])
    assert none.model_scores.tolist() == [0.0, 0.0]
    assert udr([np.ones((50, 2)), np.ones((50, 2))]).score == 0.0


def test_constant_codes_are_left_out():
    z = np.random.default_rng(0).normal(size=(300, 2))
    padded = np.column_stack([z, np.full(300, 0.1)])
    assert udr([padded, z]).score == pytest.approx(udr([z, z]).score, abs=1e-12)


def test_tensors_will_do_and_the_interval_holds_the_score():
    codes = models()
    plain = udr(codes, bootstrap=20)
    assert plain.interval.low < plain.score < plain.interval.high
    assert udr([torch.from_numpy(z) for z in codes]).pairs.tolist() == plain.pairs.tolist()


@pytest.mark.parametrize(
    "codes, options, message",
    [
        ([np.zeros((5, 2))], {}, "at least two models, got 1"),
        ([np.zeros((5, 2)), np.zeros((6, 2))], {}, r"the same samples for every model, got \[5, 6\] rows"),
        ([np.zeros((5, 2)), np.full((5, 1), np.nan)], {}, r"`codes\[1\]` must be finite, got nan in row 0, column 0"),
        ([np.eye(5), np.eye(5)], {"similarity": "pearson"}, "`similarity` must be one of lasso, spearman"),
        ([np.eye(5), np.eye(5)], {"kl": [np.ones(5)]}, "`kl` must be given for all M=2 models, got 1"),
        ([np.eye(5), np.eye(5)], {"kl": [np.ones(5), np.ones(4)]}, r"`kl\[1\]` must have a number for each of 5 codes"),
        ([np.eye(5), np.eye(5)], {"names": ["a", "a"]}, "`names` must be M=2 different names"),
    ],
)
def test_bad_input_is_named(codes, options, message):
    with pytest.raises(ValueError, match=message):
        udr(codes, **options)

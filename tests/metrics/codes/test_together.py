from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from flowdis.metrics.codes.beta_vae import beta_vae
from flowdis.metrics.codes.dci import dci
from flowdis.metrics.codes.explicitness import explicitness
from flowdis.metrics.codes.factor_vae import factor_vae
from flowdis.metrics.codes.infomec import infomec
from flowdis.metrics.codes.irs import irs
from flowdis.metrics.codes.mig import mig
from flowdis.metrics.codes.modularity import modularity
from flowdis.metrics.codes.sap import sap
from flowdis.metrics.codes.together import METRICS, all_metrics
from tests.metrics.codes.toys import GRID, PERFECT, factor_sample

ALONE = {
    "mig": mig,
    "dci": dci,
    "sap": sap,
    "beta_vae": beta_vae,
    "factor_vae": factor_vae,
    "modularity": modularity,
    "explicitness": explicitness,
    "infomec": infomec,
    "irs": irs,
}


@pytest.fixture(scope="module")
def noisy():
    factors = factor_sample(1500, 3, 4)
    return factors + 0.5 * np.random.default_rng(1).normal(size=(1500, 2)), factors


def test_scores_together_are_those_alone(noisy):
    together = all_metrics(*noisy, seed=3, quiet=True)
    assert tuple(together.results) == METRICS == tuple(ALONE)
    assert not together.failures
    for name, metric in ALONE.items():
        assert metric(*noisy, seed=3).to_json() == together[name].to_json()
        assert together.scores[name] == together[name].score
    assert together.scores["dci completeness"] == together["dci"].completeness
    assert together.scores["infomec compactness"] == together["infomec"].compactness
    assert together.scores["mig supervised"] == together["mig"].supervised


def test_work_is_shared(noisy, monkeypatch):
    module = sys.modules["flowdis.metrics.codes.together"]
    calls = []

    def counted(name, function):
        def call(*values, **options):
            calls.append(name)
            return function(*values, **options)

        return call

    for name in ("read", "measure", "split", "group"):
        monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    all_metrics(*noisy, quiet=True, without=["dci", "infomec"])
    assert sorted(calls) == ["group", "measure", "read", "split"]


def test_perfect_codes_score_1_throughout():
    scores = all_metrics(PERFECT, GRID, quiet=True).scores
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0), abs=1e-3)


def test_metrics_are_chosen_by_name(noisy):
    assert set(all_metrics(*noisy, only=["sap", "irs"], quiet=True).results) == {"sap", "irs"}
    some = all_metrics(*noisy, without=[name for name in METRICS if name != "mig"], quiet=True)
    assert list(some.results) == ["mig"]
    with pytest.raises(KeyError, match="dci: not asked for"):
        some["dci"]
    with pytest.raises(ValueError, match=r"`only` must be one of .*did you mean 'factor_vae'"):
        all_metrics(*noisy, only=["factorvae"])
    with pytest.raises(ValueError, match="`without` must be one of"):
        all_metrics(*noisy, without=["udr"])
    with pytest.raises(ValueError, match="must leave a metric to run"):
        all_metrics(*noisy, only=["mig"], without=["mig"])
    with pytest.raises(ValueError, match="`categories` must be one of factor 0, factor 1"):
        all_metrics(*noisy, only=["mig"], categories=["shape"])


def test_what_cannot_be_computed_is_named():
    few = all_metrics(PERFECT[::20], GRID[::20], quiet=True)
    assert "at least as many samples as bins, got 10 samples, 20 bins" in few.failures["mig"]
    with pytest.raises(KeyError, match="got 10 samples"):
        few["mig"]
    assert not set(few.failures) & set(few.results)
    assert set(few.failures) | set(few.results) == set(METRICS)
    assert "sap" in few.results
    written = json.dumps(few.to_json(), allow_nan=False)
    assert set(json.loads(written)) == {"scores", "results", "failures"}


def test_options_reach_the_metrics():
    factors = np.column_stack([GRID, np.tile(np.arange(5), 40)])
    result = all_metrics(
        np.column_stack([PERFECT, factors[:, 2]]),
        factors,
        names=["shape", "x", "y"],
        categories=["shape"],
        bins=5,
        kind="equal_width",
        bootstrap=2,
        only=["mig", "sap"],
        quiet=True,
    )
    assert result["sap"].rules == ("thresholds", "correlation", "correlation")
    assert result["mig"].estimator == "5 equal-width bins, plug-in"
    assert result["mig"].interval.replicates == 2
    assert result["mig"].names == ("shape", "x", "y")


def test_progress_is_shown_unless_quiet(noisy, capfd):
    all_metrics(*noisy, only=["sap"], quiet=True)
    assert capfd.readouterr().err == ""
    all_metrics(*noisy, only=["sap"])
    assert "metrics" in capfd.readouterr().err


@pytest.mark.parametrize(
    "kind",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.repeat(a, 3, axis=1)[:, ::3],
        torch.from_numpy,
    ],
)
def test_every_memory_order_gives_the_same_scores_exactly(kind):
    factors = factor_sample(100, 2, 3)
    codes = factors + np.random.default_rng(0).normal(size=(100, 2))
    chosen = ["dci", "sap", "beta_vae", "factor_vae"]
    wanted = all_metrics(codes, factors, only=chosen, quiet=True)
    assert all_metrics(kind(codes), kind(factors), only=chosen, quiet=True).to_json() == wanted.to_json()


def test_binary_attributes_are_factors():
    rng = np.random.default_rng(0)
    attributes = rng.choice([-1, 1], size=(64, 40))
    codes = rng.normal(size=(64, 4))
    points = {"points": 400, "eval_points": 400}
    few = {dci: {"predictor": "lasso"}, sap: {}, factor_vae: {"votes": 400}, beta_vae: points}
    for metric, options in few.items():
        result = metric(codes, attributes, **options)
        assert 0 <= result.score < 0.5
        assert len(result.names) == 40
    assert dci(codes, attributes[:, :5]).importances.shape == (4, 5)


@pytest.mark.parametrize("metric", [dci, sap, beta_vae, factor_vae, all_metrics])
def test_bad_tables_are_named(metric):
    codes = PERFECT.copy()
    codes[7, 1] = np.nan
    with pytest.raises(ValueError, match="row 7, column 1"):
        metric(codes, GRID)
    with pytest.raises(ValueError, match="udr"):
        metric(PERFECT, None)
    with pytest.raises(ValueError, match="equally many rows"):
        metric(PERFECT, GRID[:-1])
    with pytest.raises(ValueError, match="factor_bins"):
        metric(PERFECT, np.random.default_rng(0).normal(size=(200, 1)))

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import metrics, metrics_published
from benchmarks.metrics_samples import drawn, grid
from flowdis.metrics.codes.together import METRICS
from tests.metrics.codes.toys import GRID, PERFECT


def test_a_grid_has_every_combination_once_and_codes_that_mix_factors():
    data = grid((4, 3, 2), 5)
    assert len({*map(tuple, data.factors.tolist())}) == 24
    assert np.ravel_multi_index(tuple(data.factors.T), data.sizes).tolist() == data.index.tolist()
    assert data.codes.shape == (24, 5)
    codes, factors = drawn(5000, 6, 2)
    told = np.abs(np.corrcoef(codes.T, factors.T)[:6, 6:])
    assert told[0, 0] > 0.6 and told[2:].max() < 0.06


def test_the_stand_in_knows_perfect_codes():
    rows = np.arange(200)
    assert metrics_published.mig(PERFECT, GRID)["discrete_score"] == pytest.approx(1.0)
    scores = metrics_published.dci(PERFECT, GRID, rows, rows)
    assert list(scores.values()) == pytest.approx([1.0] * 4)
    assert metrics_published.factor_vae(PERFECT, GRID, np.random.default_rng(0))["eval_accuracy"] == 1.0


def test_scores_are_compared_with_what_is_allowed(monkeypatch):
    theirs = {
        name: {"scores": {"score": 0.5}, "seconds": 2.0, "core_seconds": None} for name in ("sap correlation", "mig")
    }
    own = {"sap correlation": lambda: {"score": 0.5 + 2e-6}, "mig": lambda: {"score": 0.5}}
    monkeypatch.setattr(metrics, "ours", lambda *_: own)
    far, near = metrics.compare(grid((3, 2), 2), theirs, 1)
    assert far.difference == pytest.approx(2e-6) and far.difference > far.allowed == 1e-6
    assert near.difference == 0 and near.ratio == 2.0 / near.seconds
    assert metrics.allowed("factor_vae", {"eval_accuracy": 0.5}) == pytest.approx(4 * np.sqrt(2 * 0.25 / 5000))
    assert metrics.allowed("sap linear_svm", {"score": 0.5}) == 1e-3


def test_a_python_without_disent_is_named():
    with pytest.raises(RuntimeError, match="has no disent: pip install disent"):
        metrics.of_disent(sys.executable, grid((3, 2), 2))


def test_a_quick_run_prints_every_comparison_as_json(monkeypatch, capsys):
    # The slow stand-ins have tests of their own.
    monkeypatch.setattr(metrics_published, "factor_vae", lambda *_: {"train_accuracy": 1.0, "eval_accuracy": 1.0})
    monkeypatch.setattr(
        metrics, "growth", lambda points, jobs: [{"N": n, "D": d, "F": f, "mig": 0.1} for n, d, f in points]
    )
    monkeypatch.setattr(sys, "argv", ["metrics", "--quick", "--json", "--jobs", "1"])
    metrics.main()
    report = json.loads(capsys.readouterr().out)
    assert (report["N"], report["D"], report["F"], report["other"]) == (72, 6, 5, "loops over scikit-learn")
    rows = {row["name"]: row for row in report["rows"]}
    for name in ("mig", "dci boosting", "sap correlation", "sap linear_svm, to 1e-10"):
        assert rows[name]["difference"] <= rows[name]["allowed"] == 1e-6
        assert rows[name]["ratio"] == rows[name]["their_seconds"] / rows[name]["seconds"]
    assert [row["name"] for row in report["totals"]][-1] == f"all {len(METRICS)} metrics of flowdis"
    assert "dci boosting" in metrics.text(report)


@pytest.mark.filterwarnings("ignore:N=60 samples are few")
def test_growth_times_every_metric():
    (row,) = metrics.growth([(60, 3, 2)], 1)
    assert (row["N"], row["D"], row["F"]) == (60, 3, 2)
    assert set(row) == {"N", "D", "F", *METRICS, "all together"}
    assert min(row.values()) > 0

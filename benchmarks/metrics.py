"""Metrics of codes beside another library: `python -m benchmarks.metrics [--disent PYTHON] [--quick] [--json]`.

Three questions, on codes for N = 10,000, D = 10, F = 5:

- Are the scores the same as those of `disent` on the same rows, by the same estimator? `--disent` names the Python of
  an environment that it is installed in; without it, loops over scikit-learn written from the papers stand in.
- How much less time do they take: by the same estimators, by our own defaults for the same metrics, and all of our
  metrics together?
- How does the time of each metric grow with N, D and F?
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics_published import published
from benchmarks.metrics_samples import Sample, drawn, grid
from benchmarks.training import cpu_name
from flowdis.metrics.codes.dci import dci
from flowdis.metrics.codes.factor_vae import factor_vae
from flowdis.metrics.codes.mig import mig
from flowdis.metrics.codes.sap import sap
from flowdis.metrics.codes.together import METRICS, all_metrics

__all__ = ["Row", "main", "run"]

REASONS = {
    "sap linear_svm": "the other stops at liblinear's tolerance of 1e-4, where rows next to a boundary change sides",
    "factor_vae": "both draw votes at random: within four standard errors of each other",
}
"""Why scores may differ by more than 1e-6."""


@dataclass(frozen=True)
class Row:
    """One metric by the same estimator in both libraries.

    Arguments:
        name: The metric and its estimator.
        ours: Our scores.
        theirs: The other's.
        difference: The largest difference.
        allowed: How large it may be.
        reason: Why that is more than 1e-6, if it is.
        seconds: Our time.
        their_seconds: The other's.
        their_core_seconds: The part of it that numbers took, without the handling of data, where it is known.
        ratio: How many times longer the other took.
    """

    name: str
    ours: dict[str, float]
    theirs: dict[str, float]
    difference: float
    allowed: float
    reason: str
    seconds: float
    their_seconds: float
    their_core_seconds: float | None
    ratio: float


def ours(data: Sample, jobs: int) -> dict[str, Callable[[], dict[str, float]]]:
    """What is compared: each metric by the estimator that the other library has."""
    codes, factors, train = data.codes, data.factors, data.parts.train

    def boosted() -> dict[str, float]:
        result = dci(codes, factors, predictor="boosting", jobs=jobs)
        return {
            "informativeness_train": result.informativeness_train,
            "informativeness_test": result.informativeness,
            "disentanglement": result.disentanglement,
            "completeness": result.completeness,
        }

    def voted() -> dict[str, float]:
        result = factor_vae(codes, factors)
        return {"train_accuracy": result.train_accuracy, "eval_accuracy": result.eval_accuracy}

    def machine() -> dict[str, float]:
        return {"score": sap(codes, factors, rule="linear_svm").score}

    return {
        "mig": lambda: {"discrete_score": mig(codes, factors, kind="equal_width").score},
        "dci boosting": boosted,
        "sap correlation": lambda: {"score": sap(codes[train], factors[train]).score},
        "sap linear_svm": machine,
        "sap linear_svm, to 1e-10": machine,
        "factor_vae": voted,
    }


def of_disent(python: str, data: Sample) -> tuple[str, dict[str, Any]]:
    """The scores and times of disent, by the interpreter of its environment, and its version."""
    script = Path(__file__).with_name("metrics_disent.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        parts = data.parts
        np.savez(
            path, codes=data.codes, index=data.index, sizes=np.array(data.sizes), train=parts.train, test=parts.test
        )
        # From elsewhere, so that its Python finds no module of this checkout.
        done = subprocess.run([python, script, path], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{python} could not run {script.name}:\n{done.stderr}")
    report = json.loads(done.stdout.splitlines()[-1])
    return f"disent {report['version']}", report["metrics"]


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """What an action returns, and its seconds."""
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def allowed(name: str, scores: dict[str, float]) -> float:
    """How far scores may differ, for the reasons given."""
    if name == "factor_vae":
        accuracy = scores["eval_accuracy"]
        return 4 * math.sqrt(2 * max(accuracy * (1 - accuracy), 1e-3) / 5_000)
    return 1e-3 if name == "sap linear_svm" else 1e-6


def compare(data: Sample, theirs: dict[str, Any], jobs: int) -> list[Row]:
    """Every metric that both libraries have."""
    rows = []
    for name, action in ours(data, jobs).items():
        scores, seconds = timed(action)
        other = theirs[name]
        difference = max(abs(scores[key] - other["scores"][key]) for key in scores)
        rows.append(
            Row(
                name,
                scores,
                other["scores"],
                difference,
                allowed(name, scores),
                REASONS.get(name, ""),
                seconds,
                other["seconds"],
                other["core_seconds"],
                other["seconds"] / seconds,
            )
        )
    return rows


def totals(data: Sample, rows: list[Row], jobs: int) -> list[dict[str, Any]]:
    """The time of the metrics that both have, and of all of ours, against the other's defaults."""
    runs: list[Callable[[], object]] = [partial(metric, data.codes, data.factors) for metric in (mig, sap, factor_vae)]
    runs.append(partial(dci, data.codes, data.factors, jobs=jobs))
    own = sum(timed(action)[1] for action in runs)
    everything = timed(lambda: all_metrics(data.codes, data.factors, jobs=jobs, quiet=True))[1]
    same = {row.name: row for row in rows if row.name in ("mig", "dci boosting", "sap linear_svm", "factor_vae")}
    their_seconds = sum(row.their_seconds for row in same.values())
    return [
        {"name": name, "seconds": seconds, "their_seconds": their_seconds, "ratio": their_seconds / seconds}
        for name, seconds in {
            "same metrics, each library's defaults": own,
            "same metrics, same estimators": sum(row.seconds for row in same.values()),
            f"all {len(METRICS)} metrics of flowdis": everything,
        }.items()
    ]


def growth(points: list[tuple[int, int, int]], jobs: int) -> list[dict[str, Any]]:
    """The seconds of each metric, and of all together, for some (N, D, F)."""
    table = []
    for count, dim, number in points:
        run = partial(all_metrics, *drawn(count, dim, number), jobs=jobs, quiet=True)
        row: dict[str, Any] = {"N": count, "D": dim, "F": number}
        row |= {name: timed(partial(run, only=[name]))[1] for name in METRICS}
        table.append(row | {"all together": timed(run)[1]})
    return table


def run(*, disent: str | None = None, quick: bool = False, jobs: int = 2) -> dict[str, Any]:
    """Compares, times, and says on what.

    Arguments:
        disent: The Python of an environment with disent, or None for the loops.
        quick: Whether to take few samples.
        jobs: How many threads fit our predictors.
    """
    import sklearn

    small = grid((3, 3, 2, 2, 2), 6)
    data = small if quick else grid((10, 10, 5, 5, 4), 10)
    all_metrics(small.codes, small.factors, quiet=True)  # what is loaded once is loaded now
    if disent is None:
        other, theirs = (
            "loops over scikit-learn",
            published(data.codes, data.factors, data.parts.train, data.parts.test),
        )
    else:
        other, theirs = of_disent(disent, data)
    rows = compare(data, theirs, jobs)
    points = [(300, 6, 2), (600, 6, 2)]
    if not quick:
        points = [(10_000, 10, 5)]
        points += [(n, 10, 5) for n in (1_000, 3_000, 30_000)] + [(10_000, d, 5) for d in (5, 20, 40)]
        points += [(10_000, 10, f) for f in (2, 10)]
    return {
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "processor": cpu_name(),
        "jobs": jobs,
        "other": other,
        "N": len(data.codes),
        "D": data.codes.shape[1],
        "F": len(data.sizes),
        "rows": [asdict(row) for row in rows],
        "same": all(row.difference <= row.allowed for row in rows),
        "totals": totals(data, rows, jobs),
        "growth": growth(points, jobs),
    }


def text(report: dict[str, Any]) -> str:
    """The report as lines of text."""
    size = ", ".join(f"{name} = {report[name]:,}" for name in "NDF")
    lines = [f"flowdis beside {report['other']}; {size}; {report['jobs']} threads, {report['processor']}"]
    lines.append(f"{'':42}{'ours s':>9}{'other s':>9}{'(core)':>9}{'ratio':>8}{'difference':>12}{'allowed':>10}")
    for row in report["rows"]:
        core = "" if row["their_core_seconds"] is None else f"{row['their_core_seconds']:.2f}"
        lines.append(
            f"{row['name']:42}{row['seconds']:9.3f}{row['their_seconds']:9.2f}{core:>9}{row['ratio']:8.1f}"
            f"{row['difference']:12.1e}{row['allowed']:10.1e}"
        )
        if row["reason"]:
            lines.append(f"    ({row['reason']})")
    for row in report["totals"]:
        lines.append(f"{row['name']:42}{row['seconds']:9.2f}{row['their_seconds']:9.2f}{'':9}{row['ratio']:8.1f}")
    columns = [name for name in report["growth"][0] if name not in "NDF"]
    lines += ["", f"{'N':>7}{'D':>4}{'F':>4}" + "".join(f"{name:>14}" for name in columns)]
    for row in report["growth"]:
        lines.append(f"{row['N']:7}{row['D']:4}{row['F']:4}" + "".join(f"{row[name]:14.3f}" for name in columns))
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Metrics of codes beside another library.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="few samples")
    parser.add_argument("--disent", metavar="PYTHON", help="the Python of an environment that disent is installed in")
    parser.add_argument("--jobs", type=int, default=2, help="threads that fit our predictors")
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few samples, in the quick run and at the small end of growth
        report = run(disent=options.disent, quick=options.quick, jobs=options.jobs)
    print(json.dumps(report, indent=2) if options.json else text(report))


if __name__ == "__main__":
    main()

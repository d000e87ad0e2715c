"""Metrics of codes as their papers define them, in loops over scikit-learn: an independent truth for `metrics`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC

__all__ = ["published"]

Scores = dict[str, float]


def mig(codes: np.ndarray, factors: np.ndarray) -> Scores:
    """The mutual information gap, of 20 bins of equal width."""
    binned = [np.digitize(z, np.histogram(z, 20)[1][:-1]) for z in codes.T]
    gaps = []
    for v in factors.T:
        told = sorted(mutual_info_score(v, z) for z in binned)
        gaps.append((told[-1] - told[-2]) / mutual_info_score(v, v))
    return {"discrete_score": float(np.mean(gaps))}


def dci(codes: np.ndarray, factors: np.ndarray, train: np.ndarray, test: np.ndarray) -> Scores:
    """DCI by gradient boosted trees."""
    importances, right = [], []
    for v in factors.T:
        model = GradientBoostingClassifier(random_state=0).fit(codes[train], v[train])
        importances.append(model.feature_importances_)
        right.append([model.score(codes[rows], v[rows]) for rows in (train, test)])
    matrix = np.array(importances).T
    rows = 1 - entropy(matrix.T + 1e-11, base=matrix.shape[1])
    columns = 1 - entropy(matrix + 1e-11, base=matrix.shape[0])
    return {
        "informativeness_train": float(np.mean(right, axis=0)[0]),
        "informativeness_test": float(np.mean(right, axis=0)[1]),
        "disentanglement": float(rows @ matrix.sum(axis=1) / matrix.sum()),
        "completeness": float(columns @ matrix.sum(axis=0) / matrix.sum()),
    }


def sap(codes: np.ndarray, factors: np.ndarray, predict: Callable[[np.ndarray, np.ndarray], float]) -> Scores:
    """The separated attribute predictability by a rule for one code and one factor."""
    gaps = []
    for v in factors.T:
        told = sorted(predict(z, v) for z in codes.T)
        gaps.append(told[-1] - told[-2])
    return {"score": float(np.mean(gaps))}


def factor_vae(codes: np.ndarray, factors: np.ndarray, rng: np.random.Generator) -> Scores:
    """The FactorVAE metric: 10,000 votes of 64 rows, and 5,000 new ones."""
    whole = codes.var(axis=0, ddof=1)
    votes = np.zeros((2, factors.shape[1], codes.shape[1]), dtype=int)
    for part, count in enumerate((10_000, 5_000)):
        for _ in range(count):
            f = rng.integers(factors.shape[1])
            alike = np.flatnonzero(factors[:, f] == factors[rng.integers(len(factors)), f])
            z = codes[rng.choice(alike, 64)]
            votes[part, f, np.argmin(z.var(axis=0, ddof=1) / whole)] += 1
    told = votes[0].argmax(axis=0)
    right = [sum(part[f, d] for d, f in enumerate(told)) / part.sum() for part in votes]
    return {"train_accuracy": float(right[0]), "eval_accuracy": float(right[1])}


def published(codes: np.ndarray, factors: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """The scores of each metric, and the seconds that it took.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The factors' classes, with shape (N, F).
        train: The rows to train on.
        test: The rows to test on.
    """

    def correlation(z: np.ndarray, v: np.ndarray) -> float:
        return float(np.corrcoef(z, v)[0, 1] ** 2)

    def svm(tolerance: float) -> Callable[[np.ndarray, np.ndarray], float]:
        def predict(z: np.ndarray, v: np.ndarray) -> float:
            model = LinearSVC(C=0.01, class_weight="balanced", tol=tolerance, max_iter=100_000)
            return float(model.fit(z[train, None], v[train]).score(z[test, None], v[test]))

        return predict

    runs: dict[str, Callable[[], Scores]] = {
        "mig": lambda: mig(codes, factors),
        "dci boosting": lambda: dci(codes, factors, train, test),
        "sap correlation": lambda: sap(codes[train], factors[train], correlation),
        "sap linear_svm": lambda: sap(codes, factors, svm(1e-4)),
        "sap linear_svm, to 1e-10": lambda: sap(codes, factors, svm(1e-10)),
        "factor_vae": lambda: factor_vae(codes, factors, np.random.default_rng(0)),
    }
    report = {}
    for name, run in runs.items():
        start = time.perf_counter()
        scores = run()
        report[name] = {"scores": scores, "seconds": time.perf_counter() - start, "core_seconds": None}
    return report

"""Predictors of factors from codes, and how much each code matters to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from flowdis._checks import check_choice, check_positive
from flowdis.metrics.codes.inputs import Table
from flowdis.metrics.codes.lasso import lasso
from flowdis.metrics.codes.splits import Split
from flowdis.metrics.codes.threads import side_by_side

__all__ = ["PREDICTORS", "TASKS", "Predictions", "predict", "standardise", "targets"]

PREDICTORS = ("forest", "boosting", "lasso")
"""The predictors that go by a name."""

TASKS = ("classification", "regression")
"""Whether classes are told apart, or their numbers predicted."""

_TREES = 30
_LEAF = 0.005
_PENALTY = 0.02

_ROWS = 10_000
"""How many rows trees are grown from at most, as in the published protocol."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """How well factors are predicted from codes, and by which.

    Arguments:
        importances: How much each code matters to the prediction of each factor, with shape (D, F).
        train: How well each factor is predicted on the rows trained on, with shape (F): accuracy for
            classification, R^2 for regression.
        test: The same on the other rows, with shape (F).
        estimator: What the predictor is, in words.
    """

    importances: Float64[np.ndarray, "D F"]
    train: Float64[np.ndarray, " F"]
    test: Float64[np.ndarray, " F"]
    estimator: str


def predict(
    table: Table,
    parts: Split,
    *,
    predictor: Any = "forest",
    task: str | None = None,
    categories: Collection[str] = (),
    seed: int = 0,
    jobs: int = 1,
) -> Predictions:
    """Fits a predictor of each factor to the training rows, and tries it on the others.

    Codes are standardised first. A factor that is constant in the training rows is predicted to stay so, and no code
    matters to it.

    Arguments:
        table: The codes and factors.
        parts: The rows to train on and to test on.
        predictor: A name, or a scikit-learn estimator (see `dci`).
        task: "classification" or "regression"; None for the predictor's own.
        categories: The names of factors without an order: their classes are told apart under either task.
        seed: The seed of the predictors, and of the rows that they are grown from where there are too many.
        jobs: How many threads fit a forest, or boosted trees.

    Returns:
        The predictions.

    Raises:
        ValueError: if there is no such predictor, task or factor, or the predictor cannot do the task.
    """
    task = _check(table, predictor, task, categories)
    check_positive("jobs", jobs)
    codes = standardise(table.codes, parts)
    if isinstance(predictor, str) and predictor == "lasso":
        return _lasso(codes, targets(table, parts, categories), parts)
    train = parts.train
    if len(train) > _ROWS:
        train = np.sort(np.random.default_rng(seed).choice(train, _ROWS, replace=False))
    inner = Split(train, parts.test)

    def fit(f: int) -> tuple[Float64[np.ndarray, " D"], float, float]:
        classify = task == "classification" or table.names[f] in categories
        model = _model(predictor, classify, len(train), seed, jobs)
        return _fit(model, classify, codes, table.factors[:, f], inner)

    boosting = isinstance(predictor, str) and predictor == "boosting"
    # A forest has threads of its own; boosting has none, and its factors go side by side.
    fits = side_by_side(fit, range(len(table.names)), jobs if boosting else 1)
    importances = np.stack([found[0] for found in fits], axis=1)
    scores = np.array([found[1:] for found in fits])
    return Predictions(importances, scores[:, 0], scores[:, 1], _words(predictor, task, len(train)))


def standardise(codes: Float64[np.ndarray, "N D"], parts: Split) -> Float64[np.ndarray, "N D"]:
    """The codes less their mean and over their standard deviation on the training rows; 0 where that is 0.

    Trees and lassos are the same for standardised codes up to rounding, and trees work in single precision.
    """
    train = codes[parts.train]
    spread = np.where(train.min(axis=0) < train.max(axis=0), train.std(axis=0), 0.0)
    return np.divide(codes - train.mean(axis=0), spread, out=np.zeros_like(codes), where=spread > 0)


def targets(table: Table, parts: Split, categories: Collection[str]) -> list[Float64[np.ndarray, "N _"]]:
    """What a regression predicts of each factor: the class number, or for a category the indicators of its classes.

    Columns are centred, and scaled so that the variances of a factor's columns sum to 1, on the training rows.

    Arguments:
        table: The table.
        parts: The rows to train on and to test on.
        categories: The names of factors without an order.

    Returns:
        For each factor its columns; 0 if it is constant in the training rows.
    """
    columns = []
    for f, (name, size) in enumerate(zip(table.names, table.sizes, strict=True)):
        labels = table.factors[:, f]
        goals = np.eye(size)[labels] if name in categories else labels[:, None].astype(np.float64)
        total = np.sqrt(goals[parts.train].var(axis=0).sum())
        centred = goals - goals[parts.train].mean(axis=0)
        columns.append(centred / total if total > 0 else np.zeros_like(centred))
    return columns


def _check(table: Table, predictor: Any, task: str | None, categories: Collection[str]) -> str:
    """The task, once everything fits together."""
    for name in categories:
        check_choice("categories", name, (*table.names, *table.dropped_factors))
    if task is not None:
        check_choice("task", task, TASKS)
    if isinstance(predictor, str):
        check_choice("predictor", predictor, PREDICTORS)
        own = "regression" if predictor == "lasso" else "classification"
        able = ("regression",) if predictor == "lasso" else TASKS
    else:
        from sklearn.base import BaseEstimator, is_classifier, is_regressor

        known = isinstance(predictor, BaseEstimator) and (is_classifier(predictor) or is_regressor(predictor))
        if not known:
            raise ValueError(
                f"`predictor` must be one of {', '.join(PREDICTORS)} or a scikit-learn classifier or regressor, "
                f"got {predictor!r}"
            )
        own = "classification" if is_classifier(predictor) else "regression"
        able = (own,)
        if own == "regression" and categories:
            raise ValueError(f"`predictor` must be a classifier for categories, got {predictor!r}")
    if task is not None and task not in able:
        raise ValueError(f"`task` must be {able[0]} for this predictor, got {task!r}")
    return own if task is None else task


def _model(predictor: Any, classify: bool, rows: int, seed: int, jobs: int) -> Any:
    """A predictor that is not fitted yet."""
    from sklearn import base, ensemble

    if not isinstance(predictor, str):
        return base.clone(predictor)
    if predictor == "boosting":
        boosting = ensemble.GradientBoostingClassifier if classify else ensemble.GradientBoostingRegressor
        return boosting(random_state=seed)
    forest = ensemble.RandomForestClassifier if classify else ensemble.RandomForestRegressor
    # Every code is on offer at each split: a forest's usual choice of some would spread importance over useless ones.
    return forest(_TREES, max_features=None, min_samples_leaf=_leaf(rows), random_state=seed, n_jobs=jobs)


def _fit(
    model: Any, classify: bool, codes: Float64[np.ndarray, "N D"], labels: Int64[np.ndarray, " N"], parts: Split
) -> tuple[Float64[np.ndarray, " D"], float, float]:
    """The importances, and the quality of the predictions on the training rows and on the others."""
    goals = labels if classify else labels.astype(np.float64)
    seen = goals[parts.train]
    if seen.min() == seen.max():
        told = float((goals[parts.test] == seen[0]).mean())
        return np.zeros(codes.shape[1]), *((1.0, told) if classify else (0.0, 0.0))
    model.fit(codes[parts.train], seen)
    qualities = [
        _quality(model.predict(codes[rows]), goals[rows], None if classify else float(seen.var()))
        for rows in (parts.train, parts.test)
    ]
    return _importances(model), qualities[0], qualities[1]


def _importances(model: Any) -> Float64[np.ndarray, " D"]:
    """How much each code matters: what trees say, or the absolute weights of a linear model, summed over classes."""
    if hasattr(model, "feature_importances_"):
        return np.abs(model.feature_importances_).astype(np.float64)
    if not hasattr(model, "coef_"):
        raise ValueError(f"`predictor` must have feature_importances_ or coef_ once it is fitted, got {model!r}")
    return np.abs(np.atleast_2d(model.coef_)).sum(axis=0).astype(np.float64)


def _quality(told: np.ndarray, goals: np.ndarray, variance: float | None) -> float:
    """The accuracy, or with a variance R^2 relative to it."""
    if variance is None:
        return float((told == goals).mean())
    return float(1 - np.square(told - goals).mean() / variance)


def _leaf(rows: int) -> int:
    return max(1, round(_LEAF * rows))


def _words(predictor: Any, task: str, rows: int) -> str:
    named = {
        "forest": f"random forest of {_TREES} trees, leaves of {_leaf(rows)} or more",
        "boosting": "gradient boosting",
    }
    kind = named[predictor] if isinstance(predictor, str) else repr(predictor)
    return f"{kind}, {task}, {rows} training rows"


def _lasso(
    codes: Float64[np.ndarray, "N D"], columns: Sequence[Float64[np.ndarray, "N _"]], parts: Split
) -> Predictions:
    """Lassos of all columns at once; a factor's importances are the sums over its columns."""
    owner: Int64[np.ndarray, " T"] = np.repeat(np.arange(len(columns)), [goals.shape[1] for goals in columns])
    goals = np.concatenate(columns, axis=1)
    train = codes[parts.train]
    gram, cross = train.T @ train / len(train), train.T @ goals[parts.train] / len(train)
    weights = lasso(gram, cross, _PENALTY)
    sums = owner[:, None] == np.arange(len(columns))
    train_fit, test_fit = (
        1 - np.square(codes[p] @ weights - goals[p]).mean(axis=0) @ sums for p in (parts.train, parts.test)
    )
    constant = (np.square(goals[parts.train]).sum(axis=0) @ sums) == 0
    words = f"lasso, penalty {_PENALTY:g}, {len(train)} training rows"
    return Predictions(
        np.abs(weights) @ sums, np.where(constant, 0.0, train_fit), np.where(constant, 0.0, test_fit), words
    )

"""DCI: does each code serve one factor, is each factor served by one code, and how well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from flowdis.metrics.codes.bootstrap import resample
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.loss_capacity import factor_explicitness, loss_capacity
from flowdis.metrics.codes.predictors import predict, standardise, targets
from flowdis.metrics.codes.results import Result
from flowdis.metrics.codes.splits import Split, split

__all__ = ["Dci", "code_disentanglement", "completeness", "dci", "dci_of", "disentanglement", "factor_completeness"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Dci(Result):
    """Disentanglement, completeness, informativeness and explicitness; the score is the first of them.

    Arguments:
        disentanglement: The mean of the codes' disentanglement, weighted by how much each matters.
        completeness: The mean of the factors' completeness, weighted by how much is said of each.
        informativeness: The mean of how well factors are predicted on held-out rows.
        informativeness_train: The same on the rows trained on.
        explicitness: The mean of the factors' explicitness.
        code_disentanglement: How far each code serves one factor, 0 for a code that matters to none, with shape (D).
        code_weights: The part of all importance that each code has, with shape (D).
        factor_completeness: How far each factor is served by one code, with shape (F).
        factor_weights: The part of all importance that each factor has, with shape (F).
        factor_informativeness: How well each factor is predicted on held-out rows, with shape (F): accuracy for
            classification, R^2 for regression.
        factor_informativeness_train: The same on the rows trained on, with shape (F).
        factor_explicitness: How little capacity each factor takes to predict, with shape (F).
        importances: How much each code matters to the prediction of each factor, with shape (D, F).
        capacities: How many features the predictors of rising capacity have, with shape (S).
        losses: Their held-out losses, 1 for predicting the mean, with shape (S, F).
    """

    disentanglement: float
    completeness: float
    informativeness: float
    informativeness_train: float
    explicitness: float
    code_disentanglement: Float64[np.ndarray, " D"]
    code_weights: Float64[np.ndarray, " D"]
    factor_completeness: Float64[np.ndarray, " F"]
    factor_weights: Float64[np.ndarray, " F"]
    factor_informativeness: Float64[np.ndarray, " F"]
    factor_informativeness_train: Float64[np.ndarray, " F"]
    factor_explicitness: Float64[np.ndarray, " F"]
    importances: Float64[np.ndarray, "D F"]
    capacities: Int64[np.ndarray, " S"]
    losses: Float64[np.ndarray, "S F"]


def dci(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    predictor: Any = "forest",
    task: str | None = None,
    categories: Sequence[str] = (),
    jobs: int = 1,
) -> Dci:
    r"""Disentanglement, completeness, informativeness and explicitness of codes against factors.

    Each factor is predicted from all codes, on two thirds of the rows; R_df is how much code d matters to factor f.

    .. math:: D_d = 1 - H_F(R_{d \cdot} / \textstyle\sum_f R_{df}), \qquad
        C_f = 1 - H_D(R_{\cdot f} / \textstyle\sum_d R_{df}),

    with entropies to the base of the number of factors and of codes. D and C are their means, weighted by the row
    and column sums of R. Informativeness is how well factors are predicted on the other third. Explicitness is how
    little capacity that takes; it is measured by predictors of its own, of class numbers whatever the task (see
    `flowdis.metrics.codes.loss_capacity`).

    A code that matters to no factor has disentanglement 0 and weight 0; if none matters to any, D = C = 0. With one
    factor, D is 1 if any code matters; with one code, C is.

    Predictors:

    - "forest" (the default): random forests of 30 trees, every code on offer at each split, leaves of at least 0.5 %
      of the training rows. Leaves of single rows, scikit-learn's default, give importance to codes that only tell
      noise apart: on noisy codes D and C can fall by half while the predictions get no better.
    - "boosting": gradient boosted trees with scikit-learn's defaults, as in disentanglement_lib. Slow: a hundred
      trees for each class.
    - "lasso": linear, with penalty 0.02 on standardised codes and class numbers, as in the original paper.
    - Any scikit-learn classifier or regressor with `feature_importances_` or `coef_`, of which copies are fitted.

    Trees are grown from 10,000 rows at most. Scores by different predictors do not compare.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the split, the predictors and the bootstrap.
        bootstrap: How many resamples of the training rows an interval of the disentanglement is made from, each with
            its own predictors; 0 for none.
        predictor: How factors are predicted.
        task: "classification" or "regression" on class numbers, for trees.
        categories: The names of factors without an order. They are never predicted by their class numbers.
        jobs: How many threads fit a forest, or boosted trees.

    Returns:
        The scores.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), or predictor, task and categories do not.

    References:
        Eastwood and Williams, A Framework for the Quantitative Evaluation of Disentangled Representations, 2018,
        https://openreview.net/forum?id=By-7dz-AZ; explicitness: Eastwood et al., 2023, arXiv:2210.00364.

    Example:
        >>> factors = np.stack(np.meshgrid(range(4), range(5), range(10)), axis=-1).reshape(-1, 3)
        >>> result = dci(factors.astype(float), factors, predictor="lasso")
        >>> result.disentanglement, result.completeness, round(result.explicitness, 3)
        (1.0, 1.0, 1.0)
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return dci_of(
        table, seed=seed, bootstrap=bootstrap, predictor=predictor, task=task, categories=categories, jobs=jobs
    )


def dci_of(
    table: Table,
    parts: Split | None = None,
    *,
    seed: int = 0,
    bootstrap: int = 0,
    predictor: Any = "forest",
    task: str | None = None,
    categories: Sequence[str] = (),
    jobs: int = 1,
) -> Dci:
    """DCI of a table that is read, and maybe split, already (see `dci`)."""
    parts = split(len(table), seed) if parts is None else parts

    def predictions(rows: Int64[np.ndarray, " M"]) -> Any:
        chosen = Split(rows, parts.test)
        return predict(table, chosen, predictor=predictor, task=task, categories=categories, seed=seed, jobs=jobs)

    found = predictions(parts.train)
    score = disentanglement(found.importances)
    curve = loss_capacity(standardise(table.codes, parts), targets(table, parts, categories), parts, seed)
    explicit = factor_explicitness(curve)
    interval = resample(
        lambda rows: disentanglement(predictions(parts.train[rows]).importances),
        len(parts.train),
        score,
        bootstrap,
        seed,
    )
    return Dci(
        score=score,
        estimator=found.estimator,
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=interval,
        disentanglement=score,
        completeness=completeness(found.importances),
        informativeness=float(found.test.mean()),
        informativeness_train=float(found.train.mean()),
        explicitness=float(explicit.mean()),
        code_disentanglement=code_disentanglement(found.importances),
        code_weights=_weights(found.importances),
        factor_completeness=factor_completeness(found.importances),
        factor_weights=_weights(found.importances.T),
        factor_informativeness=found.test,
        factor_informativeness_train=found.train,
        factor_explicitness=explicit,
        importances=found.importances,
        capacities=curve.sizes,
        losses=curve.losses,
    )


def code_disentanglement(importances: Float64[np.ndarray, "D F"]) -> Float64[np.ndarray, " D"]:
    """How far each code serves one factor, with shape (D): 1 less the entropy of its row, to the base F."""
    return _concentrations(importances)


def disentanglement(importances: Float64[np.ndarray, "D F"]) -> float:
    """The mean of the codes' disentanglement, weighted by the part of all importance that each has.

    Example:
        >>> disentanglement(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        1.0
    """
    return float(_weights(importances) @ code_disentanglement(importances))


def factor_completeness(importances: Float64[np.ndarray, "D F"]) -> Float64[np.ndarray, " F"]:
    """How far each factor is served by one code, with shape (F): 1 less the entropy of its column, to the base D."""
    return _concentrations(importances.T)


def completeness(importances: Float64[np.ndarray, "D F"]) -> float:
    """The mean of the factors' completeness, weighted by the part of all importance that each has.

    Example:
        >>> completeness(np.array([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]]))
        0.684535
    """
    return float(_weights(importances.T) @ factor_completeness(importances))


def _concentrations(rows: Float64[np.ndarray, "rows columns"]) -> Float64[np.ndarray, " rows"]:
    total = rows.sum(axis=1, keepdims=True)
    shares = np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logarithms).sum(axis=1) / np.log(max(rows.shape[1], 2))
    return np.where(total[:, 0] > 0, 1 - entropy, 0.0)


def _weights(rows: Float64[np.ndarray, "rows columns"]) -> Float64[np.ndarray, " rows"]:
    total = rows.sum()
    return rows.sum(axis=1) / total if total > 0 else np.zeros(len(rows))

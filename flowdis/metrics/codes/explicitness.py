"""Explicitness: can a linear classifier read each value of each factor off the codes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis._checks import check_choice, check_positive
from flowdis.metrics.codes.bootstrap import resample
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.results import Result
from flowdis.metrics.codes.splits import Split, split

__all__ = ["CLASSIFIERS", "Explicitness", "explicitness", "explicitness_of"]

CLASSIFIERS = {"multinomial": "multinomial", "one_vs_rest": "one-versus-rest"}
"""The kinds of logistic regression, and what they are called."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Explicitness(Result):
    """The explicitness of codes: the mean area under ROC curves on test rows; 0.5 is chance.

    Arguments:
        train: The same on the rows trained on.
        factor_scores: The mean over the classes of each factor, with shape (F).
        class_scores: For each factor, the area for each class; None for a class that is not both among the rows
            trained on and those tested on.
    """

    train: float
    factor_scores: Float64[np.ndarray, " F"]
    class_scores: tuple[tuple[float | None, ...], ...]

    @property
    def above_chance(self) -> float:
        """The score with chance at 0, as some libraries give it: 2 score - 1."""
        return 2 * self.score - 1


def explicitness(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    classifier: str = "multinomial",
    penalty: float = 1.0,
) -> Explicitness:
    r"""The explicitness of codes about factors.

    For each factor a logistic regression on the standardised codes is trained on two thirds of the rows; for each
    class c its probability is a score that should be higher where the factor is c:

    .. math:: e_f = \frac{1}{C_f} \sum_c \Pr\left[ p_c(z) > p_c(z') \mid v_f = c, v'_f \ne c \right],

    ties counting half, on the other third. One-versus-rest regressions, as in the paper, have one threshold a class,
    so that no middle value can be read off a single code; a multinomial one can.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the split and of the bootstrap.
        bootstrap: How many resamples of the test rows an interval of the score is made from; 0 for none. The
            regressions stay as they are.
        classifier: "multinomial" or "one_vs_rest".
        penalty: The weight of half the squared coefficients against the sum of log-losses.

    Returns:
        The explicitness.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), there is no such classifier, or a factor has no two classes
            among the rows trained on and tested on.

    References:
        Ridgeway and Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss, 2018, arXiv:1802.05312.
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return explicitness_of(
        table, split(len(table), seed), seed=seed, bootstrap=bootstrap, classifier=classifier, penalty=penalty
    )


def explicitness_of(
    table: Table,
    rows: Split,
    *,
    seed: int = 0,
    bootstrap: int = 0,
    classifier: str = "multinomial",
    penalty: float = 1.0,
) -> Explicitness:
    """The explicitness of a table whose rows are split already (see `explicitness`)."""
    check_choice("classifier", classifier, CLASSIFIERS)
    check_positive("penalty", penalty)
    readings = _readings(table, rows, classifier, penalty)
    areas = [reading.areas(rows.test) for reading in readings]
    factor_scores = np.array([_mean(area) for area in areas])
    score = float(factor_scores.mean())

    def resampled(drawn: Int64[np.ndarray, " M"]) -> float:
        return float(np.mean([_mean(reading.areas(rows.test[drawn])) for reading in readings]))

    return Explicitness(
        score=score,
        estimator=f"{CLASSIFIERS[classifier]} logistic regression, penalty {penalty:g}, "
        f"{len(rows.train)} rows to train on, {len(rows.test)} to test on",
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=resample(resampled, len(rows.test), score, bootstrap, seed),
        train=float(np.mean([_mean(reading.areas(rows.train)) for reading in readings])),
        factor_scores=factor_scores,
        class_scores=tuple(
            tuple(area.get(c) for c in range(size)) for area, size in zip(areas, table.sizes, strict=True)
        ),
    )


@dataclass(frozen=True, eq=False)
class _Reading:
    """What a classifier makes of all rows: scores (N, C) for the classes (C) trained on, beside the labels (N)."""

    scores: Float64[np.ndarray, "N C"]
    labels: Int64[np.ndarray, " N"]
    classes: Int64[np.ndarray, " C"]

    def areas(self, rows: Int64[np.ndarray, " M"]) -> dict[int, float]:
        """The area under the ROC curve for each class that is there beside others, by Mann and Whitney's ranks."""
        from scipy.stats import rankdata

        positive = self.labels[rows][:, None] == self.classes
        count = positive.sum(axis=0)
        there = np.flatnonzero((count > 0) & (count < len(rows)))
        ranks = (rankdata(self.scores[np.ix_(rows, there)], axis=0) * positive[:, there]).sum(axis=0)
        count = count[there]
        areas = (ranks - count * (count + 1) / 2) / (count * (len(rows) - count))
        return {int(c): float(area) for c, area in zip(self.classes[there], areas, strict=True)}


def _readings(table: Table, rows: Split, classifier: str, penalty: float) -> list[_Reading]:
    mean, deviation = table.codes[rows.train].mean(axis=0), table.codes[rows.train].std(axis=0)
    scaled = (table.codes - mean) / np.where(deviation > 0, deviation, 1.0)
    readings = []
    for f, name in enumerate(table.names):
        labels = table.factors[:, f]
        classes = np.unique(labels[rows.train])
        if len(np.intersect1d(classes, labels[rows.test])) < 2:
            raise ValueError(
                f"`factors` must have two classes of {name} among both the {len(rows.train)} rows trained on and the "
                f"{len(rows.test)} tested on, got fewer"
            )
        readings.append(_Reading(_scores(scaled, labels, rows.train, classes, classifier, penalty), labels, classes))
    return readings


def _scores(
    codes: Float64[np.ndarray, "N D"],
    labels: Int64[np.ndarray, " N"],
    train: Int64[np.ndarray, " M"],
    classes: Int64[np.ndarray, " C"],
    classifier: str,
    penalty: float,
) -> Float64[np.ndarray, "N C"]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / penalty, tol=1e-6, max_iter=1000)
    if classifier == "multinomial":
        return model.fit(codes[train], labels[train]).predict_proba(codes)
    columns = [model.fit(codes[train], labels[train] == c).decision_function(codes) for c in classes]
    return np.stack(columns, axis=1)


def _mean(areas: dict[int, float]) -> float:
    """The mean area, which is chance where a resample has no two classes."""
    return float(np.mean(list(areas.values()))) if areas else 0.5

"""The separated attribute predictability: how much better does the best single code predict than the next?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis._checks import check_choice, check_positive
from flowdis.metrics.codes.bootstrap import resample
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.linear_svm import svm_accuracies
from flowdis.metrics.codes.results import Result
from flowdis.metrics.codes.splits import Split, split
from flowdis.metrics.codes.thresholds import threshold_accuracies

__all__ = ["RULES", "Sap", "sap", "sap_of"]

RULES = {
    "correlation": "squared correlation with the class number",
    "thresholds": "balanced accuracy of the best cuts",
    "linear_svm": "accuracy of a linear support vector machine on held-out rows",
}
"""The rules by which one code predicts a factor, and what they are called."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sap(Result):
    """The separated attribute predictability, and the predictions it is made from.

    Arguments:
        gaps: How much better the best code predicts each factor than the next; their mean is the score, with
            shape (F).
        codes: The code that predicts each factor best, with shape (F).
        predictability: How well each code alone predicts each factor, with shape (D, F).
        rules: The rule for each factor.
    """

    gaps: Float64[np.ndarray, " F"]
    codes: Int64[np.ndarray, " F"]
    predictability: Float64[np.ndarray, "D F"]
    rules: tuple[str, ...]


def sap(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    rule: str = "correlation",
    categories: Sequence[str] = (),
    penalty: float = 0.01,
) -> Sap:
    r"""The separated attribute predictability of codes against factors.

    .. math:: \text{SAP} = \frac{1}{F} \sum_f \left( S_{d_1 f} - S_{d_2 f} \right),

    the codes d_1 and d_2 being those that predict factor f best. How well a code predicts, S, is by `rule`:

    - "correlation", for factors with an order: the squared correlation of the code and the class number, 0 for a
      constant code.
    - "thresholds", for categories: the balanced accuracy of the best cuts of the code (see `threshold_accuracies`),
      0 for a constant code. Guessing gets 1 / K, so that a perfect code alone gains 1 - 1 / K at most.
    - "linear_svm", the default of disentanglement_lib: the accuracy, on held-out rows, of a linear support vector
      machine with `penalty` C. It depends on the scale of the codes, and a line through one code cannot tell the
      middle ones of ordered classes from their neighbours unless C is large: perfect codes score far below 1.

    The paper takes the first for ordered factors and the second for `categories`, which is the default here. A
    factor that comes round, such as a hue, is not linear in its number: no single code reaches 1 there. Where there
    is one code only, the next is counted as 0.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the split (for "linear_svm") and of the bootstrap.
        bootstrap: How many resamples an interval of the score is made from; 0 for none.
        rule: "correlation", "thresholds" or "linear_svm".
        categories: The names of factors without an order, which "correlation" leaves to "thresholds".
        penalty: The weight C of the loss, for "linear_svm".

    Returns:
        The gaps.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), or there is no such rule or factor.

    References:
        Kumar, Sattigeri and Balakrishnan, Variational Inference of Disentangled Latent Concepts from Unlabeled
        Observations, 2018, arXiv:1711.00848.

    Example:
        >>> factors = np.stack(np.meshgrid(range(4), range(5), range(5)), axis=-1).reshape(-1, 3)
        >>> sap(factors.astype(float), factors).score
        1.0
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return sap_of(table, seed=seed, bootstrap=bootstrap, rule=rule, categories=categories, penalty=penalty)


def sap_of(
    table: Table,
    parts: Split | None = None,
    *,
    seed: int = 0,
    bootstrap: int = 0,
    rule: str = "correlation",
    categories: Sequence[str] = (),
    penalty: float = 0.01,
) -> Sap:
    """The separated attribute predictability of a table that is read, and maybe split, already (see `sap`)."""
    check_choice("rule", rule, RULES)
    check_positive("penalty", penalty)
    for name in categories:
        check_choice("categories", name, (*table.names, *table.dropped_factors))
    rules = tuple("thresholds" if rule == "correlation" and name in categories else rule for name in table.names)
    if rule == "linear_svm":
        parts = split(len(table), seed) if parts is None else parts
    matrix = _predictability(table, rules, parts, penalty)
    gaps = _gaps(matrix)

    def resampled(rows: Int64[np.ndarray, " N"]) -> float:
        # Rows stay on their side of the split, so that none is both trained on and tested on.
        kept = None if parts is None else Split(*(np.flatnonzero(np.isin(rows, p)) for p in (parts.train, parts.test)))
        return float(_gaps(_predictability(table.take(rows), rules, kept, penalty)).mean())

    return Sap(
        score=float(gaps.mean()),
        estimator="; ".join(RULES[used] for used in RULES if used in rules),
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=resample(resampled, len(table), float(gaps.mean()), bootstrap, seed),
        gaps=gaps,
        codes=matrix.argmax(axis=0),
        predictability=matrix,
        rules=rules,
    )


def _predictability(
    table: Table, rules: Sequence[str], parts: Split | None, penalty: float
) -> Float64[np.ndarray, "D F"]:
    if parts is not None:
        train, test = table.take(parts.train), table.take(parts.test)
        return svm_accuracies(train.codes, train.factors, test.codes, test.factors, penalty)
    result = np.empty((table.codes.shape[1], len(rules)))
    ordered = np.array([used == "correlation" for used in rules])
    result[:, ordered] = _squared_correlations(table.codes, table.factors[:, ordered].astype(np.float64))
    if not ordered.all():
        result[:, ~ordered] = threshold_accuracies(table.codes, table.factors[:, ~ordered])
    result[list(table.dead_codes)] = 0
    return result


def _squared_correlations(
    codes: Float64[np.ndarray, "N D"], numbers: Float64[np.ndarray, "N F"]
) -> Float64[np.ndarray, "D F"]:
    """The squared correlations of all columns with all columns, 0 for constant ones."""
    centred, other = codes - codes.mean(axis=0), numbers - numbers.mean(axis=0)
    scale = np.outer(np.square(centred).sum(axis=0), np.square(other).sum(axis=0))
    products = np.square(centred.T @ other)
    return np.divide(products, scale, out=np.zeros_like(scale), where=scale > 0)


def _gaps(matrix: Float64[np.ndarray, "D F"]) -> Float64[np.ndarray, " F"]:
    """The largest entry of each column less the next, which is 0 if there is none."""
    if len(matrix) == 1:
        return matrix[0]
    top = np.partition(matrix, -2, axis=0)
    return top[-1] - top[-2]

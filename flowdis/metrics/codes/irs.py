"""The interventional robustness score: does a code stay put while all factors but its own change?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis.metrics.codes.bootstrap import bootstrap as bootstrap_interval
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.results import Result

__all__ = ["Irs", "irs", "irs_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Irs(Result):
    """The interventional robustness of codes; the score is the mean over codes that are not constant.

    Arguments:
        published: The published score: deviations are relative to the largest one, not to the quantile, and codes
            count by their largest deviation, so that it changes if one of them is scaled.
        matrix: The robustness of each code given each factor, with shape (D, F); 0 for a constant code.
        code_scores: The robustness of each code given its factor, with shape (D); 0 for a constant code.
        code_factors: The factor of each code, given which it is most robust, with shape (D).
    """

    published: float
    matrix: Float64[np.ndarray, "D F"]
    code_scores: Float64[np.ndarray, " D"]
    code_factors: Int64[np.ndarray, " D"]


def irs(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    quantile: float = 0.99,
) -> Irs:
    r"""The interventional robustness score of codes against factors.

    Let :math:`Q[\cdot]` be the quantile over samples of a code's distance to its mean. Then

    .. math:: \text{IRS}_d = \max_f \left( 1 - \frac{\frac{1}{C_f} \sum_c Q[|z_d - \bar z_{d|c}| : v_f = c]}
        {Q[|z_d - \bar z_d|]} \right)

    is 1 for a code that is the same in all samples of a class, and near 0 for one that no factor tells anything
    of. The same quantile above and below (where the published code divides by the maximum) is what brings noise to
    0; a code that is constant in all but few samples, so that its quantile is 0, is divided by its maximum.

    A code deviates little from its mean in classes of few samples: there should be at least 1 / (1 - quantile).

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the bootstrap.
        bootstrap: How many resamples an interval of the score is made from; 0 for none.
        quantile: Which quantile of distances counts as the largest; 1 as in the paper.

    Returns:
        The robustness.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), or the quantile is not in (0, 1].

    References:
        Suter et al., Robustly Disentangled Causal Mechanisms, 2019, arXiv:1811.00007.

    Example:
        >>> factors = np.stack(np.meshgrid(range(4), range(5)), axis=-1).reshape(-1, 2)
        >>> irs(factors.astype(float), factors).score, round(irs(factors @ [[1.0, 1], [1, -1]], factors).score, 4)
        (1.0, 0.5714)
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return irs_of(table, seed=seed, bootstrap=bootstrap, quantile=quantile)


def irs_of(table: Table, *, seed: int = 0, bootstrap: int = 0, quantile: float = 0.99) -> Irs:
    """The interventional robustness of a table that is read already (see `irs`)."""
    if not 0 < quantile <= 1:
        raise ValueError(f"`quantile` must be in (0, 1], got {quantile}")
    distances = np.abs(table.codes - table.codes.mean(axis=0))
    largest = distances.max(axis=0)
    largest[list(table.dead_codes)] = 0.0
    moved = _moved(table, quantile)
    matrix = _robustness(moved, _scale(distances, largest, quantile))
    code_scores = matrix.max(axis=1)
    score = _mean_of_live(code_scores, largest)
    published = _robustness(moved, largest).max(axis=1)

    def resampled(drawn: Table) -> float:
        again = np.abs(drawn.codes - drawn.codes.mean(axis=0))
        robustness = _robustness(_moved(drawn, quantile), _scale(again, again.max(axis=0), quantile))
        return _mean_of_live(robustness.max(axis=1), largest)

    return Irs(
        score=score,
        estimator=f"quantile {quantile:g} of distances to the mean",
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=bootstrap_interval(resampled, table, bootstrap, seed, estimate=score),
        published=float(published @ largest / largest.sum()) if largest.any() else 0.0,
        matrix=matrix,
        code_scores=code_scores,
        code_factors=matrix.argmax(axis=1),
    )


def _moved(table: Table, quantile: float) -> Float64[np.ndarray, "D F"]:
    """How far codes move while a factor stays: the quantile of distances in a class, the mean over classes."""
    columns = []
    for f in range(table.factors.shape[1]):
        labels = table.factors[:, f]
        order = np.argsort(labels, kind="stable")
        _, starts = np.unique(labels[order], return_index=True)
        classes = np.split(table.codes[order], starts[1:])
        columns.append(np.mean([np.quantile(np.abs(z - z.mean(axis=0)), quantile, axis=0) for z in classes], axis=0))
    return np.stack(columns, axis=1)


def _scale(
    distances: Float64[np.ndarray, "N D"], largest: Float64[np.ndarray, " D"], quantile: float
) -> Float64[np.ndarray, " D"]:
    scale = np.quantile(distances, quantile, axis=0)
    return np.where((scale > 0) & (largest > 0), scale, largest)


def _robustness(moved: Float64[np.ndarray, "D F"], scale: Float64[np.ndarray, " D"]) -> Float64[np.ndarray, "D F"]:
    live = np.broadcast_to(scale[:, None] > 0, moved.shape)
    return np.where(live, 1 - np.divide(moved, scale[:, None], out=np.ones_like(moved), where=live), 0.0)


def _mean_of_live(scores: Float64[np.ndarray, " D"], largest: Float64[np.ndarray, " D"]) -> float:
    return float(scores[largest > 0].mean()) if largest.any() else 0.0

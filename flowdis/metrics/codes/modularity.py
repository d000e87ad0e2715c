"""Modularity: does each code tell of one factor at most?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis.metrics.codes.bootstrap import resample
from flowdis.metrics.codes.information import Information, measure
from flowdis.metrics.codes.inputs import CodesLike, read
from flowdis.metrics.codes.results import Result

__all__ = ["Modularity", "modularity", "modularity_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Modularity(Result):
    """The modularity of codes; the score is the mean over codes that tell of any factor more than chance would.

    Arguments:
        published: The mean over all codes, dead ones counting 0, as published.
        code_scores: The modularity of each code, 0 for a dead one, with shape (D).
        code_factors: The factor that each code tells most of, with shape (D).
        information: The mutual information of each code and factor, in nats, with shape (D, F).
        told_codes: Which codes tell of any factor more than chance would.
    """

    published: float
    code_scores: Float64[np.ndarray, " D"]
    code_factors: Int64[np.ndarray, " D"]
    information: Float64[np.ndarray, "D F"]
    told_codes: tuple[int, ...]


def modularity(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    bins: int = 20,
    kind: str = "equal_count",
) -> Modularity:
    r"""The modularity of codes against factors.

    .. math:: m_d = 1 - \frac{\sum_{f \ne f_1} I(z_d; v_f)^2}{(F - 1) I(z_d; v_{f_1})^2},

    f_1 being the factor that code d tells most of. It is 1 for a code that tells of one factor, and 0 for one that
    tells of all alike; if there is one factor only, it is 1 for every code that tells of it. The score is the mean
    over the codes that tell of any factor more than independent codes would seem to, and 0 if none does: the
    published mean lets codes of pure noise score as their bias has it, and counts dead codes 0.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the bootstrap.
        bootstrap: How many resamples an interval of the score is made from; 0 for none.
        bins: Into how many bins codes are cut.
        kind: What kind they are: "equal_count", or "equal_width" as in most published numbers.

    Returns:
        The modularity.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), or there are fewer samples than bins.

    References:
        Ridgeway and Mozer, Learning Deep Disentangled Embeddings with the F-Statistic Loss, 2018, arXiv:1802.05312.

    Example:
        >>> factors = np.stack(np.meshgrid(range(4), range(5), range(10)), axis=-1).reshape(-1, 3)[:, :2]
        >>> result = modularity(np.column_stack([factors, 0 * factors[:, 0]]).astype(float), factors)
        >>> result.score, result.published, result.dead_codes
        (1.0, 0.666667, (2,))
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return modularity_of(measure(table, bins=bins, kind=kind), seed=seed, bootstrap=bootstrap)


def modularity_of(information: Information, *, seed: int = 0, bootstrap: int = 0) -> Modularity:
    """The modularity in information that is measured already (see `modularity`)."""
    table = information.table
    told = np.flatnonzero(information.told.any(axis=1))
    code_scores = _modularities(information.matrix)

    def mean(scores: Float64[np.ndarray, " D"]) -> float:
        return float(scores[told].mean()) if len(told) else 0.0

    score = mean(code_scores)
    return Modularity(
        score=score,
        estimator=information.estimator,
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=resample(
            lambda rows: mean(_modularities(information.take(rows).matrix)), len(table), score, bootstrap, seed
        ),
        published=float(code_scores.mean()),
        code_scores=code_scores,
        code_factors=information.matrix.argmax(axis=1),
        information=information.matrix,
        told_codes=tuple(int(d) for d in told),
    )


def _modularities(matrix: Float64[np.ndarray, "D F"]) -> Float64[np.ndarray, " D"]:
    squares = matrix**2
    largest = squares.max(axis=1)
    others = (squares.sum(axis=1) - largest) / max(matrix.shape[1] - 1, 1)
    live = largest > 0
    return np.where(live, 1 - np.divide(others, largest, out=np.zeros_like(others), where=live), 0.0)

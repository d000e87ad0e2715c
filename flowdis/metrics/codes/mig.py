r"""The mutual information gap: is each factor told by one code, and each code's tale of one factor?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis.metrics.codes.bootstrap import resample
from flowdis.metrics.codes.information import Information, measure
from flowdis.metrics.codes.inputs import CodesLike, read
from flowdis.metrics.codes.results import Result

__all__ = ["Mig", "mig", "mig_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Mig(Result):
    """The mutual information gap and its supervised twin.

    Arguments:
        gaps: The gap of each factor, whose mean is the score, with shape (F).
        codes: The code that tells most of each factor, with shape (F).
        supervised: The mean of the codes' gaps over those codes that tell of any factor more than chance would;
            0 if none does.
        supervised_published: The mean over all codes, dead ones counting 0, as published.
        code_gaps: The gap of each code over factors, with shape (D).
        code_factors: The factor that each code tells most of, with shape (D).
        information: The mutual information of each code and factor, in nats, with shape (D, F).
        factor_entropies: The entropy of each factor, in nats, with shape (F).
        code_entropies: The entropy of each binned code, in nats, with shape (D).
        told_codes: Which codes tell of any factor more than chance would.
    """

    gaps: Float64[np.ndarray, " F"]
    codes: Int64[np.ndarray, " F"]
    supervised: float
    supervised_published: float
    code_gaps: Float64[np.ndarray, " D"]
    code_factors: Int64[np.ndarray, " D"]
    information: Float64[np.ndarray, "D F"]
    factor_entropies: Float64[np.ndarray, " F"]
    code_entropies: Float64[np.ndarray, " D"]
    told_codes: tuple[int, ...]


def mig(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    bins: int = 20,
    kind: str = "equal_count",
) -> Mig:
    r"""The mutual information gap of codes against factors, with its supervised twin.

    .. math:: \text{MIG} = \frac{1}{F} \sum_f
        \frac{I(z_{d_1}; v_f) - I(z_{d_2}; v_f)}{H(v_f)},
        \qquad \text{MIG-sup} = \frac{1}{D} \sum_d
        \left( \frac{I(z_d; v_{f_1})}{H(v_{f_1})} - \frac{I(z_d; v_{f_2})}{H(v_{f_2})} \right),

    the codes d_1 and d_2 being those that tell most of factor f, and the factors f_1 and f_2 those that code d tells
    most of, by their part of the entropy. Where there is one code or one factor, the second term is 0. Both lie
    between 0 and 1.

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
        The gaps.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), or there are fewer samples than bins.

    References:
        Chen et al., Isolating Sources of Disentanglement in VAEs, 2018, arXiv:1802.04942;
        MIG-sup: Li et al., Progressive Learning and Disentanglement of Hierarchical Representations, 2020,
        arXiv:2002.10549.

    Example:
        >>> factors = np.stack(np.meshgrid(range(4), range(5), range(10)), axis=-1).reshape(-1, 3)[:, :2]
        >>> mig(factors.astype(float), factors).score
        1.0
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return mig_of(measure(table, bins=bins, kind=kind), seed=seed, bootstrap=bootstrap)


def mig_of(information: Information, *, seed: int = 0, bootstrap: int = 0) -> Mig:
    """The mutual information gap of information that is measured already (see `mig`)."""
    table = information.table
    gaps = _gaps(information.shares)
    code_gaps = _gaps(information.shares.T)
    told = np.flatnonzero(information.told.any(axis=1))
    score = float(gaps.mean())
    return Mig(
        score=score,
        estimator=information.estimator,
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=resample(
            lambda rows: float(_gaps(information.take(rows).shares).mean()), len(table), score, bootstrap, seed
        ),
        gaps=gaps,
        codes=information.matrix.argmax(axis=0),
        supervised=float(code_gaps[told].mean()) if len(told) else 0.0,
        supervised_published=float(code_gaps.mean()),
        code_gaps=code_gaps,
        code_factors=information.shares.argmax(axis=1),
        information=information.matrix,
        factor_entropies=information.factor_entropies,
        code_entropies=information.code_entropies,
        told_codes=tuple(int(d) for d in told),
    )


def _gaps(shares: Float64[np.ndarray, "rows columns"]) -> Float64[np.ndarray, " columns"]:
    """The largest entry of each column less the next, which is 0 if there is none."""
    if len(shares) == 1:
        return shares[0]
    top = np.partition(shares, -2, axis=0)
    return top[-1] - top[-2]

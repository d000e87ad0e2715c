r"""InfoMEC: modularity, explicitness and compactness, all of information normalised by the factors' entropies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis._checks import check_choice
from flowdis.metrics.codes.bootstrap import resample
from flowdis.metrics.codes.information import Information, measure
from flowdis.metrics.codes.inputs import CodesLike, read
from flowdis.metrics.codes.results import Result

__all__ = ["Infomec", "infomec", "infomec_of"]

_PRUNED = ("information", "range")


@dataclass(frozen=True, eq=False, kw_only=True)
class Infomec(Result):
    """Modularity, explicitness and compactness; the score is the modularity.

    Arguments:
        modularity: How far each active code tells of one factor only (InfoM).
        explicitness: The part of the factors' entropies that a linear model predicts from the codes (InfoE).
        compactness: How far each factor is told by one active code only (InfoC).
        code_scores: The modularity of each code, 0 for those left out, with shape (D).
        factor_scores: The compactness of each factor, with shape (F).
        explicitness_scores: The explicitness of each factor, with shape (F).
        shares: The part of each factor's entropy that each code tells, with shape (D, F).
        active_codes: Which codes are not left out.
    """

    modularity: float
    explicitness: float
    compactness: float
    code_scores: Float64[np.ndarray, " D"]
    factor_scores: Float64[np.ndarray, " F"]
    explicitness_scores: Float64[np.ndarray, " F"]
    shares: Float64[np.ndarray, "D F"]
    active_codes: tuple[int, ...]


def infomec(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    bins: int = 20,
    kind: str = "equal_count",
    prune: str = "information",
    neighbours: int | None = None,
    one_hot: bool = False,
) -> Infomec:
    r"""InfoMEC of codes against factors.

    With the shares n_df = I(z_d; v_f) / H(v_f) and A active codes,

    .. math:: \text{InfoM} = \frac{\frac{1}{A} \sum_d \max_f n_{df} / \sum_f n_{df} - \frac{1}{F}}{1 - \frac{1}{F}},
        \quad
        \text{InfoC} = \frac{\frac{1}{F} \sum_f \max_d n_{df} / \sum_d n_{df} - \frac{1}{A}}{1 - \frac{1}{A}},
        \quad
        \text{InfoE} = \frac{1}{F} \sum_f \frac{H(v_f) - L_f}{H(v_f)},

    L_f being the log-loss of the best multinomial logistic regression of factor f on all codes, on the same rows
    (predictive V-information). All lie between 0 and 1. With one factor, every active code has modularity 1; with
    one active code, every factor that it tells of has compactness 1; without active codes both are 0.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the bootstrap, and of the nearest neighbours' tie-breaking noise.
        bootstrap: How many resamples an interval of the modularity is made from; 0 for none.
        bins: Into how many bins codes are cut.
        kind: What kind they are: "equal_count" or "equal_width".
        prune: Which codes are left out: those that tell of no factor more than chance would ("information"), or
            those whose range is at most a twentieth of the largest ("range"), as published for continuous codes.
        neighbours: With how many neighbours information is estimated instead of in bins; 10 as published for
            continuous codes. It takes seconds, and no bootstrap.
        one_hot: Whether explicitness is that of the codes' bins, one-hot, as published for discrete codes.

    Returns:
        The three scores.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), there are fewer samples than bins, no such kind of pruning, or
            neighbours do not fit with samples or bootstrap.

    References:
        Hsu et al., Disentanglement via Latent Quantization, 2023, arXiv:2305.18378;
        V-information: Xu et al., A Theory of Usable Information under Computational Constraints, 2020,
        arXiv:2002.10689.

    Example:
        >>> factors = np.stack(np.meshgrid(range(4), range(5), range(10)), axis=-1).reshape(-1, 3)[:, :2]
        >>> result = infomec(factors.astype(float), factors)
        >>> round(result.modularity, 3), round(result.explicitness, 3), round(result.compactness, 3)
        (1.0, 1.0, 1.0)
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return infomec_of(
        measure(table, bins=bins, kind=kind),
        seed=seed,
        bootstrap=bootstrap,
        prune=prune,
        neighbours=neighbours,
        one_hot=one_hot,
    )


def infomec_of(
    information: Information,
    *,
    seed: int = 0,
    bootstrap: int = 0,
    prune: str = "information",
    neighbours: int | None = None,
    one_hot: bool = False,
) -> Infomec:
    """InfoMEC of information that is measured already (see `infomec`)."""
    _check_options(information, prune, neighbours, bootstrap)
    table = information.table
    active = _active(information, prune)
    shares = information.shares if neighbours is None else _neighbour_shares(information, neighbours, seed)
    code_scores = np.zeros(len(shares))
    code_scores[active] = _concentrations(shares[active].T)
    modularity = float(code_scores[active].mean()) if len(active) else 0.0
    factor_scores = _concentrations(shares[active])
    explicit = _explicitness(information, one_hot)
    estimator = information.estimator if neighbours is None else f"{neighbours} nearest neighbours"

    def resampled(rows: Int64[np.ndarray, " N"]) -> float:
        return float(_concentrations(information.take(rows).shares[active].T).mean()) if len(active) else 0.0

    return Infomec(
        score=modularity,
        estimator=f"{estimator}; codes pruned by {prune}; explicitness by logistic regression on the same rows",
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=resample(resampled, len(table), modularity, bootstrap, seed),
        modularity=modularity,
        explicitness=float(explicit.mean()),
        compactness=float(factor_scores.mean()),
        code_scores=code_scores,
        factor_scores=factor_scores,
        explicitness_scores=explicit,
        shares=shares,
        active_codes=tuple(int(d) for d in active),
    )


def _check_options(information: Information, prune: str, neighbours: int | None, bootstrap: int) -> None:
    check_choice("prune", prune, _PRUNED)
    count = len(information.table)
    if neighbours is not None and not 0 < neighbours < count:
        raise ValueError(f"`neighbours` must be from 1 to N - 1 = {count - 1}, got {neighbours}")
    if neighbours is not None and bootstrap:
        raise ValueError(
            f"`bootstrap` must be 0 with `neighbours` (repeated rows are near each other), got {bootstrap}"
        )


def _active(information: Information, prune: str) -> Int64[np.ndarray, " A"]:
    if prune == "information":
        return np.flatnonzero(information.told.any(axis=1))
    ranges = np.ptp(information.table.codes, axis=0)
    return np.flatnonzero(ranges > ranges.max() / 20)


def _concentrations(shares: Float64[np.ndarray, "rows columns"]) -> Float64[np.ndarray, " columns"]:
    """How far each column's sum lies in its largest entry: 1 in it alone, 0 in all entries alike, or nowhere."""
    rows, columns = shares.shape
    if rows == 0:
        return np.zeros(columns)
    total = shares.sum(axis=0)
    if rows == 1:
        return (total > 0).astype(np.float64)
    largest = np.divide(shares.max(axis=0), total, out=np.full_like(total, 1 / rows), where=total > 0)
    return (largest - 1 / rows) / (1 - 1 / rows)


def _explicitness(information: Information, one_hot: bool) -> Float64[np.ndarray, " F"]:
    from scipy.special import logsumexp
    from sklearn.linear_model import LogisticRegression

    table = information.table
    inputs = table.codes
    if one_hot:
        inputs = (information.binned[:, :, None] == np.arange(information.binned.max() + 1)).reshape(len(table), -1)
    inputs = inputs[:, inputs.min(axis=0) < inputs.max(axis=0)].astype(np.float64)
    if inputs.shape[1] == 0:
        return np.zeros(len(table.names))
    inputs = inputs if one_hot else (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    scores = []
    for f, entropy in enumerate(information.factor_entropies):
        labels = table.factors[:, f]
        model = LogisticRegression(C=np.inf, tol=1e-6, max_iter=1000).fit(inputs, labels)
        logits = model.decision_function(inputs)
        logits = np.stack([np.zeros_like(logits), logits], axis=1) if logits.ndim == 1 else logits
        chosen = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
        scores.append((entropy - float((logsumexp(logits, axis=1) - chosen).mean())) / entropy)
    return np.array(scores)


def _neighbour_shares(information: Information, neighbours: int, seed: int) -> Float64[np.ndarray, "D F"]:
    from sklearn.feature_selection import mutual_info_classif

    table = information.table
    deviation = table.codes.std(axis=0)
    scaled = (table.codes - table.codes.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    columns = [
        mutual_info_classif(
            scaled, table.factors[:, f], discrete_features=False, n_neighbors=neighbours, random_state=seed
        )
        for f in range(len(table.names))
    ]
    shares = np.stack(columns, axis=1) / information.factor_entropies
    shares[list(table.dead_codes)] = 0.0
    return shares

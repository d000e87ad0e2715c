"""The BetaVAE metric: which factor do pairs of samples share, told linearly from how far apart their codes are?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis._checks import check_positive
from flowdis.metrics.codes.bootstrap import bootstrap as interval_of
from flowdis.metrics.codes.groups import Groups, blocks, check_told_apart, group, live_codes
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.results import Result

__all__ = ["BetaVae", "beta_vae", "beta_vae_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BetaVae(Result):
    """The accuracy of the BetaVAE metric on new points; the score is `eval_accuracy`.

    Arguments:
        eval_accuracy: The part of new points whose factor is told right.
        train_accuracy: The same of the points that the classifier is fitted to.
        chance: What guessing gets, 1 / F.
        factor_accuracies: The part of each factor's new points that is told right, with shape (F).
        weights: How much each code's distance speaks for each factor, with shape (F, D); 0 for constant codes.
    """

    eval_accuracy: float
    train_accuracy: float
    chance: float
    factor_accuracies: Float64[np.ndarray, " F"]
    weights: Float64[np.ndarray, "F D"]


def beta_vae(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
    seed: int = 0,
    bootstrap: int = 0,
    points: int = 10_000,
    eval_points: int = 5_000,
    pairs: int = 64,
) -> BetaVae:
    r"""The BetaVAE metric of codes against factors.

    A point holds one factor f fixed within each of L pairs of different rows, and is the mean distance of their
    codes, in units of each code's standard deviation:

    .. math:: y_d = \frac{1}{L} \sum_l \frac{|z_d^{(l, 1)} - z_d^{(l, 2)}|}{\mathrm{sd}(z_d)}.

    A linear classifier (multinomial logistic regression) tells f from y; the score is its accuracy on new points.
    Factors are drawn evenly, values by how often they occur. Constant codes do not take part; if all are constant,
    nothing is told and both accuracies are 0. Guessing gets 1 / F. Published code does not divide by the standard
    deviation, so that rescaling a code could change its score.

    A rotation of the codes costs this metric nothing as long as the classifier still tells the factors apart: use
    it beside others, and look at the gap to `train_accuracy` and `chance`.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F).
        names: The factors' names.
        factor_bins: Into how many bins of equally many samples each factor with more values than that is cut.
        seed: The seed of the draws and of the bootstrap.
        bootstrap: How many resamples an interval of the score is made from; 0 for none.
        points: How many points the classifier is fitted to.
        eval_points: How many new points it is tried on.
        pairs: How many pairs a point is the mean of.

    Returns:
        The accuracies.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if they do not fit (see `read`), only one factor varies, or no value of a factor occurs twice.

    References:
        Higgins et al., beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework, 2017,
        https://openreview.net/forum?id=Sy2fzU9gl.
    """
    table = read(codes, factors, names=names, factor_bins=factor_bins)
    return beta_vae_of(table, seed=seed, bootstrap=bootstrap, points=points, eval_points=eval_points, pairs=pairs)


def beta_vae_of(
    table: Table,
    groups: Groups | None = None,
    *,
    seed: int = 0,
    bootstrap: int = 0,
    points: int = 10_000,
    eval_points: int = 5_000,
    pairs: int = 64,
) -> BetaVae:
    """The BetaVAE metric of a table that is read, and maybe grouped, already (see `beta_vae`)."""
    for argument, value in {"points": points, "eval_points": eval_points, "pairs": pairs}.items():
        check_positive(argument, value)
    check_told_apart(table)
    groups = group(table) if groups is None else groups
    told, truth, train_accuracy, weights = _told(table, groups, points, eval_points, pairs, seed)
    right = told == truth
    score = float(right.mean())
    interval = interval_of(
        lambda resampled: beta_vae_of(resampled, seed=seed, points=points, eval_points=eval_points, pairs=pairs).score,
        table,
        bootstrap,
        seed,
        estimate=score,
    )
    count = len(table.sizes)
    return BetaVae(
        score=score,
        estimator=f"logistic regression on {points} points of {pairs} pairs, {eval_points} new points",
        names=table.names,
        dropped_factors=table.dropped_factors,
        dead_codes=table.dead_codes,
        interval=interval,
        eval_accuracy=score,
        train_accuracy=train_accuracy,
        chance=1 / count,
        factor_accuracies=np.bincount(truth, right, count) / np.maximum(np.bincount(truth, minlength=count), 1),
        weights=weights,
    )


def _told(
    table: Table, groups: Groups, points: int, eval_points: int, pairs: int, seed: int
) -> tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " P"], float, Float64[np.ndarray, "F D"]]:
    """What is told of the new points (-1 for nothing), the truth, the accuracy in training, and the weights."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    scaled, live = live_codes(table)
    weights = np.zeros((len(table.sizes), table.codes.shape[1]))
    factors, truth = (rng.integers(0, len(weights), count) for count in (points, eval_points))
    seen = np.unique(factors)
    if len(live) == 0 or len(seen) == 1:
        told = -1 if len(live) == 0 else seen[0]
        return np.full_like(truth, told), truth, float((factors == told).mean()), weights
    distances, trial = (_distances(scaled, groups, held, pairs, rng) for held in (factors, truth))
    classifier = LogisticRegression(max_iter=1000).fit(distances, factors)
    rows = classifier.coef_ if len(seen) > 2 else np.concatenate([-classifier.coef_, classifier.coef_])
    weights[np.ix_(seen, live)] = rows
    return classifier.predict(trial), truth, float((classifier.predict(distances) == factors).mean()), weights


def _distances(
    scaled: Float64[np.ndarray, "N L"],
    groups: Groups,
    factors: Int64[np.ndarray, " P"],
    pairs: int,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "P L"]:
    """The points: the mean distances of pairs that share a value of the point's factor."""
    points = np.empty((len(factors), scaled.shape[1]))
    for block in blocks(len(factors), pairs * scaled.shape[1]):
        one, other = groups.pairs(factors[block], pairs, rng)
        points[block] = np.abs(scaled[one] - scaled[other]).mean(axis=1)
    return points

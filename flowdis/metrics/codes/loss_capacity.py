r"""Loss-capacity curves: how much capacity a predictor needs before codes tell all that they can tell.

Predictors of rising capacity are ridge regressions: on the codes themselves, then on the codes and more and more
random Fourier features :math:`\sqrt 2 \cos(\omega^T z + \phi)`. The features of each size are the first of those of
the next, so that one matrix of moments serves all sizes and all factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis.metrics.codes.splits import Split

__all__ = ["LossCapacity", "factor_explicitness", "loss_capacity"]

_LARGEST = 1024
"""How many features the largest predictor has at most."""

_RIDGE = 1e-3
"""The ridge's penalty, in units of the features' variances."""

_GAINS = (0.5, 1.0, 2.0, 4.0)
"""How fast features vary: the root mean square of a frequency, in radians per standard deviation of the codes."""

_LEARNT = 0.01
"""The part of the baseline's loss that the best predictor must save, for explicitness to mean anything."""

_ROWS = 36
"""A gain g of R^2 on M rows has a standard error of 2 (g / M)^0.5; g = 36 / M is three of them above 0."""


@dataclass(frozen=True, eq=False)
class LossCapacity:
    """The losses of predictors of rising capacity.

    Arguments:
        sizes: How many features each predictor has, with shape (S).
        losses: The held-out loss 1 - R^2 of each size and factor, 1 for the baseline that predicts the mean, with
            shape (S, F).
        rows: How many held-out rows they are the means over.
    """

    sizes: Int64[np.ndarray, " S"]
    losses: Float64[np.ndarray, "S F"]
    rows: int


def loss_capacity(
    codes: Float64[np.ndarray, "N D"], targets: Sequence[Float64[np.ndarray, "N _"]], parts: Split, seed: int = 0
) -> LossCapacity:
    """Fits predictors of rising capacity to the training rows, and tries them on the others.

    The sizes are D, 2 D, 4 D and so on up to 64 D, as far as they do not exceed 1,024 (2 D is always there).

    Arguments:
        codes: The codes, with shape (N, D), standardised.
        targets: For each of F factors, the columns to predict, centred, and with a total variance of 1 on the
            training rows.
        parts: The rows to train on and to test on.
        seed: The seed of the random features.

    Returns:
        The losses.
    """
    count = codes.shape[1]
    sizes = np.array([count * 2**k for k in range(7) if k < 2 or count * 2**k <= _LARGEST])
    features = _features(codes, int(sizes[-1]) - count, seed)
    own = np.repeat(np.arange(len(targets)), [columns.shape[1] for columns in targets])
    goals = np.concatenate(targets, axis=1)
    centre = features[parts.train].mean(axis=0)
    train, test = features[parts.train] - centre, features[parts.test] - centre
    gram = train.T @ train / len(train) + _RIDGE * np.eye(len(centre))
    cross = train.T @ goals[parts.train] / len(train)
    losses = np.empty((len(sizes), len(targets)))
    for row, size in enumerate(sizes):
        told = test[:, :size] @ np.linalg.solve(gram[:size, :size], cross[:size])
        squares = np.square(told - goals[parts.test]).mean(axis=0)
        losses[row] = np.bincount(own, squares, len(targets))
    # Relative to the mean of the training rows on the same test rows, or noise would look learnt by luck of the split.
    baseline = np.bincount(own, np.square(goals[parts.test]).mean(axis=0), len(targets))
    losses /= np.where(baseline > 0, baseline, 1.0)
    constant = np.bincount(own, np.square(goals[parts.train]).sum(axis=0), len(targets)) == 0
    losses[:, constant | (baseline == 0)] = 1.0
    return LossCapacity(sizes, losses, len(parts.test))


def factor_explicitness(curve: LossCapacity) -> Float64[np.ndarray, " F"]:
    r"""The explicitness of each factor: how little capacity it takes to learn what there is to learn.

    .. math:: E = 1 - \frac{\int_{\kappa_1}^{\kappa_S} \ell(\kappa) - \ell^* \, d\kappa}
        {\frac{1}{2} (\kappa_S - \kappa_1)(\ell^b - \ell^*)},

    with the capacity :math:`\kappa` the logarithm of the number of features, l the lowest loss up to that capacity,
    l* the lowest of all, and l^b = 1 the baseline's. It is 1 if the smallest predictor does as well as any, 0 if
    the loss falls evenly from the baseline to its lowest, and negative, down to -1, if it falls late.

    Where the best predictor saves less than 1 % of the baseline's loss, or less than three standard errors, there is
    nothing to be explicit about, and E is 0. It says nothing of how much is told: read it beside the
    informativeness. The published code takes l* = 0 in the denominator.

    Arguments:
        curve: The losses.

    Returns:
        The explicitness, with shape (F).

    References:
        Eastwood et al., DCI-ES: An Extended Disentanglement Framework with Connections to Identifiability, 2023,
        arXiv:2210.00364.

    Example:
        >>> sizes, losses = np.array([1, 2, 4]), np.array([[0.2, 1.0, 1.0], [0.2, 0.6, 1.0], [0.2, 0.2, 0.2]])
        >>> factor_explicitness(LossCapacity(sizes, losses, rows=100)).round(6).tolist()
        [1.0, 0.0, -0.5]
    """
    capacity = np.log(curve.sizes)
    losses = np.minimum.accumulate(np.minimum(curve.losses, 1.0), axis=0)
    gain = 1 - losses[-1]
    above = losses - losses[-1]
    area = (np.diff(capacity)[:, None] * (above[1:] + above[:-1])).sum(axis=0) / 2
    whole = (capacity[-1] - capacity[0]) * gain / 2
    learnt = gain >= max(_LEARNT, min(_ROWS / curve.rows, 0.5))
    return np.where(learnt, 1 - area / np.where(learnt, whole, 1.0), 0.0)


def _features(codes: Float64[np.ndarray, "N D"], count: int, seed: int) -> Float64[np.ndarray, "N P"]:
    rng = np.random.default_rng(seed)
    gains = np.resize(_GAINS, count) / np.sqrt(codes.shape[1])
    phases = codes @ (rng.normal(size=(codes.shape[1], count)) * gains) + rng.uniform(0, 2 * np.pi, count)
    return np.concatenate([codes, np.sqrt(2) * np.cos(phases)], axis=1)

r"""Lasso regressions of many targets on the same codes, from their covariances alone.

.. math:: \min_W \frac{1}{2 N} |Y - Z W|^2 + \alpha |W|_1

depends on the data through Z^T Z / N and Z^T Y / N only, so that all targets are solved at once, however many
samples there are.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from flowdis.metrics.codes.inputs import warn

__all__ = ["lasso"]

_TOLERANCE = 1e-11
_SWEEPS = 20_000


def lasso(
    gram: Float64[np.ndarray, "D D"], cross: Float64[np.ndarray, "D T"], penalty: float
) -> Float64[np.ndarray, "D T"]:
    """The lasso's weights, by coordinate descent over codes, all targets abreast.

    Warns if they have not settled after many sweeps.

    Arguments:
        gram: The second moments of the codes, Z^T Z / N, with shape (D, D).
        cross: Their moments with the targets, Z^T Y / N, with shape (D, T).
        penalty: The weight of the sum of absolute weights.

    Returns:
        The weights, with shape (D, T); 0 for a code that is 0 throughout.

    References:
        Friedman, Hastie and Tibshirani, Regularization Paths for Generalized Linear Models via Coordinate Descent,
        Journal of Statistical Software 33, 2010.

    Example:
        >>> lasso(np.eye(2), np.array([[0.75], [0.05]]), 0.25).ravel().tolist()
        [0.5, 0.0]
    """
    weights, left = np.zeros_like(cross), cross.copy()
    live = np.flatnonzero(np.diagonal(gram) > 0)
    for _ in range(_SWEEPS):
        change = 0.0
        for d in live:
            pull = left[d] + gram[d, d] * weights[d]
            step = np.sign(pull) * np.maximum(np.abs(pull) - penalty, 0) / gram[d, d] - weights[d]
            weights[d] += step
            left -= gram[:, d, None] * step
            change = max(change, float(np.abs(step).max()))
        if change < _TOLERANCE:
            return weights
    warn(f"the lasso has not settled after {_SWEEPS} sweeps: weights still change by {change:.1e}")
    return weights

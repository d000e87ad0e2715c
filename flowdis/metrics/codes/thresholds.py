"""Thresholds: how well one code tells a factor's class when a few cuts of it are chosen as well as can be."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from flowdis.metrics.codes.discretise import discretise
from flowdis.metrics.codes.information import joint_counts

__all__ = ["threshold_accuracies"]

_CELLS = 100
"""Between how many cells of equally many samples cuts may lie."""


def threshold_accuracies(
    codes: Float64[np.ndarray, "N D"], classes: Int64[np.ndarray, "N F"]
) -> Float64[np.ndarray, "D F"]:
    """The best balanced accuracy with which cuts of each code alone tell each factor's class.

    A factor of K classes has up to K - 1 cuts, hence up to K intervals, each named after a class. All choices
    between 100 cells of equally many samples are gone through by dynamic programming. As published, cuts are chosen
    and tried on the same samples.

    Arguments:
        codes: The codes, with shape (N, D).
        classes: The factors' classes, from 0, with shape (N, F).

    Returns:
        The balanced accuracies, the mean over classes of the part of their samples told right, with shape (D, F).

    Example:
        >>> codes = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> threshold_accuracies(codes, np.array([[1], [0], [0], [1]]))
        array([[0.75]])
    """
    cells = min(_CELLS, len(codes))
    counts = joint_counts(discretise(codes, cells), classes, cells, int(classes.max()) + 1)
    result = np.empty(counts.shape[:2])
    for f in range(counts.shape[1]):
        own = counts[:, f]
        own = own[..., own[0].sum(axis=0) > 0]
        shares = own / own.sum(axis=1, keepdims=True) / own.shape[-1]
        result[:, f] = _best(np.concatenate([np.zeros_like(shares[:, :1]), shares.cumsum(axis=1)], axis=1))
    return result


def _best(running: Float64[np.ndarray, "D edges K"]) -> Float64[np.ndarray, " D"]:
    """The largest sum of K intervals' best classes, from the shares of each class below each edge."""
    # gain[d, i, j]: what the interval from edge i to edge j tells right; an empty one is allowed, and gains 0.
    gain = np.zeros((len(running), running.shape[1], running.shape[1]))
    for k in range(running.shape[-1]):
        column = running[..., k]
        np.maximum(gain, column[:, None, :] - column[:, :, None], out=gain)
    below, above = np.tril_indices(running.shape[1], -1)
    gain[:, below, above] = -1.0
    best = gain[:, 0]
    for _ in range(running.shape[-1] - 1):
        best = (best[:, :, None] + gain).max(axis=1)
    return best[:, -1]

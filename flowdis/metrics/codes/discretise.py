"""Discretisation: codes cut into bins, of equally many samples or of equal width."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from flowdis._checks import check_choice

__all__ = ["KINDS", "discretise"]

KINDS = {"equal_count": "equal-count", "equal_width": "equal-width"}
"""The kinds of bins, and what they are called."""


def discretise(
    codes: Float64[np.ndarray, "N D"], bins: int = 20, kind: str = "equal_count", *, whole: int = 0
) -> Int64[np.ndarray, "N D"]:
    """Cuts each code into bins.

    Equal-count bins depend on the order of values alone: any increasing map of a code leaves them as they are, and
    an outlier costs nothing. Equal values always share a bin, and a code with few values keeps a bin for each.
    Equal-width bins are those of most published numbers: [min, max] in equal parts, the last one closed.

    Arguments:
        codes: The codes, with shape (N, D).
        bins: How many bins.
        kind: "equal_count" or "equal_width".
        whole: Up to how many values a code keeps a bin for each, if its bins are of equal counts and this is more
            than `bins`.

    Returns:
        The bins, from 0 to bins - 1 or whole - 1, with shape (N, D); a constant code is in bin 0.

    Raises:
        ValueError: if there are fewer samples than bins, fewer than 2 bins, or no such kind.

    Example:
        >>> codes = np.array([[0.0], [1.0], [2.0], [90.0]])
        >>> discretise(codes, 2).ravel().tolist(), discretise(codes, 2, "equal_width").ravel().tolist()
        ([0, 0, 1, 1], [0, 0, 0, 1])
    """
    check_choice("kind", kind, KINDS)
    if bins < 2:
        raise ValueError(f"`bins` must be >= 2, got {bins}")
    if len(codes) < bins:
        raise ValueError(f"`codes` must have at least as many samples as bins, got {len(codes)} samples, {bins} bins")
    return _equal_count(codes, bins, max(bins, whole)) if kind == "equal_count" else _equal_width(codes, bins)


def _equal_count(codes: Float64[np.ndarray, "N D"], bins: int, whole: int) -> Int64[np.ndarray, "N D"]:
    count, rows = len(codes), np.ascontiguousarray(codes.T)
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    starts = np.ones(rows.shape, dtype=bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=starts[:, 1:])
    values = np.cumsum(starts, axis=1) - 1
    first = np.maximum.accumulate(np.where(starts, np.arange(count), 0), axis=1)
    ends = np.roll(starts, -1, axis=1)
    last = np.minimum.accumulate(np.where(ends, np.arange(count), count)[:, ::-1], axis=1)[:, ::-1]
    # The middle of a value's samples, in halves of a sample, from 1 to 2 N - 1. Whole numbers have no rounding, and
    # counting the upper half from above makes a code and its negative fall into the same bins, reversed.
    middle = first + last + 1
    below = middle * bins // (2 * count)
    above = bins - 1 - (2 * count - middle) * bins // (2 * count)
    ranked = np.where(values[:, -1:] < whole, values, np.where(middle <= count, below, above))
    result = np.empty(rows.shape, dtype=np.int64)
    np.put_along_axis(result, order, ranked, axis=1)
    return np.ascontiguousarray(result.T)


def _equal_width(codes: Float64[np.ndarray, "N D"], bins: int) -> Int64[np.ndarray, "N D"]:
    edges = np.linspace(codes.min(axis=0), codes.max(axis=0), bins + 1)
    columns = [np.searchsorted(edges[1:-1, d], codes[:, d], side="right") for d in range(codes.shape[1])]
    result = np.stack(columns, axis=1).astype(np.int64)
    result[:, edges[0] == edges[-1]] = 0
    return result

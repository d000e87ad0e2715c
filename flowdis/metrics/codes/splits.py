"""Splits: which samples a predictor is trained on, and which it is tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

__all__ = ["Split", "split"]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to train on and rows to test on.

    Arguments:
        train: The rows to train on, ascending, with shape (M).
        test: The other rows, ascending, with shape (N - M).
    """

    train: Int64[np.ndarray, " M"]
    test: Int64[np.ndarray, " L"]


def split(count: int, seed: int = 0, *, test_share: float = 1 / 3) -> Split:
    """Splits rows at random; a third to test on, as the published 10,000 and 5,000.

    Arguments:
        count: How many rows there are.
        seed: The seed of the split.
        test_share: The part of the rows to test on.

    Returns:
        The split.

    Raises:
        ValueError: if either part would be empty.

    Example:
        >>> parts = split(9)
        >>> len(parts.train), len(parts.test), len(set(parts.train) | set(parts.test))
        (6, 3, 9)
    """
    tests = round(count * test_share)
    if not 0 < tests < count:
        raise ValueError(f"`codes` must have rows to train on and to test on, got N={count}, of which {tests} to test")
    order = np.random.default_rng(seed).permutation(count)
    return Split(np.sort(order[tests:]), np.sort(order[:tests]))

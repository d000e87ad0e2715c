"""Codes and factors for `metrics`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from flowdis.metrics.codes.splits import Split, split

__all__ = ["Sample", "drawn", "grid"]


@dataclass(frozen=True)
class Sample:
    """Codes of a full grid of factors, in random order."""

    codes: np.ndarray
    factors: np.ndarray
    index: np.ndarray
    sizes: tuple[int, ...]

    @property
    def parts(self) -> Split:
        """The rows to train on and to test on."""
        return split(len(self.codes))


def grid(sizes: tuple[int, ...], dim: int, seed: int = 0) -> Sample:
    """Codes that mix neighbouring factors, with noise, and as many more of noise alone as `dim` has room for."""
    rng = np.random.default_rng(seed)
    index = rng.permutation(math.prod(sizes))
    factors = np.stack(np.unravel_index(index, sizes), axis=1)
    return Sample(_codes(factors, dim, rng), factors, index, sizes)


def drawn(count: int, dim: int, number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes as those of a grid, of factors that are drawn at random, and the factors."""
    rng = np.random.default_rng(seed)
    factors = np.stack([rng.integers(0, size, count) for size in np.resize((10, 10, 5, 5, 4), number)], axis=1)
    return _codes(factors, dim, rng), factors


def _codes(factors: np.ndarray, dim: int, rng: np.random.Generator) -> np.ndarray:
    z = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    count = factors.shape[1]
    mixing = np.eye(count, dim) + 0.4 * np.eye(count, dim, 1) + 0.1 * rng.normal(size=(count, dim))
    codes = rng.normal(size=(len(z), dim))
    codes[:, :count] = (z @ mixing + 0.5 * codes)[:, :count]
    return codes

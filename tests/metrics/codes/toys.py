"""Codes and factors whose scores are known."""

from __future__ import annotations

import itertools

import numpy as np

__all__ = ["GRID", "PERFECT", "ROTATED", "factor_sample", "grid_of"]


def grid_of(*sizes: int, copies: int = 1) -> np.ndarray:
    """Every combination of classes, each as often as asked for."""
    return np.array([row for row in itertools.product(*map(range, sizes)) for _ in range(copies)])


GRID = grid_of(4, 5, copies=10)
PERFECT = GRID.astype(float)
ROTATED = PERFECT @ np.array([[1.0, 1.0], [1.0, -1.0]])


def factor_sample(count: int, *sizes: int, seed: int = 0) -> np.ndarray:
    """Independent factors, drawn at random."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, count) for size in sizes], axis=1)

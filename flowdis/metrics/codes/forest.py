"""Random forests whose trees grow side by side, and threads that leave the caller's filters of warnings alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float64

__all__ = ["Forest", "side_by_side"]


class Forest:
    """A random forest, every column on offer at each split.

    It is scikit-learn's, with the same numbers for the same seed, without what that one spends on each tree besides
    growing it, and without what its threads do to the filters of warnings (see `side_by_side`).

    Arguments:
        classify: Whether to tell classes apart, rather than to predict numbers.
        trees: How many trees it has.
        leaf: How many of a tree's samples a leaf has at least.
        seed: The seed.
        jobs: How many threads grow trees.

    References:
        Breiman, Random Forests, Machine Learning 45, 2001.
    """

    def __init__(self, *, classify: bool, trees: int, leaf: int, seed: int, jobs: int = 1) -> None:
        self.classify, self.trees, self.leaf, self.seed, self.jobs = classify, trees, leaf, seed, jobs
        self.grown: list[Any] = []

    def fit(self, x: Float64[np.ndarray, "N D"], y: np.ndarray) -> Forest:
        """Grows the trees, each from N rows drawn with replacement.

        Arguments:
            x: The columns to predict from, with shape (N, D).
            y: What to predict, with shape (N).
        """
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        kind = DecisionTreeClassifier if self.classify else DecisionTreeRegressor
        single = np.ascontiguousarray(x, dtype=np.float32)
        seeds = np.random.RandomState(self.seed).randint(np.iinfo(np.int32).max, size=self.trees)

        def grow(seed: int) -> Any:
            drawn = np.random.RandomState(seed).randint(0, len(x), len(x), dtype=np.int32)
            weights = np.bincount(drawn, minlength=len(x)).astype(np.float64)
            tree = kind(min_samples_leaf=self.leaf, random_state=seed)
            return tree.fit(single, y, sample_weight=weights, check_input=False)

        self.grown = side_by_side(grow, seeds.tolist(), self.jobs)
        return self

    def predict(self, x: Float64[np.ndarray, "M D"]) -> np.ndarray:
        """What the trees say on average: the most probable class, or the mean number, with shape (M)."""
        single = np.ascontiguousarray(x, dtype=np.float32)
        if not self.classify:
            return np.mean([tree.predict(single, check_input=False) for tree in self.grown], axis=0)
        # Rows that a tree has not drawn weigh 0, so that all trees know all classes.
        odds = np.mean([tree.predict_proba(single, check_input=False) for tree in self.grown], axis=0)
        return self.grown[0].classes_[odds.argmax(axis=1)]

    @property
    def feature_importances_(self) -> Float64[np.ndarray, " D"]:
        """How much each column lowers the impurity, with shape (D), summing to 1; 0 if no tree has a split."""
        split = [tree.feature_importances_ for tree in self.grown if tree.tree_.node_count > 1]
        mean = np.mean(split, axis=0) if split else np.zeros(self.grown[0].n_features_in_)
        return mean / max(mean.sum(), np.finfo(np.float64).tiny)


def side_by_side(function: Callable[[int], Any], values: Iterable[int], jobs: int) -> list[Any]:
    """What a function gives for each value, in threads.

    scikit-learn sets filters of warnings while it checks its input. They are global, so that threads restore each
    other's; the caller's are put back at the end.

    Arguments:
        function: The function.
        values: The values.
        jobs: How many threads.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(jobs) as threads:
        return list(threads.map(function, values))

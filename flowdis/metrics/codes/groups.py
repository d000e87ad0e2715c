"""Groups: samples that share a factor's value, drawn many batches at a time by indexing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from flowdis.metrics.codes.inputs import Table

__all__ = ["Groups", "blocks", "check_told_apart", "group", "live_codes"]

_BLOCK = 1 << 21
"""How many values are drawn at a time, so that memory does not grow with what is drawn."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The rows of a table sorted by each factor's value; rows that share theirs with no other come last.

    Arguments:
        order: The rows, with shape (F, N).
        start: Where the group of each entry of `order` starts, with shape (F, N).
        size: How many rows that group has, with shape (F, N).
        usable: How many entries, from the first on, are in groups of at least two, with shape (F).
    """

    order: Int64[np.ndarray, "F N"]
    start: Int64[np.ndarray, "F N"]
    size: Int64[np.ndarray, "F N"]
    usable: Int64[np.ndarray, " F"]

    def batches(
        self, factors: Int64[np.ndarray, " B"], rows: int, rng: np.random.Generator
    ) -> Int64[np.ndarray, "B rows"]:
        """Draws batches that share a value of a factor, values by how often they occur, rows with replacement.

        Arguments:
            factors: The factor of each batch, with shape (B).
            rows: How many rows a batch has.
            rng: The source of randomness.
        """
        anchors = rng.integers(0, self.usable[factors])
        start, size = self.start[factors, anchors][:, None], self.size[factors, anchors][:, None]
        return self.order[factors[:, None], start + rng.integers(0, size, (len(factors), rows))]

    def pairs(
        self, factors: Int64[np.ndarray, " B"], count: int, rng: np.random.Generator
    ) -> tuple[Int64[np.ndarray, "B count"], Int64[np.ndarray, "B count"]]:
        """Draws pairs of two different rows that share a value of a factor, values by how often they occur.

        Arguments:
            factors: The factor of each batch of pairs, with shape (B).
            count: How many pairs a batch has.
            rng: The source of randomness.
        """
        column = factors[:, None]
        first = rng.integers(0, self.usable[column], (len(factors), count))
        start, size = self.start[column, first], self.size[column, first]
        second = start + (first - start + rng.integers(1, size)) % size
        return self.order[column, first], self.order[column, second]


def group(table: Table) -> Groups:
    """Groups the rows of a table by the value of each factor.

    Raises:
        ValueError: naming a factor no value of which occurs twice.

    Example:
        >>> from flowdis.metrics.codes.inputs import read
        >>> groups = group(read(np.zeros((5, 1)), np.array([7, 3, 7, 5, 7])))
        >>> groups.order.tolist(), groups.size.tolist(), groups.usable.tolist()
        ([[0, 2, 4, 1, 3]], [[3, 3, 3, 1, 1]], [3])
    """
    classes = table.factors.T
    counts = np.stack([np.bincount(column, minlength=max(table.sizes)) for column in classes])
    sizes = np.take_along_axis(counts, classes, axis=1)
    usable = (sizes > 1).sum(axis=1)
    if not usable.all():
        name = table.names[int(np.flatnonzero(usable == 0)[0])]
        raise ValueError(f"`factors` must have a value that occurs twice, got none of {name} in {len(table)} samples")
    order = np.argsort(classes + np.where(sizes > 1, 0, max(table.sizes)), axis=1, kind="stable")
    ordered = np.take_along_axis(classes, order, axis=1)
    starts = np.ones(ordered.shape, dtype=bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=starts[:, 1:])
    start = np.maximum.accumulate(np.where(starts, np.arange(len(table)), 0), axis=1)
    return Groups(order, start, np.take_along_axis(sizes, order, axis=1), usable)


def check_told_apart(table: Table) -> None:
    """Checks that there are factors to be told apart.

    Raises:
        ValueError: if only one factor varies.
    """
    if len(table.sizes) < 2:
        raise ValueError(f"`factors` must be at least two that vary, to be told apart; got {', '.join(table.names)}")


def blocks(count: int, width: int) -> Iterator[slice]:
    """Slices that cover `count` entries in order, each of so few that its draws, `width` values each, fit in memory."""
    step = max(1, _BLOCK // width)
    return (slice(first, first + step) for first in range(0, count, step))


def live_codes(table: Table) -> tuple[Float64[np.ndarray, "N L"], Int64[np.ndarray, " L"]]:
    """The codes that are not constant, in units of their standard deviations, and which they are."""
    spread = table.codes.std(axis=0)
    spread[list(table.dead_codes)] = 0
    live = np.flatnonzero(spread)
    return table.codes[:, live] / spread[live], live

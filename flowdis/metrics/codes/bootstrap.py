"""Bootstrap: how far a score would move if other samples had been drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from flowdis.metrics.codes.inputs import Table

__all__ = ["Interval", "bootstrap", "resample"]


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval.

    Arguments:
        low: Its lower end.
        high: Its upper end.
        level: How likely it is to hold the score's mean over draws of as many samples.
        replicates: How many resamples it is made from.
    """

    low: float
    high: float
    level: float
    replicates: int


def bootstrap(
    metric: Callable[[Table], float],
    table: Table,
    replicates: int,
    seed: int,
    level: float = 0.95,
    *,
    estimate: float | None = None,
) -> Interval | None:
    """The bootstrap interval of a metric of a table, from resamples of its rows.

    A metric that trains and tests must split the table before resampling (see `resample`): in a resample that is
    split, rows stand on both sides.

    Arguments:
        metric: What gives the score of a table.
        table: The table.
        replicates: How many resamples; 0 for no interval.
        seed: The seed of the resamples.
        level: How likely the interval is to hold the score's mean.
        estimate: The score of the table itself, where it is known.

    Returns:
        The interval, or None for 0 replicates.

    Raises:
        ValueError: if `replicates` is 1 or negative, or `level` is not between 0 and 1.
    """
    if replicates == 0:
        return None
    estimate = metric(table) if estimate is None else estimate
    return resample(lambda rows: metric(table.take(rows)), len(table), estimate, replicates, seed, level)


def resample(
    score: Callable[[Int64[np.ndarray, " N"]], float],
    count: int,
    estimate: float,
    replicates: int,
    seed: int,
    level: float = 0.95,
    *,
    limits: tuple[float, float] = (0.0, 1.0),
) -> Interval | None:
    r"""The bootstrap interval of a score of rows that are drawn with replacement.

    Scores of resamples are biased against the score as that is against its limit (repeated rows look like
    information), so percentiles are taken of deviations from their mean:

    .. math:: [s + q_{(1 - \text{level}) / 2}(s^* - \bar s^*), s + q_{(1 + \text{level}) / 2}(s^* - \bar s^*)].

    That is an interval for the score's mean at this number of samples, bias included. Its ends are cut off at the
    limits that no score can leave.

    Arguments:
        score: What gives the score of some rows.
        count: How many rows there are to draw from, and are drawn.
        estimate: The score s of all rows, each once.
        replicates: How many resamples; 0 for no interval.
        seed: The seed of the resamples.
        level: How likely the interval is to hold the score's mean.
        limits: The least and the largest score possible.

    Returns:
        The interval, or None for 0 replicates.

    Raises:
        ValueError: if `replicates` is 1 or negative, or `level` is not between 0 and 1.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 10 and 13.

    Example:
        >>> values = np.arange(100.0) / 100
        >>> interval = resample(lambda rows: float(values[rows].mean()), 100, 0.495, 500, seed=0)
        >>> round(interval.low, 2), round(interval.high, 2)
        (0.44, 0.55)
    """
    if replicates == 0:
        return None
    if replicates < 2:
        raise ValueError(f"`bootstrap` must be 0 or at least 2 replicates, got {replicates}")
    if not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1, got {level}")
    rng = np.random.default_rng(seed)
    scores = np.array([score(rng.integers(0, count, count)) for _ in range(replicates)])
    low, high = np.quantile(scores - scores.mean(), [(1 - level) / 2, (1 + level) / 2])
    return Interval(max(estimate + float(low), limits[0]), min(estimate + float(high), limits[1]), level, replicates)

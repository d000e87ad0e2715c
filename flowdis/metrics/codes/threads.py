"""Threads that leave the caller's filters of warnings alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["side_by_side"]


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

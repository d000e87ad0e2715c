"""What every metric on codes returns, and how it is written down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flowdis.metrics.codes.bootstrap import Interval

__all__ = ["Result"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """The score of codes against factors, with what it was made from.

    Arguments:
        score: The score.
        estimator: How it was estimated, in words.
        names: The names of the factors, in the order of every axis F.
        dropped_factors: The names of the factors left out because they are constant.
        dead_codes: Which codes are constant.
        interval: The bootstrap interval of the score, if it was asked for.
    """

    score: float
    estimator: str
    names: tuple[str, ...]
    dropped_factors: tuple[str, ...] = ()
    dead_codes: tuple[int, ...] = ()
    interval: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """All fields by name, arrays as nested lists."""
        return json.loads(json.dumps(asdict(self), default=_plain, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"results must hold numbers, words and arrays, got {type(value).__name__}")

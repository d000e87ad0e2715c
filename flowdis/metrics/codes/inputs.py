"""What every metric on codes reads: codes and factors as one checked table, whatever kind of array they come in."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64, Int64

__all__ = ["CodesLike", "Table", "read", "read_codes", "warn"]

CodesLike = torch.Tensor | np.ndarray
"""Codes (N, D) or factors (N, F), as a tensor on any device or an array of any number type and memory order."""

_LABEL_FREE = "udr (several models' codes of the same samples), and the metrics of flows in flowdis.metrics"


@dataclass(frozen=True, eq=False)
class Table:
    """Codes and factors of the same samples, checked.

    Arguments:
        codes: The codes, with shape (N, D), in float64.
        factors: The factors' classes, numbered from 0 by ascending value, with shape (N, F).
        names: The factors' names.
        sizes: How many classes each factor has.
        dropped_factors: The names of the factors left out because they are constant.
        dead_codes: Which codes are constant; they are kept.
    """

    codes: Float64[np.ndarray, "N D"]
    factors: Int64[np.ndarray, "N F"]
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    dropped_factors: tuple[str, ...] = ()
    dead_codes: tuple[int, ...] = ()

    def __len__(self) -> int:
        """The number of samples N."""
        return len(self.codes)

    def take(self, rows: Int64[np.ndarray, " M"]) -> Table:
        """The table of some rows, in the order given and as often as given; classes keep their numbers."""
        return replace(self, codes=self.codes[rows], factors=self.factors[rows])


def read(
    codes: CodesLike,
    factors: CodesLike | None,
    *,
    names: Sequence[str] | None = None,
    factor_bins: int | None = None,
) -> Table:
    """Reads codes and factors.

    The values of each factor, whatever they are, become classes. Constant factors have nothing to be told of:
    they are left out, with a warning that names them.

    Arguments:
        codes: The codes, with shape (N, D).
        factors: The ground-truth factors of the same samples, with shape (N, F), or (N) for one factor.
        names: The factors' names; "factor 0", "factor 1" and so on if left out.
        factor_bins: Into how many bins, of equally many samples, each factor with more values than that is cut.

    Returns:
        The table.

    Raises:
        TypeError: if codes or factors are not arrays of real numbers.
        ValueError: if shapes or lengths do not fit, a value is not finite (row and column are named), there are
            no factors, all of them are constant, or one has so many values that it must be cut into bins.

    Example:
        >>> table = read(np.array([[0.5, 1.0], [2.5, 1.0]]), np.array([-1, 1]), names=["smiling"])
        >>> table.factors.tolist(), table.sizes, table.dead_codes
        ([[0], [1]], (2,), (1,))
    """
    array = read_codes("codes", codes)
    labels = _labels(factors, len(array))
    every = _names(names, labels.shape[1])
    _check_finite("factors", labels, [f"column {f} ({name})" for f, name in enumerate(every)])
    if factor_bins is not None and factor_bins < 2:
        raise ValueError(f"`factor_bins` must be >= 2, got {factor_bins}")
    columns = [_classes(labels[:, f], name, factor_bins) for f, name in enumerate(every)]
    classes = np.stack(columns, axis=1)
    sizes = classes.max(axis=0) + 1
    dropped = tuple(name for name, size in zip(every, sizes, strict=True) if size == 1)
    if len(dropped) == len(every):
        raise ValueError(f"`factors` must vary, got one value throughout for {', '.join(dropped)}")
    if dropped:
        warn(f"constant factors are left out: {', '.join(dropped)}")
    return Table(
        codes=array,
        factors=np.ascontiguousarray(classes[:, sizes > 1]),
        names=tuple(name for name in every if name not in dropped),
        sizes=tuple(int(size) for size in sizes if size > 1),
        dropped_factors=dropped,
        dead_codes=tuple(int(d) for d in np.flatnonzero(array.min(axis=0) == array.max(axis=0))),
    )


def read_codes(argument: str, codes: CodesLike) -> Float64[np.ndarray, "N D"]:
    """Reads the codes of one model as float64, in row order.

    Raises:
        TypeError: if they are not an array of real numbers.
        ValueError: naming the argument, if the shape is not (N, D) with N and D at least 1, or a value is not finite.
    """
    array = _numbers(argument, codes)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"`{argument}` must have shape (N, D), with at least one row and column, got {array.shape}")
    _check_finite(argument, array, [f"column {d}" for d in range(array.shape[1])])
    return np.ascontiguousarray(array, dtype=np.float64)


def warn(message: str) -> None:
    """Warns the first caller that is not of this package."""
    package, level, frame = __name__.split(".")[0], 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == package:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def _numbers(argument: str, values: CodesLike) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        if values.is_complex():
            raise TypeError(f"`{argument}` must hold real numbers, got dtype {values.dtype}")
        values = values.detach().cpu()
        return (values.double() if values.is_floating_point() else values).numpy()
    if not isinstance(values, np.ndarray):
        raise TypeError(f"`{argument}` must be a tensor or a NumPy array, got {type(values).__name__}")
    if values.dtype.kind not in "biuf":
        raise TypeError(f"`{argument}` must hold real numbers, got dtype {values.dtype}")
    return values


def _labels(factors: CodesLike | None, count: int) -> np.ndarray:
    """The factors (N, F) in the type they came in."""
    if factors is None:
        raise ValueError(f"`factors` must be ground-truth labels (N, F), got None; without labels use {_LABEL_FREE}")
    labels = _numbers("factors", factors)
    labels = labels[:, None] if labels.ndim == 1 else labels
    if labels.ndim != 2 or labels.shape[1] == 0:
        raise ValueError(f"`factors` must have shape (N, F) or (N), got {tuple(labels.shape)}")
    if len(labels) != count:
        raise ValueError(f"`codes` and `factors` must have equally many rows, got {count} and {len(labels)}")
    return labels


def _names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"factor {f}" for f in range(count))
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"`names` must be F={count} different names, got {list(names)}")
    return tuple(names)


def _check_finite(argument: str, array: np.ndarray, columns: Sequence[str]) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(f"`{argument}` must be finite, got {array[row, column]} in row {row}, {columns[column]}")


def _classes(values: np.ndarray, name: str, bins: int | None) -> Int64[np.ndarray, " N"]:
    """The classes (N) of one factor, numbered by ascending value."""
    distinct, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    if bins is not None and len(distinct) > bins:
        # A value goes where the middle of its samples lies among all, so that equal values stay together.
        middle = np.cumsum(counts) - counts / 2
        distinct, groups = np.unique((middle * bins / len(values)).astype(np.int64), return_inverse=True)
        return groups[inverse].astype(np.int64)
    if values.dtype.kind == "f" and 2 * len(distinct) > len(values) > 2:
        raise ValueError(
            f"`factors` must be classes, got {len(distinct)} values of {name} in {len(values)} samples; "
            "set `factor_bins` to cut it into bins"
        )
    return inverse.astype(np.int64)

"""Factors out of labels: what values occur, whether every combination does, and in which row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from flowdis.data.grids import Factor, FactorGrid
from flowdis.paths import Unit

__all__ = ["factors_of", "row_order"]


def factors_of(
    labels: np.ndarray | Tensor,
    names: Sequence[str] | None,
    units: Mapping[str, Unit],
    periods: Mapping[str, float],
    unordered: Collection[str],
) -> tuple[list[Factor], Int[Tensor, "N F"]]:
    """Finds the values that each factor takes, and the class of each row.

    Arguments:
        labels: The value of each factor for each image, with shape (N, F).
        names: The names of the F factors; "factor 0" and so on if left out.
        units: Natural units, by name; steps where left out.
        periods: What circular factors are periodic in, by name.
        unordered: Names of factors whose values are mere categories; they become 0, 1, .. in ascending order.

    Returns:
        The factors, and the classes.

    Raises:
        TypeError: if labels are not numbers.
        ValueError: if they are not finite, or the names do not fit them.
    """
    table = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else labels
    if table.dtype.kind not in "biuf":
        raise TypeError(f"`factors` must hold numbers, got {table.dtype}")
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(f"`factors` must have shape (N, F), got {table.shape}")
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(f"`factors` must be finite, got {table[row, column]} in row {row}, column {column}")
    titles = tuple(f"factor {k}" for k in range(table.shape[1])) if names is None else tuple(names)
    if len(titles) != table.shape[1]:
        raise ValueError(f"`names` must name F={table.shape[1]} factors, got {', '.join(titles)}")
    unknown = [name for name in (*units, *periods, *unordered) if name not in titles]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not one of the factors, which are {', '.join(titles)}")
    factors, classes = [], []
    for name, column in zip(titles, table.T, strict=True):
        values, classed = np.unique(column, return_inverse=True)
        ordered = name not in unordered
        kept = tuple(map(float, values)) if ordered else tuple(map(float, range(len(values))))
        factors.append(Factor(name, kept, units.get(name, Unit("step")), periods.get(name), ordered))
        classes.append(classed.reshape(-1))
    return factors, torch.from_numpy(np.stack(classes, 1).astype(np.int64))


def row_order(grid: FactorGrid, classes: Int[Tensor, "N F"]) -> Int[Tensor, "N"] | None:
    """Finds the row of each combination.

    Arguments:
        grid: The factors.
        classes: The class of each factor in each row.

    Returns:
        The row of each combination in the order of the grid, or None if rows are in that order already.

    Raises:
        ValueError: if a combination is missing or occurs twice, naming the first.
    """
    numbers = grid.index(classes)
    counts = torch.bincount(numbers, minlength=len(grid))
    for wrong, words in ((counts == 0, "lack"), (counts > 1, "hold more than once")):
        if bool(wrong.any()):
            first = int(wrong.nonzero()[0])
            found = grid.values(torch.tensor(first)).tolist()
            named = ", ".join(f"{name} = {value:.6g}" for name, value in zip(grid.names, found, strict=True))
            twice = (numbers == first).nonzero()[:2, 0].tolist()
            rows = f" (rows {twice[0]} and {twice[1]})" if twice else ""
            sizes = " x ".join(map(str, grid.sizes))
            raise ValueError(
                f"`factors` must hold every combination of {sizes} values once, but {words} {int(wrong.sum())} of "
                f"{len(grid)}, the first {named}{rows}"
            )
    if torch.equal(numbers, torch.arange(len(grid))):
        return None
    return torch.empty_like(numbers).scatter_(0, numbers, torch.arange(len(grid)))

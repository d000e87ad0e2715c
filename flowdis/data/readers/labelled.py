"""Factor data out of a file's images and labels, with errors that name the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flowdis.data.factors import FactorImages
from flowdis.data.grids import FactorGrid
from flowdis.data.labels import factors_of, row_order
from flowdis.data.sources import ImageSource
from flowdis.paths import Unit

__all__ = ["DEGREE", "LENGTH", "SCALE", "labelled"]

DEGREE = Unit("degree", 45.0)
SCALE = Unit("factor", 1.25, logarithmic=True)
LENGTH = Unit("position", 0.25)


def labelled(
    path: Path,
    source: ImageSource,
    labels: np.ndarray,
    names: Sequence[str],
    *,
    name: str,
    units: Mapping[str, Unit] | None = None,
    periods: Mapping[str, float] | None = None,
    unordered: Sequence[str] = (),
) -> FactorImages:
    """Joins images and labels, whose values that occur are those of the factors.

    Arguments:
        path: The file or folder that both come from.
        source: The images.
        labels: The value of each factor for each image, in natural units, with shape (N, F).
        names: The names of the F factors.
        name: What the data are called.
        units: Natural units, by name.
        periods: What circular factors are periodic in, by name.
        unordered: Names of factors whose values are mere categories.

    Returns:
        The data.

    Raises:
        ValueError: naming the file, if lengths differ, labels are not of F factors, or a combination is missing.
    """
    if labels.ndim != 2 or labels.shape[1] != len(names) or len(labels) != len(source):
        wanted = f"a label of F={len(names)} factors ({', '.join(names)}) for each of N={len(source)} images"
        raise ValueError(f"{path} must hold {wanted}, got labels of shape {labels.shape}")
    try:
        factors, classes = factors_of(labels, names, units or {}, periods or {}, unordered)
        return FactorImages(factors, source, name=name, rows=row_order(FactorGrid(factors), classes))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the labels of {path} do not make a full grid: {error}") from error

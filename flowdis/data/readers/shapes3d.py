"""3dshapes (Burgess and Kim 2018), from its h5 file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from flowdis.data.factors import FactorImages
from flowdis.data.readers.download import locate, reading
from flowdis.data.readers.labelled import SCALE, labelled
from flowdis.data.sources import as_floats, shape_of
from flowdis.paths import Unit

if TYPE_CHECKING:
    from h5py import File

__all__ = ["SHAPES3D_FILE", "SHAPES3D_URL", "H5Images", "shapes3d"]

SHAPES3D_FILE = "3dshapes.h5"
SHAPES3D_URL = f"https://storage.googleapis.com/3d-shapes/{SHAPES3D_FILE}"

_NAMES = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
_HUES = _NAMES[:3]
_HUE = Unit("degree", 90.0)


def shapes3d(path: str | Path, *, download: bool = False, url: str | None = None) -> FactorImages:
    """Reads 3dshapes: 480,000 rooms, 64 x 64 in colour, of 10 x 10 x 10 hues, 8 scales, 4 shapes, 15 orientations.

    Hues are in degrees with period 360 (the file's 0, 0.1, .. 0.9 of a turn), orientations in degrees from -30 to 30.
    Opening reads the labels only; images are read from the file as they are asked for, by each process for itself.

    Arguments:
        path: The h5 file, or the folder that holds it or is to hold it.
        download: Whether to fetch the file where it is missing.
        url: The address of a mirror to fetch it from.

    Returns:
        The data, with factors floor_hue, wall_hue, object_hue, scale, shape, orientation.

    Raises:
        FileNotFoundError: if the file is missing and not to be downloaded.
        ImportError: if h5py is not installed.
        OSError: if a download fails.
        ValueError: if the file is damaged, a web page, or lacks a data set.
    """
    file = locate(path, SHAPES3D_FILE, title="3dshapes", download=download, url=url, official=SHAPES3D_URL)
    images = H5Images(file, "images")
    with reading(file, "h5 file"), _opened(file) as content:
        keys = list(content)
        labels = content["labels"][()] if "labels" in keys else None
    if labels is None:
        raise ValueError(f"{file} must hold 'labels', got {', '.join(keys) or 'nothing'}")
    if labels.ndim == 2 and labels.shape[1] == len(_NAMES):
        labels = np.concatenate([(labels[:, :3] * 360).round(6), labels[:, 3:]], axis=1)
    return labelled(
        file,
        images,
        labels,
        _NAMES,
        name="shapes3d",
        units={**dict.fromkeys(_HUES, _HUE), "scale": SCALE, "orientation": Unit("degree", 15.0)},
        periods=dict.fromkeys(_HUES, 360.0),
        unordered=("shape",),
    )


class H5Images:
    """uint8 images (N, H, W, C) in an h5 file, read row by row; each process opens the file for itself.

    Arguments:
        path: The file.
        key: The data set in it.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if the file is damaged, lacks the data set, or that does not hold such images.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._handle: tuple[int, File] | None = None
        with reading(path, "h5 file"), _opened(path) as content:
            keys = list(content)
            shape, dtype = (content[key].shape, content[key].dtype) if key in keys else ((), None)
        if dtype is None:
            raise ValueError(f"{path} must hold {key!r}, got {', '.join(keys) or 'nothing'}")
        if dtype != np.uint8 or len(shape) != 4:
            raise ValueError(f"{path} must hold {key!r} as uint8 with shape (N, H, W, C), got {dtype} {shape}")
        self._shape = tuple(shape)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return shape_of(self._shape[1:], "last")

    def __len__(self) -> int:
        return self._shape[0]

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_handle": None}

    def read(self, rows: np.ndarray) -> Tensor:
        """See `flowdis.data.sources.ImageSource.read`."""
        if self._handle is None or self._handle[0] != os.getpid():  # a forked process must not share the parent's
            self._handle = os.getpid(), _opened(self._path)
        once, places = np.unique(rows, return_inverse=True)
        runs = np.split(once, np.flatnonzero(np.diff(once) != 1) + 1)  # h5py reads slices twice as fast as lists
        with reading(self._path, "h5 file"):
            images = self._handle[1][self._key]
            pixels = np.concatenate([images[run[0] : run[-1] + 1] for run in runs])
        return as_floats(pixels[places.reshape(-1)], "last")


def _opened(path: Path) -> File:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ImportError('h5 files are read by h5py: pip install "flowdis[data]"') from error
    return h5py.File(path, "r")

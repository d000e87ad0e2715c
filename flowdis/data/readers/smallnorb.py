"""SmallNORB (LeCun, Huang, Bottou 2004), from its binary matrices."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.factors import FactorImages
from flowdis.data.readers.download import fetch, missing, reading
from flowdis.data.readers.labelled import labelled
from flowdis.data.sources import Resized, as_floats
from flowdis.paths import Unit

__all__ = ["SMALLNORB_PARTS", "SMALLNORB_URL", "MatrixImages", "read_matrix", "smallnorb"]

SMALLNORB_URL = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small"
SMALLNORB_PARTS = {
    "training": "smallnorb-5x46789x9x18x6x2x96x96-training",
    "testing": "smallnorb-5x01235x9x18x6x2x96x96-testing",
}

_TYPES = {
    0x1E3D4C51: "<f4",
    0x1E3D4C53: "<f8",
    0x1E3D4C54: "<i4",
    0x1E3D4C55: "u1",
    0x1E3D4C56: "<i2",
}
_NAMES = ("category", "instance", "elevation", "azimuth", "lighting")


def smallnorb(
    path: str | Path,
    part: Literal["training", "testing", "both"] = "both",
    *,
    camera: Literal["left", "right", "both"] = "left",
    image_size: int | None = None,
    download: bool = False,
    url: str | None = None,
) -> FactorImages:
    """Reads SmallNORB: toys of 5 categories, grey, 96 x 96, at 9 elevations, 18 azimuths and 6 lightings.

    Each part has 5 toys a category and 24,300 pairs of images, one of each camera. Elevations are in degrees (30 to
    70), azimuths in degrees with period 360. Images are read from the files as they are asked for.

    Arguments:
        path: The folder of the -dat.mat, -cat.mat and -info.mat files, unpacked.
        part: The toys: those published for training, for testing, or all ten of each category.
        camera: Whose images; with "both", the camera is a sixth factor.
        image_size: The height and width to shrink images to, antialiased; published work takes 64. As in the files if
            left out.
        download: Whether to fetch, and unpack, the files that are missing.
        url: The address of a folder that mirrors them, each packed as in `SMALLNORB_URL`.

    Returns:
        The data, with factors category, instance, elevation, azimuth, lighting (and camera).

    Raises:
        FileNotFoundError: if a file is missing and not to be downloaded.
        OSError: if a download fails.
        ValueError: if a file is damaged, a web page, or does not fit the others.
    """
    check_choice("part", part, (*SMALLNORB_PARTS, "both"))
    check_choice("camera", camera, ("left", "right", "both"))
    folder = Path(path).expanduser()
    stems = [SMALLNORB_PARTS[name] for name in (SMALLNORB_PARTS if part == "both" else (part,))]
    files = {kind: [_file(folder, f"{stem}-{kind}.mat", download, url) for stem in stems] for kind in _KINDS}
    labels = np.concatenate([_labels(*pair) for pair in zip(files["cat"], files["info"], strict=True)])
    cameras = ("left", "right") if camera == "both" else (camera,)
    images = MatrixImages(files["dat"], [("left", "right").index(name) for name in cameras])
    if camera == "both":
        second = np.tile([0, 1], len(labels))[:, None]
        labels = np.concatenate([labels.repeat(2, axis=0), second], axis=1)
    return labelled(
        folder,
        images if image_size is None else Resized(images, image_size),
        labels,
        (*_NAMES, "camera") if camera == "both" else _NAMES,
        name="smallnorb",
        units={"elevation": Unit("degree", 10.0), "azimuth": Unit("degree", 45.0)},
        periods={"azimuth": 360.0},
        unordered=("category", "instance", "lighting", "camera") if camera == "both" else _UNORDERED,
    )


_KINDS = ("dat", "cat", "info")
_UNORDERED = ("category", "instance", "lighting")


class MatrixImages:
    """Images of one or both cameras in -dat files (N, 2, H, W), one file after the other, mapped from disk.

    Arguments:
        paths: The files.
        cameras: Which cameras, 0 or 1; image by image, the cameras alternate.

    Raises:
        ValueError: if a file is damaged or does not hold such images.
    """

    def __init__(self, paths: Sequence[Path], cameras: Sequence[int]) -> None:
        self._paths, self._cameras = list(paths), np.array(cameras)
        shapes = [matrix.shape for matrix in map(read_matrix, paths)]
        for path, shape in zip(paths, shapes, strict=True):
            if len(shape) != 4 or shape[1] != 2 or shape[2:] != shapes[0][2:]:
                raise ValueError(f"{path} must hold image pairs of shape (N, 2, H, W), all of one size, got {shape}")
        self._starts = np.cumsum([0, *(shape[0] for shape in shapes)])
        self._size = shapes[0][2:]
        self._matrices: list[np.ndarray] | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(1, H, W)."""
        return 1, self._size[0], self._size[1]

    def __len__(self) -> int:
        return int(self._starts[-1]) * len(self._cameras)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_matrices": None}

    def read(self, rows: np.ndarray) -> Tensor:
        """See `flowdis.data.sources.ImageSource.read`."""
        if self._matrices is None:
            self._matrices = [read_matrix(path) for path in self._paths]
        pairs, cameras = rows // len(self._cameras), self._cameras[rows % len(self._cameras)]
        parts = np.searchsorted(self._starts, pairs, side="right") - 1
        pixels = np.empty((len(rows), *self._size), np.uint8)
        for part, matrix in enumerate(self._matrices):
            here = parts == part
            pixels[here] = matrix[pairs[here] - self._starts[part], cameras[here]]
        return as_floats(pixels, "none")


def read_matrix(path: Path) -> np.ndarray:
    """Maps a binary matrix: its kind and number of axes, at least three lengths (little-endian), then the numbers.

    Raises:
        ValueError: if the file is not such a matrix, or is cut short.
    """
    with reading(path, "binary matrix"), path.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise EOFError(f"{len(start)} bytes")
        magic, axes = struct.unpack("<Ii", start)
        if magic not in _TYPES:
            hint = "; it is packed: gunzip it first" if start[:2] == b"\x1f\x8b" else ""
            raise ValueError(f"it starts with {magic:#010x}, which is no known kind{hint}")
        if not 0 < axes <= 32:
            raise ValueError(f"{axes} axes")
        lengths = np.frombuffer(stream.read(4 * max(3, axes)), "<i4")
        if len(lengths) < max(3, axes):
            raise EOFError("the header ends early")
        shape = tuple(int(length) for length in lengths[:axes])
        return np.memmap(path, _TYPES[magic], "r", offset=stream.tell(), shape=shape)


def _file(folder: Path, name: str, download: bool, url: str | None) -> Path:
    path = folder / name
    if not path.exists():
        address = f"{(url or SMALLNORB_URL).rstrip('/')}/{name}.gz"
        if not download:
            packed = " (unpack the .gz beside it)" if path.with_name(f"{name}.gz").exists() else ""
            raise missing(path, f"SmallNORB has this file{packed}", address)
        fetch(address, path)
    return path


def _labels(categories: Path, information: Path) -> np.ndarray:
    """Category, instance, elevation and azimuth in degrees, and lighting of each pair, (N, 5)."""
    category, info = read_matrix(categories), read_matrix(information)
    if category.ndim != 1 or info.shape != (len(category), 4):
        raise ValueError(f"{information} must have shape {(len(category), 4)} as {categories}, got {info.shape}")
    instance, elevation, azimuth, lighting = info.T
    return np.stack([category, instance, 30 + 5 * elevation, 10 * azimuth, lighting], axis=1)

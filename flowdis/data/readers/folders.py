"""Falcor3D and Isaac3D (Nie et al. 2020, arXiv 2003.03461), from folders of numbered images with an array of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from flowdis.data.factors import FactorImages
from flowdis.data.readers.download import fetch_archive, missing, reading, refuse_page
from flowdis.data.readers.labelled import labelled
from flowdis.data.sources import Resized, as_floats
from flowdis.paths import Unit

__all__ = ["FolderImages", "falcor3d", "isaac3d"]

_FALCOR3D = (
    "lighting_intensity",
    "lighting_x",
    "lighting_y",
    "lighting_z",
    "camera_x",
    "camera_y",
    "camera_z",
)
_ISAAC3D = (
    "object_shape",
    "robot_x",
    "robot_y",
    "camera_height",
    "object_scale",
    "lighting_intensity",
    "lighting_y",
    "object_color",
    "wall_color",
)
_RANGE = Unit("range", 0.25)
_LABELS = ("labels.npy", "train-labels.npy", "train-rec.labels")


def falcor3d(
    path: str | Path, *, image_size: int | None = None, download: bool = False, url: str | None = None
) -> FactorImages:
    """Reads Falcor3D: 233,280 views of a living room, 128 x 128 or 1024 x 1024, of 5 x 6 x 6 x 6 x 6 x 6 x 6.

    Values of factors are scaled to [0, 1], as published. Images are read as they are asked for.

    Arguments:
        path: The folder that holds `images` (000000.png and so on) and the labels: `labels.npy`, `train-labels.npy`
            or, as in the copy of 128 x 128, `train-rec.labels`.
        image_size: The height and width to shrink images to, antialiased. As in the files if left out.
        download: Whether to fetch an archive of that folder where it is missing.
        url: Its address; the official one is a Google Drive folder, to be fetched by hand.

    Returns:
        The data, with factors lighting_intensity, lighting_x, lighting_y, lighting_z, camera_x, camera_y, camera_z.

    Raises:
        FileNotFoundError: if the folder, its labels or an image is missing.
        OSError: if a download fails.
        ValueError: if a file is damaged or a web page, or labels do not fit the images.
    """
    return _numbered(path, "Falcor3D", _FALCOR3D, (), image_size, download, url)


def isaac3d(
    path: str | Path, *, image_size: int | None = None, download: bool = False, url: str | None = None
) -> FactorImages:
    """Reads Isaac3D: 737,280 views of a kitchen, 128 x 128 or 512 x 512, of 3 x 8 x 5 x 4 x 4 x 4 x 6 x 4 x 4.

    Values of factors are scaled to [0, 1], as published; the object's shape and both colours are categories. Images
    are read as they are asked for. Arguments and errors are those of `falcor3d`.

    Returns:
        The data, with factors object_shape, robot_x, robot_y, camera_height, object_scale, lighting_intensity,
        lighting_y, object_color, wall_color.
    """
    unordered = ("object_shape", "object_color", "wall_color")
    return _numbered(path, "Isaac3D", _ISAAC3D, unordered, image_size, download, url)


class FolderImages:
    """Image files 000000.png and so on, read one by one.

    Arguments:
        folder: The folder.

    Raises:
        ValueError: if the first cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = sum(1 for path in folder.iterdir() if path.suffix == ".png")
        self._shape = self._load(0).shape

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, H, W)."""
        return self._shape[2], self._shape[0], self._shape[1]

    def __len__(self) -> int:
        return self._count

    def read(self, rows: np.ndarray) -> Tensor:
        """See `flowdis.data.sources.ImageSource.read`."""
        pixels = [self._load(int(row)) for row in rows]
        for row, image in zip(rows, pixels, strict=True):
            if image.shape != self._shape:
                raise ValueError(f"{self._path(int(row))} must have shape {self._shape}, got {image.shape}")
        return as_floats(np.stack(pixels), "last")

    def _path(self, row: int) -> Path:
        return self._folder / f"{row:06d}.png"

    def _load(self, row: int) -> np.ndarray:
        from PIL import Image

        path = self._path(row)
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; images are numbered from 000000.png without a gap")
        with reading(path, "image"), Image.open(path) as image:
            return np.asarray(image.convert("RGB"))


def _numbered(
    path: str | Path,
    title: str,
    names: Sequence[str],
    unordered: Sequence[str],
    image_size: int | None,
    download: bool,
    url: str | None,
) -> FactorImages:
    folder = Path(path).expanduser()
    content = f"{title} is a folder of images and an array of labels"
    if not folder.exists() or not any(folder.iterdir()):
        if not download or url is None:
            raise missing(folder, content, url)
        fetch_archive(url, folder, lambda member: member.suffix in (".png", ".npy", ".labels"))
    inner = [inside for inside in folder.iterdir() if inside.is_dir()]
    if len(inner) == 1 and inner[0].name != "images":  # an archive's topmost folder
        folder = inner[0]
    if not (folder / "images").is_dir():
        raise missing(folder / "images", content, url)
    found = next((folder / name for name in _LABELS if (folder / name).exists()), None)
    if found is None:
        named = f"{', '.join(_LABELS[:-1])} or {_LABELS[-1]}"
        raise missing(folder / _LABELS[0], f"{title} has its labels in {named}", url)
    refuse_page(found)
    with reading(found, "npy file"):
        labels = np.load(found, allow_pickle=False)
    images = FolderImages(folder / "images")
    return labelled(
        folder,
        images if image_size is None else Resized(images, image_size),
        np.round(labels, 6),
        names,
        name=title.lower(),
        units={name: _RANGE for name in names if name not in unordered},
        unordered=unordered,
    )

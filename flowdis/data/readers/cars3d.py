"""Cars3D (Reed, Zhang, Zhang, Lee 2015; cars of Fidler, Dickinson, Urtasun 2012), from its mat files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from flowdis.data.factors import FactorImages
from flowdis.data.grids import Factor, FactorGrid
from flowdis.data.readers.download import fetch_archive, missing, reading
from flowdis.data.sources import as_floats, resize
from flowdis.paths import Unit

__all__ = ["CARS3D_URL", "MeshImages", "cars3d"]

CARS3D_URL = "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz"


def cars3d(
    path: str | Path, *, image_size: int | None = None, download: bool = False, url: str | None = None
) -> FactorImages:
    """Reads Cars3D: 17,568 renderings of cars, 128 x 128 in colour, of 4 elevations, 24 azimuths and 183 cars.

    Azimuths are in degrees with period 360, 15 apart; elevations are steps. Cars are numbered by the sorted names of
    their files. Opening reads the headers only; the images are unpacked when the first is asked for, once a process:
    860 MB, or 216 MB at 64 x 64.

    Arguments:
        path: The folder of the mat files, one a car, or one above it that holds them in `cars` or `data/cars`.
        image_size: The height and width to shrink images to, antialiased; published work takes 64. As in the files if
            left out.
        download: Whether to fetch the archive that holds them, where the folder is missing.
        url: The address of a mirror of that archive.

    Returns:
        The data, with factors elevation, azimuth, object.

    Raises:
        FileNotFoundError: if there are no such files and they are not to be downloaded.
        OSError: if a download fails.
        ValueError: if a file is damaged, a web page, lacks `im`, or has another shape than the others.
    """
    folder = Path(path).expanduser()
    files = _files(folder)
    if not files and download:
        fetch_archive(url or CARS3D_URL, folder, _is_car)
        files = _files(folder)
    if not files:
        raise missing(folder / "*.mat", "Cars3D has one mat file a car", url or CARS3D_URL)
    images = MeshImages(files, image_size)
    views = images.views
    grid = FactorGrid(
        [
            Factor("elevation", tuple(map(float, range(views[1])))),
            Factor("azimuth", tuple(360.0 / views[0] * k for k in range(views[0])), Unit("degree", 45.0), 360.0),
            Factor("object", tuple(map(float, range(len(files)))), ordered=False),
        ]
    )
    elevation, azimuth, car = grid.classes(torch.arange(len(grid))).unbind(-1)
    rows = (car * views[0] + azimuth) * views[1] + elevation
    return FactorImages(grid.factors, images, name="cars3d", rows=rows)


class MeshImages:
    """Images `im` (H, W, C, A, E) of uint8 in mat files, one a car, in the order of cars, azimuths, elevations.

    Arguments:
        paths: The files.
        size: The height and width to shrink to, antialiased, if any.

    Raises:
        ValueError: if a file is damaged, lacks `im`, or has another shape than the others.
    """

    def __init__(self, paths: list[Path], size: int | None = None) -> None:
        self._paths, self._size = paths, size
        shapes = [_shape(path) for path in paths]
        for path, shape in zip(paths, shapes, strict=True):
            if len(shape) != 5 or shape != shapes[0]:
                wanted = f"the shape {shapes[0]} of {paths[0]}" if len(shapes[0]) == 5 else "shape (H, W, C, A, E)"
                raise ValueError(f"{path} must hold 'im' with {wanted}, got {shape}")
        self._shape = shapes[0]
        self._pixels: np.ndarray | None = None

    @property
    def views(self) -> tuple[int, int]:
        """The numbers of azimuths and elevations."""
        return self._shape[3], self._shape[4]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        height, width, channels = self._shape[:3]
        return channels, self._size or height, self._size or width

    def __len__(self) -> int:
        return len(self._paths) * self._shape[3] * self._shape[4]

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_pixels": None}

    def read(self, rows: np.ndarray) -> Tensor:
        """See `flowdis.data.sources.ImageSource.read`."""
        if self._pixels is None:
            self._pixels = np.concatenate([self._load(path) for path in self._paths])
        return as_floats(self._pixels[rows])

    def _load(self, path: Path) -> np.ndarray:
        """The bytes (A x E, C, H, W) of one car."""
        from scipy.io import loadmat

        with reading(path, "mat file", *_damage()):
            meshes = loadmat(path, variable_names=["im"])["im"]
        if meshes.dtype != np.uint8:
            raise ValueError(f"{path} must hold 'im' as uint8, got {meshes.dtype}")
        height, width, channels = self._shape[:3]
        pixels = meshes.transpose(3, 4, 2, 0, 1).reshape(-1, channels, height, width)
        if self._size is None:
            return pixels
        return (resize(as_floats(pixels), self._size) * 255).round().to(torch.uint8).numpy()


def _files(folder: Path) -> list[Path]:
    for place in (folder, folder / "cars", folder / "data" / "cars"):
        if found := sorted(path for path in place.glob("*.mat") if path.name[0] != "."):
            return found
    return []


def _is_car(member: PurePosixPath) -> bool:
    return member.parent.name == "cars" and member.suffix == ".mat" and member.name[0] != "."


def _damage() -> tuple[type[Exception], ...]:
    """What scipy raises, besides the usual, at mat files that are cut short or are none."""
    from scipy.io.matlab import MatReadError

    return MatReadError, TypeError, IndexError, KeyError


def _shape(path: Path) -> tuple[int, ...]:
    from scipy.io import whosmat

    with reading(path, "mat file", *_damage()):
        shapes = {name: shape for name, shape, _ in whosmat(path)}
    if "im" not in shapes:
        raise ValueError(f"{path} must hold 'im', got {', '.join(shapes) or 'nothing'}")
    return shapes["im"]

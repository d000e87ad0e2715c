"""Images out of npz and h5 files that say nothing but what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.readers.download import reading
from flowdis.data.sources import ArrayImages

__all__ = ["load_array"]

_USUAL = ("images", "imgs", "image", "x", "data", "frames", "arr_0")


def load_array(path: Path) -> Float[Tensor, "N C H W"]:
    """Reads the images of an npz or h5 file: the only array that can be images, or the one with a usual name.

    Arguments:
        path: The file, whose images are uint8, or floats in [0, 1], with shape (N, H, W), (N, H, W, C) or (N, C, H, W).

    Returns:
        The images in [0, 1] in float32, with shape (N, C, H, W).

    Raises:
        ImportError: if it is an h5 file and h5py is not installed.
        ValueError: if the file is damaged, or holds no array of images or several, none of them of a usual name.
    """
    shapes = _shapes(path)
    fitting = [name for name, shape in shapes.items() if len(shape) in (3, 4) and 0 not in shape and shape[0] > 1]
    usual = [name for name in _USUAL if name in fitting]
    if not usual and len(fitting) != 1:
        held = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
        raise ValueError(f"{path} must hold one array of images, or one called {' or '.join(_USUAL)}; it holds {held}")
    name = (usual or fitting)[0]
    try:
        images = ArrayImages(_array(path, name))
        return torch.as_tensor(images.read(np.arange(len(images))))
    except (TypeError, ValueError) as error:
        raise ValueError(f"array {name!r} of {path} does not hold images: {error}") from error


def _shapes(path: Path) -> Mapping[str, tuple[int, ...]]:
    if path.suffix.lower() == ".npz":
        with reading(path, "npz file"), np.load(path, allow_pickle=False) as archive:
            return {name: archive[name].shape for name in archive.files}
    try:
        import h5py
    except ImportError as error:
        raise ImportError("h5 files need h5py: pip install flowdis[data]") from error
    with reading(path, "h5 file"), h5py.File(path, "r") as file:
        return {name: tuple(item.shape) for name, item in file.items() if isinstance(item, h5py.Dataset)}


def _array(path: Path, name: str) -> np.ndarray:
    if path.suffix.lower() == ".npz":
        with reading(path, "npz file"), np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    import h5py

    with reading(path, "h5 file"), h5py.File(path, "r") as file:
        return np.asarray(file[name])

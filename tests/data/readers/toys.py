"""Small files in the true formats of published data sets, each with the images that are to come back."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def noise(*shape: int, high: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, high, shape, dtype=np.uint8)


def combinations(*axes: Sequence[float]) -> np.ndarray:
    return np.array(list(itertools.product(*axes)), dtype=np.float64)


def as_truth(images: np.ndarray, white: int = 255) -> torch.Tensor:
    """Images (N, H, W) or (N, H, W, C) as the floats (N, C, H, W) that readers give."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)) / white
    return pixels[:, None] if images.ndim == 3 else pixels.permute(0, 3, 1, 2)


DSPRITES_AXES = ([1.0], [1.0, 2.0, 3.0], [0.5, 1.0], np.linspace(0, 2 * np.pi, 5), [0.0, 1.0], [0.0, 0.5, 1.0])


def write_dsprites(path: Path, *, compressed: bool = True, without: str = "") -> torch.Tensor:
    latents = combinations(*DSPRITES_AXES)
    images = noise(len(latents), 4, 6, high=2)
    arrays = {
        "metadata": np.array({"author": "somebody", "latents_sizes": [1, 3, 2, 5, 2, 3]}, dtype=object),
        "imgs": images,
        "latents_classes": combinations(*map(range, map(len, DSPRITES_AXES))).astype(np.int64),
        "latents_values": latents,
    }
    arrays.pop(without, None)
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return as_truth(images, 1)


def write_shapes3d(path: Path, *, shuffled: bool = False, **changed: np.ndarray | None) -> torch.Tensor:
    import h5py

    labels = combinations([0.0, 0.5], [0.0, 0.1, 0.2], [0.3], [0.75, 1.25], [0, 1, 2, 3], [-30.0, 0.0, 30.0])
    images = noise(len(labels), 8, 8, 3)
    order = np.random.default_rng(2).permutation(len(labels)) if shuffled else np.arange(len(labels))
    content = {"images": images[order], "labels": labels[order], **changed}
    with h5py.File(path, "w") as file:
        for key, array in content.items():
            if array is not None:
                file.create_dataset(key, data=array, compression="gzip", chunks=True)
    return as_truth(images)


def write_matrix(path: Path, array: np.ndarray) -> None:
    """A binary matrix as NORB's: kind, number of axes, their lengths (at least three), numbers, all little-endian."""
    kinds = {
        "uint8": 0x1E3D4C55,
        "int32": 0x1E3D4C54,
        "float32": 0x1E3D4C51,
        "float64": 0x1E3D4C53,
        "int16": 0x1E3D4C56,
    }
    lengths = (*array.shape, 1, 1)[: max(3, array.ndim)]
    header = struct.pack("<Ii", kinds[array.dtype.name], array.ndim) + struct.pack(f"<{len(lengths)}i", *lengths)
    path.write_bytes(header + array.astype(array.dtype.newbyteorder("<")).tobytes())


NORB_TOYS = {"5x46789x9x18x6x2x96x96-training": (4, 6), "5x01235x9x18x6x2x96x96-testing": (0, 1)}


def write_smallnorb(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Both parts, rows in a random order as published, of two toys each; returns each one's labels and image pairs."""
    folder.mkdir(exist_ok=True)
    parts = {}
    for seed, (stem, toys) in enumerate(NORB_TOYS.items()):
        labels = combinations(range(5), toys, [0, 8], range(0, 36, 12), [0, 5]).astype(np.int32)
        labels = np.random.default_rng(seed).permutation(labels)
        pairs = np.random.default_rng(seed).integers(0, 256, (len(labels), 2, 6, 6), dtype=np.uint8)
        write_matrix(folder / f"smallnorb-{stem}-dat.mat", pairs)
        write_matrix(folder / f"smallnorb-{stem}-cat.mat", labels[:, 0].copy())
        write_matrix(folder / f"smallnorb-{stem}-info.mat", labels[:, 1:].copy())
        parts[stem] = labels, pairs
    return parts


def write_cars3d(folder: Path, cars: int = 3) -> np.ndarray:
    """Mat files of (H, W, C, 24 azimuths, 4 elevations); returns all of them, cars first."""
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    meshes = noise(cars, 8, 8, 3, 24, 4)
    for number, mesh in enumerate(meshes):
        savemat(folder / f"car_{number:03d}_mesh.mat", {"im": mesh}, do_compression=True)
    return meshes


def write_folder(folder: Path, labels_file: str, sizes: Sequence[int]) -> torch.Tensor:
    """Numbered images with labels in [0, 1], evenly spaced as published."""
    labels = combinations(*(np.linspace(0, 1, size) for size in sizes))
    images = noise(len(labels), 6, 6, 3)
    (folder / "images").mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / "images" / f"{number:06d}.png")
    with (folder / labels_file).open("wb") as stream:
        np.save(stream, labels)
    return as_truth(images)

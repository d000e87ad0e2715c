"""Arrays in npz archives: read by name, never unpickled, and large ones row by row where they are not compressed."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from torch import Tensor

from flowdis.data.readers.download import reading
from flowdis.data.sources import Channels, as_floats, shape_of

__all__ = ["NpzImages", "npz_array"]

_CHUNK = 1 << 20
_Stream = IO[bytes] | io.BufferedIOBase  # a zip's member is the latter and typed as the former


def npz_array(path: Path, key: str) -> np.ndarray:
    """Reads one whole array of an archive.

    Raises:
        ValueError: if the file is damaged, lacks the array (listing those that it has), or the array holds objects,
            which only unpickling could read.
    """
    _check_key(path, key)
    with reading(path, "npz file"), np.load(path, allow_pickle=False) as archive:
        return archive[key]


class NpzImages:
    """uint8 images in an archive: mapped from the file where they lie there as they are, else unpacked into memory.

    Opening reads the header only; compressed images are unpacked when the first one is asked for, once a process.
    Masks of 0 and 1 take one bit a pixel in memory.

    Arguments:
        path: The archive.
        key: The array, with shape (N, H, W), (N, H, W, C) or (N, C, H, W).
        channels: Where its channels stand.
        white: The value of full brightness.

    Raises:
        ValueError: if the file is damaged, lacks the array, or that does not hold such images.
    """

    def __init__(self, path: Path, key: str, *, channels: Channels, white: int = 255) -> None:
        _check_key(path, key)
        self._path, self._member, self._channels, self._white = path, f"{key}.npy", channels, white
        with reading(path, "npz file"), zipfile.ZipFile(path) as archive, archive.open(self._member) as stream:
            shape, fortran, dtype = _header(stream)
            self._stored = archive.getinfo(self._member).compress_type == zipfile.ZIP_STORED
        wanted = 3 if channels == "none" else 4
        if dtype != np.uint8 or len(shape) != wanted or fortran:
            layout = "(N, H, W)" if channels == "none" else "(N, H, W, C)"
            got = f"{dtype} {shape}{' in Fortran order' if fortran else ''}"
            raise ValueError(f"{path} must hold {key!r} as uint8 with shape {layout}, got {got}")
        self._shape = shape
        self._pixels: np.ndarray | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return shape_of(self._shape[1:], self._channels)

    def __len__(self) -> int:
        return self._shape[0]

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_pixels": None}

    def read(self, rows: np.ndarray) -> Tensor:
        """See `flowdis.data.sources.ImageSource.read`."""
        if self._pixels is None:
            with reading(self._path, "npz file"):
                self._pixels = self._mapped() if self._stored else self._unpacked()
        pixels = self._pixels[rows]
        if self._packs:
            pixels = np.unpackbits(pixels, axis=1, count=int(np.prod(self._shape[1:])))
            pixels = pixels.reshape(len(rows), *self._shape[1:])
        return as_floats(pixels, self._channels, self._white)

    @property
    def _packs(self) -> bool:
        return self._white == 1 and not self._stored

    def _mapped(self) -> np.ndarray:
        with zipfile.ZipFile(self._path) as archive, self._path.open("rb") as stream:
            local = archive.getinfo(self._member).header_offset
            stream.seek(local + 26)
            name, extra = struct.unpack("<HH", stream.read(4))
            stream.seek(local + 30 + name + extra)
            _header(stream)
            return np.memmap(self._path, np.uint8, "r", offset=stream.tell(), shape=self._shape)

    def _unpacked(self) -> np.ndarray:
        count, size = self._shape[0], int(np.prod(self._shape[1:]))
        pixels = np.empty((count, -(-size // 8) if self._packs else size), np.uint8)
        batch = max(1, _CHUNK // size)
        with zipfile.ZipFile(self._path) as archive, archive.open(self._member) as stream:
            _header(stream)
            for first in range(0, count, batch):
                rows = min(batch, count - first)
                chunk = np.frombuffer(stream.read(rows * size), np.uint8).reshape(rows, size)
                if self._packs and chunk.max() > 1:
                    raise ValueError(f"{self._member} must hold masks of 0 and 1, got {chunk.max()}")
                pixels[first : first + rows] = np.packbits(chunk, axis=1) if self._packs else chunk
            stream.read(1)  # at the end of a member its checksum is compared
        return pixels if self._packs else pixels.reshape(self._shape)


def _check_key(path: Path, key: str) -> None:
    with reading(path, "npz file"), zipfile.ZipFile(path) as archive:
        keys = [name.removesuffix(".npy") for name in archive.namelist()]
    if key not in keys:
        raise ValueError(f"{path} must hold the array {key!r}, got {', '.join(keys) or 'none'}")


def _header(stream: _Stream) -> tuple[tuple[int, ...], bool, np.dtype]:
    """The shape, order and type of the npy file whose start this is, read up to its first number."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)

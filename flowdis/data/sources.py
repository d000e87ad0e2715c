"""Where the images of a factor grid come from: an array, a file that is read row by row, or a renderer."""

from __future__ import annotations

import math
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "ArrayImages",
    "Channels",
    "ImageRenderer",
    "ImageSource",
    "Resized",
    "as_floats",
    "image_axes",
    "resize",
    "shape_of",
]

Channels = Literal["none", "first", "last"]
_Array = np.ndarray | Tensor
_Shape = tuple[int, int, int]


@runtime_checkable
class ImageSource(Protocol):
    """Images by row number. What is opened to read them is opened once a process, and left out of pickles."""

    @property
    def image_shape(self) -> _Shape:
        """(C, H, W)."""
        ...

    def __len__(self) -> int:
        """The number of rows."""
        ...

    def read(self, rows: np.ndarray) -> _Array:
        """Reads images, with shape (B, C, H, W): uint8 in 0..255, or floats in [0, 1].

        Arguments:
            rows: Row numbers in any order, any of them as often as it is named, with shape (B).
        """
        ...


@runtime_checkable
class ImageRenderer(Protocol):
    """Images by the values of their factors, at and between the values of the grid."""

    @property
    def image_shape(self) -> _Shape:
        """(C, H, W)."""
        ...

    def render(self, values: Float[Tensor, "B F"]) -> Float[Tensor, "B C H W"]:
        """Renders images in [0, 1], on the device of `values`, which are in natural units."""
        ...


class ArrayImages:
    """Images that lie in memory.

    Arguments:
        images: uint8 or bool, or floats in [0, 1], with shape (N, H, W), (N, H, W, C) or (N, C, H, W).
        channels: Where the channels stand; found out where left out, C being 1, 3 or 4.
        white: The value of full brightness in uint8; 255 where left out, but 1 if all values are 0 and 1.

    Raises:
        TypeError: if the values are of another type.
        ValueError: if floats lie outside [0, 1], or the axes are none of the above or could be two of them.

    Example:
        >>> ArrayImages(np.eye(4, dtype=np.uint8)[None]).read(np.array([0])).max().item()
        1.0
    """

    def __init__(self, images: _Array, *, channels: Channels | None = None, white: int | None = None) -> None:
        pixels = images.detach().cpu() if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
        self._channels = channels or image_axes(tuple(pixels.shape))
        self._white = _white(pixels, white)
        self._pixels = pixels

    @property
    def image_shape(self) -> _Shape:
        """(C, H, W)."""
        return shape_of(self._pixels.shape[1:], self._channels)

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, rows: np.ndarray) -> Tensor:
        """See `ImageSource.read`."""
        return as_floats(self._pixels[torch.from_numpy(rows)], self._channels, self._white)


def as_floats(images: _Array, channels: Channels = "first", white: int = 255) -> Tensor:
    """Makes float32 images (B, C, H, W) in [0, 1] out of a batch in any layout, bytes divided by `white`."""
    pixels = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    scale = white if pixels.dtype == torch.uint8 else 1
    pixels = pixels.to(torch.float32)
    pixels = pixels / scale if scale != 1 else pixels
    if channels == "none":
        return pixels[:, None]
    return pixels.movedim(-1, 1).contiguous() if channels == "last" else pixels


def image_axes(shape: tuple[int, ...]) -> Channels:
    """Where the channels of N images stand, by the shape of all.

    Raises:
        ValueError: if that cannot be told.
    """
    first, last = (len(shape) == 4 and shape[axis] in (1, 3, 4) for axis in (1, 3))
    if len(shape) == 3:
        return "none"
    if first and last:
        raise ValueError(f'`images` of shape {shape} may have channels first or last; say `channels="first"` or "last"')
    if not (first or last):
        raise ValueError(f"`images` must have shape (N, H, W), (N, H, W, C) or (N, C, H, W), got {shape}")
    return "first" if first else "last"


def shape_of(shape: tuple[int, ...], channels: Channels) -> _Shape:
    """(C, H, W) of an image of this shape."""
    if channels == "none":
        return 1, shape[0], shape[1]
    return (shape[2], shape[0], shape[1]) if channels == "last" else (shape[0], shape[1], shape[2])


def _white(pixels: Tensor, given: int | None) -> int:
    """The value that is white in bytes: the one given, else found by a look at all of them."""
    if not (pixels.is_floating_point() or pixels.dtype in (torch.uint8, torch.bool)):
        raise TypeError(f"`images` must hold uint8 in 0..255 or floats in [0, 1], got {pixels.dtype}")
    if not pixels.numel():
        raise ValueError(f"`images` must hold at least one pixel, got shape {tuple(pixels.shape)}")
    if not pixels.is_floating_point():
        return given or (1 if pixels.dtype == torch.bool or int(pixels.max()) <= 1 else 255)
    low, high = (float(value) for value in torch.aminmax(pixels))
    if not (-1e-6 <= low and high <= 1 + 1e-6):
        finite = math.isfinite(low) and math.isfinite(high)
        found = f"values from {low:.4g} to {high:.4g}" if finite else "values that are not finite"
        hint = "; divide by 255 first" if 2 < high <= 255 else ""
        raise ValueError(f"`images` must be uint8 or floats in [0, 1], got {found}{hint}")
    return 1


class Resized:
    """Images of another source, shrunk or enlarged to a square as they are read.

    Arguments:
        source: The images.
        size: The height and width.
    """

    def __init__(self, source: ImageSource, size: int) -> None:
        if size < 1:
            raise ValueError(f"`image_size` must be at least 1, got {size}")
        self._source, self._size = source, size

    @property
    def image_shape(self) -> _Shape:
        """(C, size, size)."""
        return self._source.image_shape[0], self._size, self._size

    def __len__(self) -> int:
        return len(self._source)

    def read(self, rows: np.ndarray) -> Tensor:
        """See `ImageSource.read`."""
        return resize(as_floats(self._source.read(rows)), self._size)


def resize(images: Float[Tensor, "B C H W"], size: int) -> Float[Tensor, "B C size size"]:
    """Shrinks or enlarges images to a square, antialiased, bilinear, so that none leaves [0, 1]."""
    scaled = torch.nn.functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return scaled.clamp(0, 1)

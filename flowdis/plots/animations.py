"""Animations: frames as a GIF that loops, every frame in the same colours."""

from __future__ import annotations

import io
import math
from pathlib import Path as FilePath

import numpy as np
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis._files import write_whole
from flowdis.plots.canvas import to_pixels
from flowdis.plots.sheets import contact_sheet

__all__ = ["gif_bytes", "save_gif"]

_COLOURS, _DISTINCT = 256, 2**14


def save_gif(
    frames: Float[Tensor, "T *batch C H W"],
    file: str | FilePath,
    *,
    seconds: float = 3.0,
    magnify: int = 4,
    there_and_back: bool = False,
    columns: int | None = None,
) -> FilePath:
    """Writes frames as a GIF that loops for ever; the file is written whole or not at all.

    All frames share one palette, chosen for all the colours that occur rather than for the commonest, so that
    nothing flickers and faint edges on a large black ground keep their shades.

    Arguments:
        frames: The frames, with shape (T, C, H, W), or (T, N, C, H, W) for N images side by side, in [0, 1].
        file: Where to write; its folder is made if it does not exist.
        seconds: How long one loop takes.
        magnify: How many pixels of the file one pixel becomes, across and down.
        there_and_back: Whether the frames then run backwards to the first.
        columns: Images in a row; up to 8 where left out.

    Returns:
        The file.

    Raises:
        ValueError: if frames have the wrong shape, do not lie in [0, 1], or a number is not positive.
        OSError: if the file cannot be written.
    """
    made = gif_bytes(frames, seconds=seconds, magnify=magnify, there_and_back=there_and_back, columns=columns)
    return write_whole(file, made)


def gif_bytes(
    frames: Float[Tensor, "T *batch C H W"],
    *,
    seconds: float = 3.0,
    magnify: int = 4,
    there_and_back: bool = False,
    columns: int | None = None,
) -> bytes:
    """The bytes of the GIF that `save_gif` writes.

    Raises:
        ValueError: if frames have the wrong shape, do not lie in [0, 1], or a number is not positive.
    """
    from PIL import Image

    check_positive("seconds", seconds)
    check_positive("magnify", magnify)
    pixels = to_pixels(contact_sheet(frames, columns=columns))
    if there_and_back and len(pixels) > 2:
        pixels = np.concatenate([pixels, pixels[-2:0:-1]])
    indices, palette = _palette(pixels)
    pictures = []
    for frame in indices.repeat(magnify, axis=1).repeat(magnify, axis=2):
        picture = Image.fromarray(frame)
        picture.putpalette(palette)
        pictures.append(picture)
    # A GIF counts in hundredths of a second, and viewers slow down frames shorter than two of them.
    duration = 10 * max(2, math.floor(100 * seconds / len(pictures) + 0.5))
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=duration,
        loop=0,
        disposal=1,
        optimize=False,
    )
    return stream.getvalue()


def _palette(pixels: np.ndarray) -> tuple[np.ndarray, bytes]:
    """Indices (T, H, W) into one palette of at most 256 colours, and that palette as bytes."""
    from PIL import Image

    colours, places = _distinct(pixels)
    chosen = np.arange(len(colours), dtype=np.uint8)
    if len(colours) > _COLOURS:
        # Of the distinct colours, however often each occurs: of all pixels most are black, which has its own entry.
        swatch = Image.fromarray(colours[None])
        reduced = swatch.quantize(_COLOURS - 1, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
        chosen = np.where(colours.any(axis=-1), np.asarray(reduced)[0], _COLOURS - 1).astype(np.uint8)
        count = np.bincount(chosen, minlength=_COLOURS).clip(1)
        sums = [np.bincount(chosen, channel, minlength=_COLOURS) for channel in colours.T.astype(float)]
        colours = np.floor(np.stack(sums, axis=-1) / count[:, None] + 0.5).astype(np.uint8)
    return chosen[places].reshape(pixels.shape[:-1]), colours.tobytes()


def _distinct(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct colours (N, 3), and which one each pixel has; in fewer bits where there are very many."""
    for lost in range(8):
        rounded = (pixels >> lost << lost).astype(np.uint32)
        red, green, blue = np.moveaxis(rounded | (rounded >> (8 - lost)), -1, 0)
        codes, places = np.unique((red << 16) | (green << 8) | blue, return_inverse=True)
        if len(codes) <= _DISTINCT:
            break
    return np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=-1).astype(np.uint8), places

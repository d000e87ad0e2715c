"""Animations: frames as a GIF that loops, every frame in the same colours."""

from __future__ import annotations

import io
import math
from pathlib import Path as FilePath

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.plots.canvas import to_pixels, write_whole
from flowdis.plots.strips import grid

__all__ = ["contact_sheet", "save_gif"]

_COLOURS = 256


def contact_sheet(
    frames: Float[Tensor, "T *batch C H W"], *, columns: int | None = None
) -> Float[Tensor, "T C height width"]:
    """The images of each frame side by side, with shape (T, C, h, w), from (T, C, H, W) or (T, N, C, H, W).

    Arguments:
        frames: The frames.
        columns: Images in a row; up to 8 where left out. What is missing in the last row is black.

    Raises:
        ValueError: if the frames have another shape or `columns` is not positive.
    """
    if frames.ndim not in (4, 5) or 0 in frames.shape:
        raise ValueError(
            f"`frames` must have shape (T, C, H, W) or (T, N, C, H, W), got {tuple(frames.shape)}"
        )
    if frames.ndim == 4:
        return frames
    check_positive("columns", 1 if columns is None else columns)
    count = frames.shape[1]
    across = min(count, 8) if columns is None else columns
    missing = -count % across
    blank = frames.new_zeros(len(frames), missing, *frames.shape[2:])
    rows = torch.cat([frames, blank], dim=1).unflatten(1, (-1, across))
    return torch.stack([grid(frame) for frame in rows])


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
    return write_whole(file, stream.getvalue())


def _palette(pixels: np.ndarray) -> tuple[np.ndarray, bytes]:
    """Indices (T, H, W) into one palette of at most 256 colours, and that palette as bytes."""
    from PIL import Image

    red, green, blue = np.moveaxis(pixels.astype(np.uint32), -1, 0)
    codes, inverse = np.unique((red << 16) | (green << 8) | blue, return_inverse=True)
    colours = np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=-1).astype(np.uint8)
    chosen = np.arange(len(colours), dtype=np.uint8)
    if len(colours) > _COLOURS:
        swatch = Image.fromarray(colours[None])
        reduced = swatch.quantize(
            _COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE
        )
        chosen = np.asarray(reduced)[0]
        # The mean of all colours that share an entry, exact for black and white where they have one to
        # themselves.
        count = np.bincount(chosen, minlength=_COLOURS).clip(1)
        colours = np.stack(
            [np.bincount(chosen, channel, minlength=_COLOURS) / count for channel in colours.T.astype(float)],
            axis=-1,
        )
        colours = np.floor(colours + 0.5).astype(np.uint8)
    return chosen[inverse].reshape(pixels.shape[:-1]), colours.tobytes()

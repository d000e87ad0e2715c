"""Sheets: several images laid out as one."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from flowdis._checks import check_positive

__all__ = ["contact_sheet", "grid"]


def grid(
    images: Shaped[Tensor, "R columns C H W"], *, gap: int = 2, background: float = 0.0
) -> Shaped[Tensor, "C height width"]:
    """Lays images out in rows and columns, as one image.

    Arguments:
        images: The images, with shape (R, columns, C, H, W).
        gap: Pixels between neighbours.
        background: The value of the pixels between.

    Returns:
        The image, with shape (C, R H + (R - 1) gap, columns W + (columns - 1) gap).

    Raises:
        ValueError: if there is no image, or `gap` is negative.

    Example:
        >>> grid(torch.ones(2, 3, 1, 4, 5), gap=1).shape
        torch.Size([1, 9, 17])
    """
    if images.ndim != 5 or images.numel() == 0 or gap < 0:
        raise ValueError(
            f"`images` must have shape (R, columns, C, H, W) and `gap` be at least 0, "
            f"got {tuple(images.shape)} and {gap}"
        )
    rows, columns, channels, height, width = images.shape
    padded = images.new_full((rows, columns, channels, height + gap, width + gap), background)
    padded[..., :height, :width] = images
    sheet = padded.permute(2, 0, 3, 1, 4).reshape(channels, rows * (height + gap), columns * (width + gap))
    return sheet[:, : rows * (height + gap) - gap, : columns * (width + gap) - gap]


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
        raise ValueError(f"`frames` must have shape (T, C, H, W) or (T, N, C, H, W), got {tuple(frames.shape)}")
    if frames.ndim == 4:
        return frames
    check_positive("columns", 1 if columns is None else columns)
    count = frames.shape[1]
    across = min(count, 8) if columns is None else columns
    missing = -count % across
    blank = frames.new_zeros(len(frames), missing, *frames.shape[2:])
    rows = torch.cat([frames, blank], dim=1).unflatten(1, (-1, across))
    return torch.stack([grid(frame) for frame in rows])

"""What happens to pixels: warps by matrices, turns of the hue, colouring; a whole batch in one pass."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from flowdis._types import Images

__all__ = ["colour", "turn_hue", "warp"]


def colour(images: Images, rgb: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> Tensor:
    """Colours grey images, so that a turn of the hue is seen: each channel is grey times the colour's.

    Arguments:
        images: Grey images, with shape (*, 1, H, W).
        rgb: The colour that white becomes, each channel in [0, 1].

    Returns:
        The images in that colour on black, with shape (*, 3, H, W).

    Raises:
        ValueError: if the images do not have one channel.

    Example:
        >>> colour(torch.ones(1, 1, 1))[:, 0, 0].tolist()
        [1.0, 0.0, 0.0]
    """
    if images.ndim < 3 or images.shape[-3] != 1:
        raise ValueError(f"`images` must be grey, with shape (*, 1, H, W), got {tuple(images.shape)}")
    return images * images.new_tensor(rgb).reshape(3, 1, 1)


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    r"""Turns the hue at constant value and saturation, as in HSV but in one closed form.

    With m and c the least channel and the spread of a pixel, and h in [0, 1) its hue, the channels are

    .. math:: R = m + c [6 |h - 1/2| - 1], \; G = m + c [2 - 6 |h - 1/3|], \; B = m + c [2 - 6 |h - 2/3|]

    where [.] clamps to [0, 1]; so h + turns takes the place of h. Grey stays grey.

    Arguments:
        images: The images, with shape (B, 3, H, W).
        turns: The turns in full circles, not negative, with shape (T, B).

    Returns:
        The turned images, with shape (T, B, 3, H, W).

    Raises:
        ValueError: if the images do not have 3 channels.
    """
    if images.shape[1] != 3:
        got = images.shape[1]
        raise ValueError(f"`images` must have 3 channels for hue, got {got}: colour them first (`colour`)")
    red, green, blue = images.unbind(1)
    low = images.amin(1)
    high = images.amax(1)
    chroma = high - low
    sextant = (6 * chroma).clamp_min(torch.finfo(images.dtype).tiny)
    is_green, is_red = (high == green).to(images.dtype), (high == red).to(images.dtype)
    hue = torch.lerp((red - green) / sextant + 2 / 3, (blue - red) / sextant + 1 / 3, is_green)
    hue = torch.lerp(hue, (green - blue) / sextant + 1, is_red)  # lerp by 0 or 1 picks, faster than where
    hue = (hue + turns[..., None, None]).frac()
    slope = 6 * chroma
    least, most = low - chroma, low + 2 * chroma

    def away(centre: float) -> Tensor:
        return (hue - centre).abs_().clamp(1 / 6, 1 / 3)

    channels = [
        torch.addcmul(least, slope, away(1 / 2)),
        torch.addcmul(most, slope, away(1 / 3), value=-1),
        torch.addcmul(most, slope, away(2 / 3), value=-1),
    ]
    return torch.stack(channels, dim=2)


def warp(images: Tensor, matrices: Tensor, mode: str) -> Tensor:
    """Moves images by matrices on centred pixel coordinates, x right and y down, over black.

    Arguments:
        images: The images, with shape (N, C, H, W).
        matrices: Where pixels go, in float64, with shape (N, 3, 3); the exact identity leaves an image as it
            is.
        mode: "bilinear", "nearest" or "bicubic".

    Returns:
        The moved images, with shape (N, C, H, W).
    """
    height, width = images.shape[-2:]
    back = torch.linalg.inv(matrices)[:, :2] * matrices.new_tensor([[2 / width], [2 / height]])
    x = torch.arange(width, dtype=back.dtype, device=back.device) - (width - 1) / 2
    y = torch.arange(height, dtype=back.dtype, device=back.device) - (height - 1) / 2
    across = (back[:, :, 0, None] * x).to(dtype=images.dtype).to(images.device)
    down = (back[:, :, 1, None] * y + back[:, :, 2, None]).to(dtype=images.dtype).to(images.device)
    grid = (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)
    moved = grid_sample(images, grid, mode=mode, padding_mode="zeros", align_corners=False)
    still = (matrices == torch.eye(3, dtype=matrices.dtype, device=matrices.device)).flatten(1).all(1)
    if not bool(still.any()):
        return moved
    return torch.where(still.to(images.device)[:, None, None, None], images, moved)

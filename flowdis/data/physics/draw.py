r"""Discs and rods as antialiased images: every point of a shape is spread over its four nearest pixels.

The share of a point at (x, y) that pixel (i, j) gets is that of bilinear interpolation,

.. math:: \Lambda(x - j) \, \Lambda(y - i), \qquad \Lambda(u) = \max(0, 1 - |u|),

so the brightness of a shape that lies in the image is its area, and its centroid its centre, to rounding, wherever
between pixels it is; edges are one pixel wide at half height. Positions are in pixels, x to the right and y down, pixel
centres at whole numbers.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["disc", "over", "rod"]

_Points = Float[Tensor, "B 2"]
_Coverage = Float[Tensor, "B H W"]
_Images = Float[Tensor, "B C H W"]

_STRIPS = 6  # a pixel of radius: no pixel is then off by more than 0.005
_LINES = 2  # a pixel of length and of width, so that rods are even to 0.005


def disc(centres: _Points, radius: float, size: int) -> _Coverage:
    """How much of each pixel a disc covers.

    The disc is cut into upright strips, each as high as the disc is in the mean over the strip.

    Arguments:
        centres: Its centres, with shape (B, 2).
        radius: Its radius in pixels.
        size: The height and width of the images.

    Returns:
        The coverage in [0, 1], with shape (B, size, size).

    Example:
        >>> disc(torch.tensor([[10.3, 12.9]]), 4.0, 24).sum() / math.pi
        tensor(16.0000)
    """
    edges, heights = _strips(radius, centres)
    pixels = torch.arange(size, dtype=centres.dtype, device=centres.device)
    x, y = centres.unbind(1)
    across = _up_to((x[:, None] + edges)[..., None] - pixels).diff(dim=1)
    top, bottom = y[:, None] + heights, y[:, None] - heights
    down = _up_to(top[..., None] - pixels) - _up_to(bottom[..., None] - pixels)
    return (down.mT @ across).clamp_(0, 1)  # where rounding leads out


def rod(starts: _Points, ends: _Points, width: float, size: int, *, longest: float) -> _Coverage:
    """How much of each pixel a straight rod covers.

    The rod is a grid of points, at most half a pixel apart, whose number does not depend on the batch.

    Arguments:
        starts: Where it begins, with shape (B, 2).
        ends: Where it ends, with shape (B, 2).
        width: Its width in pixels.
        size: The height and width of the images.
        longest: The greatest length in pixels that it can have.

    Returns:
        The coverage in [0, 1], with shape (B, size, size).

    Example:
        >>> rod(torch.tensor([[3.0, 8.5]]), torch.tensor([[13.0, 8.5]]), 1.0, 16, longest=10.0).sum()
        tensor(10.0000)
    """
    pixels = torch.arange(size, dtype=starts.dtype, device=starts.device)
    along = ends - starts
    length = along.norm(dim=1)
    count, lines = (math.ceil(_LINES * extent) for extent in (longest, width))
    steps = starts.new_tensor([(k + 0.5) / count for k in range(count)])
    aside = starts.new_tensor([width * ((k + 0.5) / lines - 0.5) for k in range(lines)])
    normal = torch.stack([-along[:, 1], along[:, 0]], 1) / length.clamp_min(1e-12)[:, None]
    middle = starts[:, None] + steps[:, None] * along[:, None]
    x, y = (middle[:, :, None] + aside[:, None] * normal[:, None, None]).flatten(1, 2).unbind(2)
    weight = (length * width / (count * lines))[:, None, None]
    return ((_spread(y[..., None] - pixels) * weight).mT @ _spread(x[..., None] - pixels)).clamp_max_(1)


def over(images: _Images, coverage: _Coverage, colour: tuple[float, ...]) -> _Images:
    """Lays a shape of one colour (C numbers) over images, in place, and returns them."""
    shade = images.new_tensor(colour)[:, None, None]
    return images.mul_(1 - coverage[:, None]).add_(coverage[:, None] * shade)


def _spread(offset: Tensor) -> Tensor:
    """The tent: what a pixel gets of a point, by their distance along one axis."""
    return offset.abs_().neg_().add_(1).clamp_min_(0)


def _up_to(offset: Tensor) -> Tensor:
    """The integral of the tent up to an offset, but for a constant."""
    offset = offset.clamp_(-1, 1)
    return offset * offset.abs().mul_(-0.5).add_(1)


def _strips(radius: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The edges (M + 1) of a disc's strips from its centre, narrower at its sides, and their half heights (M)."""
    count = math.ceil(_STRIPS * radius) + 4
    edges = [-math.cos(math.pi * k / count) for k in range(count + 1)]
    areas = [(u * math.sqrt(max(0.0, 1 - u * u)) + math.asin(u)) / 2 for u in edges]
    heights = [(areas[k + 1] - areas[k]) / (edges[k + 1] - edges[k]) for k in range(count)]
    return radius * like.new_tensor(edges), radius * like.new_tensor(heights)

"""Shapes of strokes, measured: how thick, how slanted, how wide, high, bright and long a bright character on black is.

All lengths are in pixels and finer than a pixel: partly covered pixels of an antialiased edge count by their share.
Slant is a slope, in the unit of the transformation "shear". Images in colour are measured by their brightest channel,
so that a turn of the hue changes nothing. What is measured is what Castro et al. 2019 measure (Morpho-MNIST, arXiv
1809.10780, section 3), with distances to the edge itself instead of to centres of pixels, and extents by coverage
instead of by a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from flowdis._checks import check_choice, check_images
from flowdis.data.pixels import warp
from flowdis.data.strokes import middle_thickness
from flowdis.paths import Unit

__all__ = ["MORPHOLOGY", "Measurement", "height", "intensity", "length", "morphology", "slant", "thickness", "width"]

_Images = Float[Tensor, "N C H W"]
_Values = Float[Tensor, "N"]

_FAINT = 1 / 255  # the least brightness that bytes can hold
_AT_ONCE = 500  # images whose edges are searched together


def thickness(images: _Images) -> _Values:
    """The thickness of the stroke in pixels: twice the mean distance from its middle line to its edge.

    The edge is where brightness, interpolated, crosses half of the image's greatest; the middle line is where edges of
    opposite directions are equally near, which no end or corner of a stroke changes. Bars of 1.5 pixels or more are
    measured to about 0.1 pixel. No gradient flows through it.

    Arguments:
        images: The images in [0, 1], bright on black, with shape (N, C, H, W).

    Returns:
        The thickness of each image, with shape (N).

    Raises:
        ValueError: if an image is black, or values do not lie in [0, 1].
    """
    grey, peak = _grey(images)
    parts = (grey / peak[:, None, None]).detach().split(_AT_ONCE)
    return torch.cat([middle_thickness(part) for part in parts])


def slant(images: _Images) -> _Values:
    r"""The slope by which a character leans to the right: 0 upright, 1 at 45 degrees; a number without unit.

    .. math:: s = - \operatorname{cov}(x, y) / \operatorname{var}(y)

    over the brightness as a density, x to the right and y down: the shear that makes the character's principal axis
    upright again. Shearing by a slope t adds exactly t.

    Arguments:
        images: The images in [0, 1], bright on black, with shape (N, C, H, W).

    Returns:
        The slant of each image, with shape (N).

    Raises:
        ValueError: if an image is black or no more than one row high, or values do not lie in [0, 1].

    Example:
        >>> slant(torch.eye(5).flip(1)[None, None]).item()
        1.0
    """
    return _slant(_grey(images)[0])


def width(images: _Images) -> _Values:
    """The width in pixels of the character set upright: sheared about its centre until its slant is 0.

    It is the brightest value of each column relative to the image's greatest, gaps between columns filled, summed over
    columns; so a column that an edge covers by a third counts as a third of a pixel.

    Arguments:
        images: The images in [0, 1], bright on black, with shape (N, C, H, W).

    Returns:
        The width of each image, with shape (N).

    Raises:
        ValueError: if an image is black or no more than one row high, or values do not lie in [0, 1].
    """
    grey, peak = _grey(images)
    return _extent(_upright(grey).amax(-2) / peak[:, None])


def height(images: _Images) -> _Values:
    """The height in pixels, measured over rows as `width` is over columns; no shear changes it.

    Arguments:
        images: The images in [0, 1], bright on black, with shape (N, C, H, W).

    Returns:
        The height of each image, with shape (N).

    Raises:
        ValueError: if an image is black, or values do not lie in [0, 1].

    Example:
        >>> height(torch.tensor([0.0, 0.5, 1.0, 0.25])[None, None, :, None]).item()
        1.75
    """
    grey, peak = _grey(images)
    return _extent(grey.amax(-1) / peak[:, None])


def intensity(images: _Images) -> _Values:
    """The brightness of the stroke in [0, 1]: the median of the pixels at least half as bright as the brightest.

    Arguments:
        images: The images in [0, 1], bright on black, with shape (N, C, H, W).

    Returns:
        The intensity of each image, with shape (N).

    Raises:
        ValueError: if an image is black, or values do not lie in [0, 1].

    Example:
        >>> intensity(torch.tensor([0.0, 0.2, 0.6, 0.6, 0.6])[None, None, None]).item()
        0.6000000238418579
    """
    grey, peak = _grey(images)
    inside = grey >= peak[:, None, None] / 2
    return torch.where(inside, grey, grey.new_tensor(torch.nan)).flatten(1).nanmedian(1).values


def length(images: _Images) -> _Values:
    """The length of the stroke in pixels: its area over its thickness.

    The area is the sum of brightness relative to the image's greatest. Of a bar it is the length, of a ring the
    circumference of its middle line; ends count up to where ink ends.

    Arguments:
        images: The images in [0, 1], bright on black, with shape (N, C, H, W).

    Returns:
        The length of each image, with shape (N).

    Raises:
        ValueError: if an image is black, or values do not lie in [0, 1].
    """
    return _area(images) / thickness(images)


@dataclass(frozen=True)
class Measurement:
    """Something that is measured on images.

    Arguments:
        measure: From images (N, C, H, W) to a value each, with shape (N).
        unit: What it is measured in.
    """

    measure: Callable[[Tensor], Tensor]
    unit: Unit


MORPHOLOGY: dict[str, Measurement] = {
    "thickness": Measurement(thickness, Unit("pixel", 0.6)),
    "slant": Measurement(slant, Unit("slope", 0.3)),
    "width": Measurement(width, Unit("pixel", 4.0)),
    "height": Measurement(height, Unit("pixel", 1.5)),
    "intensity": Measurement(intensity, Unit("brightness", 0.05)),
    "length": Measurement(length, Unit("pixel", 10.0)),
}
"""What can be measured, by name; one amount of a unit is about one standard deviation over handwritten digits."""


def morphology(images: _Images, names: Sequence[str] = tuple(MORPHOLOGY)) -> dict[str, _Values]:
    """Measures several things at once.

    Arguments:
        images: The images in [0, 1], bright on black, with shape (N, C, H, W).
        names: What to measure, out of `MORPHOLOGY`.

    Returns:
        By name, a value for each image, with shape (N).

    Raises:
        ValueError: if a name is unknown, an image is black, or values do not lie in [0, 1].
    """
    for name in names:
        check_choice("names", name, MORPHOLOGY)
    values = {name: MORPHOLOGY[name].measure(images) for name in names if name != "length"}
    if "length" in names:
        values["length"] = _area(images) / values["thickness"] if "thickness" in values else length(images)
    return {name: values[name] for name in names}


def _area(images: Tensor) -> Tensor:
    grey, peak = _grey(images)
    return (grey / peak[:, None, None]).sum((-1, -2))


def _grey(images: Tensor) -> tuple[Tensor, Tensor]:
    """The brightest channel (N, H, W), and its greatest value (N)."""
    check_images("images", images.detach())
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"`images` must have shape (N, C, H, W) with N >= 1, got {tuple(images.shape)}")
    grey = images.amax(1)
    peak = grey.flatten(1).amax(1)
    if bool((peak < _FAINT).any()):
        black = int((peak < _FAINT).nonzero()[0])
        raise ValueError(f"`images` must each show something bright on black, got nothing in image {black}")
    return grey, peak


def _slant(grey: Tensor) -> Tensor:
    x, y, density = _centred(grey)
    spread = (density * y.square()).sum((-1, -2))
    flat = spread < 1e-9
    if bool(flat.any()):
        raise ValueError(f"`images` must be more than one row high to have a slant, got image {int(flat.nonzero()[0])}")
    return -(density * x * y).sum((-1, -2)) / spread


def _centred(grey: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates (N, 1, W) and (N, H, 1) from the centre of brightness, and brightness (N, H, W) that sums to 1."""
    density = grey / grey.sum((-1, -2), keepdim=True)
    x = torch.arange(grey.shape[-1], device=grey.device, dtype=grey.dtype)
    y = torch.arange(grey.shape[-2], device=grey.device, dtype=grey.dtype)[:, None]
    return (
        x - (density * x).sum((-1, -2), keepdim=True),
        y - (density * y).sum((-1, -2), keepdim=True),
        density,
    )


def _upright(grey: Tensor) -> Tensor:
    """The images (N, H, W'), sheared along rows until the slant is 0, with room for what moves out."""
    slope = _slant(grey).to(torch.float64)
    _, y, _ = _centred(grey)
    room = min(int(slope.abs().max() * grey.shape[-2]) + 1, 4 * max(grey.shape[-2:]))
    wide = pad(grey, (room, room))[:, None]
    middle = -y[:, 0, 0].to(torch.float64) - (grey.shape[-2] - 1) / 2  # of brightness, from the middle row
    back = torch.eye(3, dtype=torch.float64, device=grey.device).repeat(len(grey), 1, 1)
    back[:, 0, 1], back[:, 0, 2] = slope, -slope * middle
    return warp(wide, back, "bilinear")[:, 0]


def _extent(profiles: Tensor) -> Tensor:
    """How far profiles (N, L) in [0, 1] reach from their first to their last value, gaps filled."""
    onward = profiles.cummax(-1).values
    backward = profiles.flip(-1).cummax(-1).values.flip(-1)
    return torch.minimum(onward, backward).sum(-1)

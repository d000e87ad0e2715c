"""Sprites: a white square, ellipse or heart on black, with the five factors of dSprites."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.factors import FactorImages
from flowdis.data.grids import Factor
from flowdis.data.render.checks import at_a_time, check_image_size, check_values
from flowdis.data.render.outlines import Frame, ellipse, heart, square
from flowdis.paths import Unit

__all__ = ["SpriteRenderer", "render_sprites", "sprites"]

_NAMES = ("shape", "scale", "orientation", "x", "y")
_SHAPES = {"square": square, "ellipse": ellipse, "heart": heart}
_CHUNK = 16  # images at a time on a CPU, whose maps stay in the cache


def sprites(*, image_size: int = 64, published: bool = False) -> FactorImages:
    """Renders sprites like those of dSprites (Matthey et al. 2017), at any values of their factors.

    Their factors, the last varying fastest, and what they mean at 64 x 64:

    - shape: 0 a square of side 22, 1 an ellipse of half axes 15 and 10, 2 a heart 27 wide, at scale 1.
    - scale: 6 values from 0.5 to 1.
    - orientation: 40 angles in degrees, counter-clockwise as seen, period 360. The square comes back after 90 and
      the ellipse after 180.
    - x: 32 positions of the centre of mass from 0 to 1, each a pixel further to the right: columns 16 to 47.
    - y: the same, downwards.

    A sprite never leaves the image, and grey at its edges is how much of the pixel it covers.

    Arguments:
        image_size: The height and width; all lengths grow with it.
        published: Whether orientations are those of dSprites, 40 from 0 to 360 with both ends, so that the first
            and the last show the same images; else 0, 9, .. 351.

    Returns:
        The images (1, image_size, image_size), rendered as they are asked for.

    Raises:
        ValueError: if `image_size` is not an integer of at least 8.

    Example:
        >>> data = sprites()
        >>> len(data), data[0].shape, [factor.values[-1] for factor in data.factors]
        (737280, torch.Size([1, 64, 64]), [2.0, 1.0, 351.0, 1.0, 1.0])
    """
    step = 360 / 39 if published else 9.0
    position = tuple(number / 31 for number in range(32))
    factors = [
        Factor("shape", (0.0, 1.0, 2.0), ordered=False),
        Factor("scale", (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), Unit("factor", 1.25, logarithmic=True)),
        Factor("orientation", tuple(step * number for number in range(40)), Unit("degree", 45.0), period=360.0),
        Factor("x", position, Unit("position", 0.25)),
        Factor("y", position, Unit("position", 0.25)),
    ]
    return FactorImages(factors, SpriteRenderer(check_image_size(image_size)), name="sprites")


@dataclass(frozen=True)
class SpriteRenderer:
    """Where the images of `sprites` come from, an `ImageRenderer`.

    Arguments:
        image_size: The height and width.
    """

    image_size: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return 1, self.image_size, self.image_size

    def render(self, values: Float[Tensor, "B 5"]) -> Float[Tensor, "B 1 H W"]:
        """See `render_sprites`."""
        return render_sprites(values, self.image_size)


@torch.no_grad()
def render_sprites(
    values: Float[Tensor, "B F"], image_size: int = 64, *, chunk: int | None = None
) -> Float[Tensor, "B 1 H W"]:
    """Renders sprites at any values of their factors; gradients are not followed.

    Arguments:
        values: Shape, scale, orientation, x and y, as `sprites` says, in float32 or float64, with shape (B, 5). Scales
            and positions beyond those of `sprites` may reach out of the image.
        image_size: The height and width.
        chunk: How many are rendered at a time; 16 on a CPU and 1024 elsewhere if left out.

    Returns:
        The images in [0, 1], in the dtype and on the device of `values`, with shape (B, 1, H, W).

    Raises:
        TypeError: if the values have another dtype.
        ValueError: naming factor and row, if a value is not finite, a shape is none of the three, or a scale is
            not positive.
    """
    check_values(values, _NAMES, tuple(_SHAPES), math.inf)
    images = values.new_empty(len(values), check_image_size(image_size), image_size)
    for number, draw in enumerate(_SHAPES.values()):
        for rows in (values[:, 0] == number).nonzero()[:, 0].split(chunk or at_a_time(values, _CHUNK)):
            _, scale, orientation, x, y = values[rows].unbind(1)
            unit = image_size / 64
            frame = Frame.of(image_size, unit * (31 * x + 16.5), unit * (31 * y + 16.5), torch.deg2rad(orientation))
            images[rows] = draw(frame, unit * scale)
    return images[:, None]

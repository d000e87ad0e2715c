"""The camera of the rooms: a pinhole that looks slightly down, and how much of its pixels lies inside outlines."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["DISTANCE", "HEIGHT", "PITCH", "Camera", "ramp", "seen"]

HEIGHT, DISTANCE = 2.3, 3.4  # of the camera, above the floor and from the middle of the room
PITCH = math.atan2(HEIGHT - 0.5, DISTANCE)
_FIELD_OF_VIEW = math.radians(54.0)
_SIN, _COS = math.sin(PITCH), math.cos(PITCH)

_Number = TypeVar("_Number", float, Tensor)


def seen(up: _Number, ahead: _Number) -> tuple[_Number, _Number]:
    """The components of a vector (x, up, ahead) along the axis of view, and upwards in the image."""
    return ahead * _COS - up * _SIN, ahead * _SIN + up * _COS


@dataclass(frozen=True)
class Camera:
    """The rays of a rectangle of pixels, from the camera at (0, HEIGHT, -DISTANCE).

    The axes are those of the level camera, from the middle of the floor: x to the right, y up, z ahead. A ray is
    (x, y, z), of unit length along the axis of view; x is the same down a column, y and z are the same along a row.

    Arguments:
        x: To the right, in the image too, with shape (W).
        rise: Upwards in the image, with shape (H, 1).
        y: Up, with shape (H, 1).
        z: Ahead, with shape (H, 1).
        step: The distance between pixels, in x and in rise.
    """

    x: Float[Tensor, " W"]
    rise: Float[Tensor, "H 1"]
    y: Float[Tensor, "H 1"]
    z: Float[Tensor, "H 1"]
    step: float

    @classmethod
    def of(cls, image_size: int, like: Tensor) -> Camera:
        """The camera of square images, in the dtype and on the device of `like`."""
        step = 2 * math.tan(_FIELD_OF_VIEW / 2) / image_size
        x = (torch.arange(image_size, dtype=like.dtype, device=like.device) - (image_size - 1) / 2) * step
        rise = -x[:, None]
        return cls(x, rise, rise * _COS - _SIN, rise * _SIN + _COS, step)

    def part(self, rows: slice, columns: slice = slice(None)) -> Camera:
        """The rays of a rectangle of pixels out of these."""
        return replace(self, x=self.x[columns], rise=self.rise[rows], y=self.y[rows], z=self.z[rows])

    def row(self, rise: float) -> float:
        """The row, counted from 0 in the middle of the first, at this height in the image."""
        return (len(self.rise) - 1) / 2 - rise / self.step

    def window(self, radius: float, height: float) -> tuple[slice, slice]:
        """The rows and columns that hold all that is seen of an upright box in the middle of the floor.

        Arguments:
            radius: Half its width and depth.
            height: Its height.
        """
        size = len(self.x)
        places = [seen(up, DISTANCE + side) for up in (-HEIGHT, height - HEIGHT) for side in (-radius, radius)]
        if min(depth for depth, _ in places) <= 0:
            return slice(0, size), slice(0, size)
        rises = [self.row(rise / depth) for depth, rise in places]
        wide = max(radius / depth for depth, _ in places)
        return _clipped(min(rises), max(rises), size), _clipped(self.row(wide), self.row(-wide), size)

    def along(self, vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch H W"]:
        """The product of vectors with the ray of each pixel."""
        x, y, z = vectors[..., None, None].unbind(-3)
        return (y * self.y + z * self.z) + x * self.x

    def beside(self, normals: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch H W"]:
        """How much of each pixel lies on the side of planes through the camera to which their normals point."""
        _, rising = seen(normals[..., 1], normals[..., 2])
        slopes = torch.hypot(normals[..., 0], rising) * self.step
        return ramp(self.along(normals * (1 / slopes)[..., None]))

    def inside(self, conics: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch H W"]:
        """How much of each pixel lies where a x^2 + b + c rise + d rise^2 > 0, for coefficients (a, b, c, d).

        The distance from the outline is taken as the function divided by its slope: its mean over the pixel, and the
        root of its mean square.
        """
        a, b, c, d = conics[..., None, None].unbind(-3)
        mean = ((d * self.rise + c) * self.rise + (b + (a + d) * (self.step**2 / 12))) + a * self.x.square()
        across, down = 2 * self.step * a * self.x, self.step * (2 * d * self.rise + c)
        slope = across.square() + (down.square() + (a.square() + d.square()) * (self.step**4 / 3))
        return ramp(mean.mul_(slope.rsqrt_()))


def ramp(distance: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The share of a pixel on the positive side of an edge at a signed distance in pixels; overwrites `distance`."""
    return distance.add_(0.5).clamp_(0, 1)


def _clipped(low: float, high: float, size: int) -> slice:
    """The pixels from `low` to `high` and one more on either side, out of `size`."""
    first = min(max(0, math.floor(low) - 1), size - 1)
    return slice(first, max(first + 1, min(size, math.ceil(high) + 2)))

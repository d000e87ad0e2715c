"""How rooms are turned before the camera, and lit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

__all__ = ["Pose", "lit", "pixelwise"]

_AMBIENT, _DIFFUSE = 0.52, 0.46
_ELEVATION = math.radians(58.0)

_Scalars = Float[Tensor, " U"]
_Vectors = Float[Tensor, "U 3"]


def lit(cosines: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The brightness of a surface by Lambert's law, above an ambient term, given normal . light."""
    # Of a pixel that holds a whole limb of a ball, the smoothed cosine may pass 1.
    return cosines.clamp(0, 1) * _DIFFUSE + _AMBIENT


def pixelwise(values: Shaped[Tensor, "*batch"]) -> Shaped[Tensor, "*batch 1 1"]:
    """One value for each pixel of a map."""
    return values[..., None, None]


@dataclass(frozen=True)
class Pose:
    """Axes of U rooms, in the level camera's x (right), y (up), z (ahead).

    A room is square, so it is the same, but for its light, after a quarter of a turn: the axes are those that are
    within 45 degrees of the camera's. The light is far away, and falls on the wall that is ahead at 0 degrees: a room
    turned by -a is the mirror image of one turned by a.

    Arguments:
        sine: Of the angle from the camera's axes to the room's, clockwise from above, with shape (U).
        cosine: Of the same.
        light: The direction towards the light, with shape (U, 3).
    """

    sine: _Scalars
    cosine: _Scalars
    light: _Vectors

    @classmethod
    def of(cls, orientation: _Scalars) -> Pose:
        """The pose of rooms around which the camera has walked to the right, by these angles in degrees."""
        whole = torch.deg2rad(orientation)
        folded = torch.deg2rad(orientation - 90 * (orientation / 90).round())
        flat = -math.cos(_ELEVATION)
        up = torch.full_like(whole, math.sin(_ELEVATION))
        return cls(folded.sin(), folded.cos(), torch.stack([flat * whole.sin(), up, flat * whole.cos()], -1))

    def part(self, rows: slice) -> Pose:
        """The pose of some of the rooms."""
        return Pose(self.sine[rows], self.cosine[rows], self.light[rows])

    @property
    def right(self) -> _Vectors:
        """The unit vector towards the wall on the right."""
        return torch.stack([self.cosine, torch.zeros_like(self.sine), -self.sine], -1)

    @property
    def far(self) -> _Vectors:
        """The unit vector towards the wall ahead."""
        return torch.stack([self.sine, torch.zeros_like(self.sine), self.cosine], -1)

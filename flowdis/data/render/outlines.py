"""How much of each pixel a square, an ellipse or a heart covers, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.render.coverage import coverage

__all__ = ["Frame", "ellipse", "heart", "square"]

_SIDE = 22.0
_HALF_AXES = 15.0, 10.0
_HEART = 16.0  # the side of the square in it
_MASS = (7 / 12 + 3 * math.pi / 16) / (1 + math.pi / 4)  # where its centre of mass is, along each side of that square

_Scalars = Float[Tensor, " U"]
_Lines = Float[Tensor, "U E"]
_Maps = Float[Tensor, "U H W"]


@dataclass(frozen=True)
class Frame:
    """The pixels, as seen from the centres of U sprites that are turned.

    Arguments:
        x: Pixels to the right of the centre, with shape (U, 1, W).
        y: Pixels above the centre, with shape (U, H, 1).
        angle: The turn in radians, counter-clockwise, with shape (U).
    """

    x: Float[Tensor, "U 1 W"]
    y: Float[Tensor, "U H 1"]
    angle: _Scalars

    @classmethod
    def of(cls, image_size: int, right: _Scalars, down: _Scalars, angle: _Scalars) -> Frame:
        """Square images, given how far the centres are from their left and upper edges."""
        pixels = torch.arange(image_size, dtype=right.dtype, device=right.device) + 0.5
        return cls(pixels - right[:, None, None], down[:, None, None] - pixels[:, None], angle)

    def strips(self, turns: Float[Tensor, " E"], centres: _Lines, halves: _Lines) -> Float[Tensor, "U E H W"]:
        """How much of each pixel lies in straight strips.

        Arguments:
            turns: The directions across the strips, in radians from the sprite's own right.
            centres: How far the middle of the strips is from the centre of the sprite, in that direction.
            halves: Half the width of the strips.
        """
        angles = self.angle[:, None] + turns
        right, up = angles.cos()[..., None, None], angles.sin()[..., None, None]
        offset = (up * self.y[:, None] - centres[..., None, None]) + right * self.x[:, None]
        return coverage(halves[..., None, None] - offset.abs_(), right.abs(), up.abs())

    def discs(self, right: _Lines, up: _Lines, radii: _Lines) -> Float[Tensor, "U E H W"]:
        """How much of each pixel lies in discs, at places counted from the centre, in the image's directions."""
        x, y = self.x[:, None] - right[..., None, None], self.y[:, None] - up[..., None, None]
        mean = (radii.square()[..., None, None] - 1 / 6 - y.square()) - x.square()
        return coverage(mean, 2 * x.abs(), 2 * y.abs())


def square(frame: Frame, scale: _Scalars) -> _Maps:
    """A square; at its corners the covered part of a pixel is taken as the product of two."""
    half = (scale * (_SIDE / 2))[:, None].expand(-1, 2)
    wide, high = frame.strips(half.new_tensor([0, math.pi / 2]), torch.zeros_like(half), half).unbind(1)
    return wide.mul_(high)


def ellipse(frame: Frame, scale: _Scalars) -> _Maps:
    """An ellipse, its longer axis level at angle 0, by the quadratic form that is 1 on its outline."""
    sine, cosine = frame.angle.sin(), frame.angle.cos()
    long, short = ((scale * axis).pow(-2) for axis in _HALF_AXES)
    xx, yy = cosine.square() * long + sine.square() * short, sine.square() * long + cosine.square() * short
    xx, xy, yy = (part[:, None, None] for part in (xx, sine * cosine * (long - short), yy))
    across, down = xx * frame.x + xy * frame.y, xy * frame.x + yy * frame.y
    mean = (1 - (xx + yy) / 12) - (across * frame.x).add_(down * frame.y)
    return coverage(mean, across.abs_().mul_(2), down.abs_().mul_(2))


def heart(frame: Frame, scale: _Scalars) -> _Maps:
    """A heart, its tip down at angle 0: a square on its corner, with half discs on its upper sides.

    Along the sides p and q of that square, the half discs lie where p or q is beyond them.
    """
    side = (scale * _HEART)[:, None]
    mass = side * _MASS
    turns = side.new_tensor([math.pi / 4, 3 * math.pi / 4])
    across_p, across_q = frame.strips(turns, (side / 2 - mass).expand(-1, 2), (side / 2).expand(-1, 2)).unbind(1)
    beyond_p, beyond_q = frame.strips(turns, (1.5 * side - mass).expand(-1, 2), (side / 2).expand(-1, 2)).unbind(1)
    angles = frame.angle[:, None] + turns
    along = torch.cat([side - mass, side / 2 - mass], 1)  # of the discs in p; the other way round in q
    right = along * angles[:, :1].cos() + along.flip(1) * angles[:, 1:].cos()
    up = along * angles[:, :1].sin() + along.flip(1) * angles[:, 1:].sin()
    disc_p, disc_q = frame.discs(right, up, (side / 2).expand(-1, 2)).unbind(1)
    return across_p.mul_(across_q).add_(beyond_p.mul_(disc_p)).add_(beyond_q.mul_(disc_q)).clamp_max_(1)

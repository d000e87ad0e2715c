"""The round objects of the rooms: cylinder, sphere and capsule, upright on the floor, cut by rays in closed form."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flowdis.data.render.camera import DISTANCE, HEIGHT, PITCH, Camera, ramp, seen
from flowdis.data.render.pose import Pose, lit, pixelwise

__all__ = ["view_round"]

_Scalars = Float[Tensor, " U"]
_Levels = Float[Tensor, "U E"]
_Conics = Float[Tensor, "U E 4"]
_Maps = Float[Tensor, "U H W"]


def view_round(
    camera: Camera, pose: Pose, radius: _Scalars, height: _Scalars, flat: Bool[Tensor, " U"]
) -> tuple[_Maps, _Maps]:
    """How much of each pixel upright round objects cover, and their brightness there.

    They are cylinders, with flat or with round ends; a sphere is one with round ends and nothing between them. A ray
    meets it where it meets the ball of the same radius about a point of its axis: the one as high as the point in
    which the ray cuts the endless cylinder, or the nearer end.

    Arguments:
        camera: The rays.
        pose: How the rooms are turned.
        radius: Half the width.
        height: The height.
        flat: Whether the ends are flat.
    """
    ends = torch.stack([torch.zeros_like(height), height], 1) + radius[:, None] * torch.where(
        flat[:, None], 0.0, height.new_tensor([1.0, -1.0])
    )
    outlines = torch.where(flat[:, None, None], _discs(radius[:, None], ends), _balls(radius[:, None], ends))
    lower, upper = camera.inside(outlines).unbind(1)
    depth = (HEIGHT - height).abs() * radius * (2 / (DISTANCE**2 * camera.step))  # of a lid in the image, in pixels
    upper = upper * pixelwise(torch.where(flat, depth.clamp_max(1), 1.0))  # at eye level it covers nothing
    cover = torch.maximum(torch.maximum(lower, upper), _between(camera, radius, ends))
    low, high = pixelwise(ends).unbind(1)
    level = _reach(camera, pixelwise(radius)).mul_(camera.y).add_(HEIGHT)
    level = torch.minimum(torch.maximum(level, low), high)
    shade = lit(_ball_cosines(camera, pose, pixelwise(radius), level))
    lid = (upper / cover.clamp_min(1e-6)).mul_(pixelwise(flat & (height < HEIGHT)))
    return cover, shade.add_((pixelwise(lit(pose.light[:, 1])) - shade).mul_(lid))


def _balls(radius: Float[Tensor, "U 1"], height: _Levels) -> _Conics:
    """The outlines of balls: the discriminant of the quadratic equation for the ray's length, over 4."""
    up = height - HEIGHT
    depth, rise = seen(up, torch.full_like(up, DISTANCE))
    outer = up.square() + (DISTANCE**2 - radius.square())
    return torch.stack([-outer, depth.square() - outer, 2 * depth * rise, rise.square() - outer], -1)


def _ball_cosines(camera: Camera, pose: Pose, radius: Tensor, height: Tensor) -> _Maps:
    """Normal . light where rays first meet balls on the axis, at one height or at one for each pixel."""
    up = height - HEIGHT
    outer = up.square().add_(DISTANCE**2 - radius.square())
    square = (camera.rise.square() + 1) + camera.x.square()
    towards = (up * camera.y).add_(DISTANCE * camera.z)
    depths = towards.square() - outer * square
    root = _root(depths, radius * (DISTANCE * camera.step))
    _, y, z = pixelwise(pose.light).unbind(1)
    reach = (towards - root).div_(square)
    return reach.mul_(camera.along(pose.light)).sub_(up.mul_(y).add_(DISTANCE * z)).div_(radius)


def _reach(camera: Camera, radius: Tensor) -> _Maps:
    """The lengths of rays up to an upright cylinder without ends."""
    depths = (radius * camera.z).square() - (DISTANCE**2 - radius.square()) * camera.x.square()
    root = _root(depths, radius * (DISTANCE * camera.step))
    return (DISTANCE * camera.z - root).div_(camera.x.square() + camera.z.square())


def _root(depths: _Maps, pixel: Tensor) -> _Maps:
    """The square root of a discriminant, or of its mean over the covered part of a pixel on the outline.

    There the discriminant changes by about 2 `pixel` from one pixel to the next. A bare root would have an infinite
    slope on the outline, and shades would jump as that moves.
    """
    return depths.square().add_(pixel.square()).sqrt_().add_(depths).mul_(0.5).sqrt_()


def _discs(radius: Float[Tensor, "U 1"], height: _Levels) -> _Conics:
    """The outlines of level discs, where rays cut their plane within them, times the square of the rays' slope."""
    up = height - HEIGHT
    sine, cosine = -math.sin(PITCH), math.cos(PITCH)  # a ray's slope is sine + cosine * rise
    level, rising = up * cosine - DISTANCE * sine, -up * sine - DISTANCE * cosine
    square = radius.square()
    terms = [
        -up.square(),
        square * sine**2 - level.square(),
        2 * (square * (sine * cosine) - level * rising),
        square * cosine**2 - rising.square(),
    ]
    return torch.stack(terms, -1)


def _between(camera: Camera, radius: _Scalars, ends: Float[Tensor, "U 2"]) -> _Maps:
    """How much of each pixel lies between the lines where rays touch an upright cylinder, between two heights."""
    sine = radius / DISTANCE
    cosine = (1 - sine.square()).sqrt()
    slope = torch.hypot(cosine, sine * math.sin(PITCH)) * camera.step
    inwards = pixelwise(sine / slope) * camera.z - pixelwise(cosine / slope) * camera.x.abs()
    ahead = (DISTANCE - radius * sine)[:, None].expand_as(ends)  # where they touch
    above = torch.stack([torch.zeros_like(ends), ahead, HEIGHT - ends], -1)
    above, below = camera.part(slice(None), slice(0, 1)).beside(above).unbind(1)
    return ramp(inwards).mul_(above * (1 - below))

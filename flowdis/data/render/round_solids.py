"""The round objects of the rooms: cylinder, sphere and capsule, upright on the floor, cut by rays in closed form."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.render.camera import DISTANCE, HEIGHT, PITCH, Camera, ramp, seen
from flowdis.data.render.pose import Pose, lit, pixelwise

__all__ = ["view_capsule", "view_cylinder", "view_sphere"]

_Scalars = Float[Tensor, " U"]
_Conics = Float[Tensor, "U 4"]
_Maps = Float[Tensor, "U H W"]
_View = tuple[_Maps, _Maps]


def view_sphere(camera: Camera, pose: Pose, radius: _Scalars, height: _Scalars) -> _View:
    """How much of each pixel a sphere covers, and its brightness there."""
    cosines = _ball_cosines(camera, pose, pixelwise(radius), pixelwise(radius))
    return camera.inside(_ball(radius, radius)), lit(cosines)


def view_cylinder(camera: Camera, pose: Pose, radius: _Scalars, height: _Scalars) -> _View:
    """How much of each pixel a cylinder with its caps covers, and its brightness there."""
    floor = torch.zeros_like(height)
    top, bottom = camera.inside(torch.stack([_disc(radius, height), _disc(radius, floor)], 1)).unbind(1)
    depth = (HEIGHT - height).abs() * radius * (2 / (DISTANCE**2 * camera.step))  # of the lid in the image, in pixels
    top = top * pixelwise(depth.clamp_max(1))  # a lid at eye level is a line, and covers nothing
    cover = torch.maximum(torch.maximum(top, bottom), _between(camera, radius, floor, height))
    reach = _side(camera, pixelwise(radius))
    x, y, z = pixelwise(pose.light).unbind(1)
    shade = lit((reach * (x * camera.x + z * camera.z)).sub_(DISTANCE * z).div_(pixelwise(radius)))
    lid = top.div_(cover.clamp_min(1e-6)).mul_(pixelwise(height < HEIGHT))
    return cover, shade.add_((lit(y) - shade).mul_(lid))


def view_capsule(camera: Camera, pose: Pose, radius: _Scalars, height: _Scalars) -> _View:
    """How much of each pixel a capsule covers, and its brightness there.

    A ray meets the capsule where it meets the ball of the same radius about a point of its axis: the one as high as
    the point in which the ray cuts the endless cylinder, or the nearer end.
    """
    low, high = radius, height - radius
    lower, upper = camera.inside(torch.stack([_ball(radius, low), _ball(radius, high)], 1)).unbind(1)
    cover = torch.maximum(torch.maximum(lower, upper), _between(camera, radius, low, high))
    level = _side(camera, pixelwise(radius)).mul_(camera.y).add_(HEIGHT)
    level = torch.minimum(torch.maximum(level, pixelwise(low)), pixelwise(high))
    return cover, lit(_ball_cosines(camera, pose, pixelwise(radius), level))


def _ball(radius: _Scalars, height: _Scalars) -> _Conics:
    """The outline of a sphere: the discriminant of the quadratic equation for the ray's length, over 4."""
    up = height - HEIGHT
    depth, rise = seen(up, torch.full_like(up, DISTANCE))
    outer = up.square() + DISTANCE**2 - radius.square()
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


def _side(camera: Camera, radius: Tensor) -> _Maps:
    """The lengths of rays up to an upright cylinder without ends."""
    outer = DISTANCE**2 - radius.square()
    depths = (radius * camera.z).square() - outer * camera.x.square()
    root = _root(depths, radius * (DISTANCE * camera.step))
    return (DISTANCE * camera.z - root).div_(camera.x.square() + camera.z.square())


def _root(depths: _Maps, pixel: Tensor) -> _Maps:
    """The square root of a discriminant, or of its mean over the covered part of a pixel on the outline.

    There the discriminant changes by about 2 `pixel` from one pixel to the next. A bare root would have an infinite
    slope on the outline, and shades would jump as that moves.
    """
    return depths.square().add_(pixel.square()).sqrt_().add_(depths).mul_(0.5).sqrt_()


def _disc(radius: _Scalars, height: _Scalars) -> _Conics:
    """The outline of a level disc, where rays cut its plane within it, times the square of their slope."""
    up = height - HEIGHT
    sine, cosine = -math.sin(PITCH), math.cos(PITCH)  # a ray's slope is sine + cosine * rise
    level, rising = up * cosine - DISTANCE * sine, -up * sine - DISTANCE * cosine
    square = radius.square()
    terms = [
        -up.square(),
        square * sine**2 - level.square(),
        2 * (square * sine * cosine - level * rising),
        square * cosine**2 - rising.square(),
    ]
    return torch.stack(terms, -1)


def _between(camera: Camera, radius: _Scalars, low: _Scalars, high: _Scalars) -> _Maps:
    """How much of each pixel lies between the lines where rays touch an upright cylinder, between two heights."""
    sine = radius / DISTANCE
    cosine = (1 - sine.square()).sqrt()
    slope = torch.hypot(cosine, sine * math.sin(PITCH)) * camera.step
    inwards = pixelwise(sine / slope) * camera.z - pixelwise(cosine / slope) * camera.x.abs()
    ahead, level = DISTANCE - radius * sine, torch.zeros_like(radius)  # where they touch
    above = torch.stack([level, ahead, HEIGHT - low], -1)
    below = torch.stack([level, -ahead, high - HEIGHT], -1)
    ends = camera.part(slice(None), slice(0, 1)).beside(torch.stack([above, below], 1)).prod(1)
    return ramp(inwards).mul_(ends)

"""The objects of the rooms: their sizes, how they look, and how they darken the floor around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.render.camera import DISTANCE, HEIGHT, Camera
from flowdis.data.render.cube import view_cube
from flowdis.data.render.pose import Pose, pixelwise
from flowdis.data.render.round_solids import view_capsule, view_cylinder, view_sphere

__all__ = ["SOLIDS", "Solid", "draw_solid"]

_Scalars = Float[Tensor, " U"]
_Maps = Float[Tensor, "U H W"]
_View = Callable[[Camera, Pose, Tensor, Tensor], tuple[Tensor, Tensor]]
_Shadow = Callable[[Pose, Tensor, Tensor, Tensor, Tensor], Tensor]

_DEPTH = 0.8  # of shadows: what ambient light the objects throw back is not followed


@dataclass(frozen=True)
class Solid:
    """A kind of object, in the middle of the floor.

    Arguments:
        name: What it is.
        radius: Half its width at scale 1.
        height: Its height at scale 1.
        reach: Half the width of the upright box that holds it however it is turned, in radii.
        view: How much of each pixel it covers and its brightness there, given rays, pose, radius and height.
        shadow: How much of the sky it hides from points of the floor, given pose, their x and z, radius and height.
    """

    name: str
    radius: float
    height: float
    reach: float
    view: _View
    shadow: _Shadow


def draw_solid(camera: Camera, pose: Pose, solid: Solid, scale: _Scalars, maps: Float[Tensor, "U 3 H W"]) -> None:
    """Draws an object over floor, walls and nothing.

    Arguments:
        camera: The rays.
        pose: How the rooms are turned.
        solid: The kind of object.
        scale: Its scale.
        maps: The brightness of floor, wall and object times their share of the pixel; changed in place.
    """
    largest = float(scale.max())
    rows, columns = camera.window(solid.radius * solid.reach * largest, solid.height * largest)
    cover, shade = solid.view(camera.part(rows, columns), pose, solid.radius * scale, solid.height * scale)
    maps[:, :2, rows, columns] *= (1 - cover)[:, None]
    maps[:, 2, rows, columns] = cover * shade


def cast_shadow(camera: Camera, pose: Pose, solid: Solid, scale: _Scalars) -> _Maps:
    """The light that reaches the floor, by how much of the sky the object hides from it."""
    reach = HEIGHT / -camera.y
    x, z = reach * camera.x, reach * camera.z - DISTANCE
    hidden = solid.shadow(pose, x, z, pixelwise(solid.radius * scale), pixelwise(solid.height * scale))
    return hidden.mul_(-_DEPTH).add_(1)


def _ball_shadow(pose: Pose, x: Tensor, z: Tensor, radius: Tensor, height: Tensor) -> Tensor:
    """The share of ambient light that a ball on the floor hides: cosine times the squared sine of its half angle."""
    share = (1 + (x.square() + z.square()) * radius.pow(-2)).reciprocal_()
    return share * share.sqrt()


def _cylinder_shadow(pose: Pose, x: Tensor, z: Tensor, radius: Tensor, height: Tensor) -> Tensor:
    away = (x.square() + z.square()).sqrt() - radius
    return _wall_shadow(away.clamp_min_(0), radius, height)


def _cube_shadow(pose: Pose, x: Tensor, z: Tensor, radius: Tensor, height: Tensor) -> Tensor:
    sine, cosine = pixelwise(pose.sine), pixelwise(pose.cosine)
    right = (cosine * x - sine * z).abs_().sub_(radius).clamp_min_(0)
    far = (sine * x + cosine * z).abs_().sub_(radius).clamp_min_(0)
    return _wall_shadow(right.square_().addcmul_(far, far).sqrt_(), radius, height)


def _wall_shadow(away: Tensor, radius: Tensor, height: Tensor) -> Tensor:
    """The share of ambient light that a wall hides at this distance, the less the farther, as it is not endless."""
    slope = away / torch.addcmul(height.square(), away, away).sqrt_()
    return slope.sub_(1).mul_(radius * -0.5).div_(away.add_(radius))


SOLIDS = (
    Solid("cube", 0.62, 1.24, 2**0.5, view_cube, _cube_shadow),
    Solid("cylinder", 0.62, 1.24, 1.0, view_cylinder, _cylinder_shadow),
    Solid("sphere", 0.7, 1.4, 1.0, view_sphere, _ball_shadow),
    Solid("capsule", 0.52, 1.66, 1.0, view_capsule, _ball_shadow),
)

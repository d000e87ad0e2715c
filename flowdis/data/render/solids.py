"""The objects of the rooms: their sizes, how they are drawn, and how they darken the floor around them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis.data.render.camera import DISTANCE, HEIGHT, Camera
from flowdis.data.render.cube import view_cube
from flowdis.data.render.pose import Pose, pixelwise
from flowdis.data.render.round_solids import view_round

__all__ = ["SOLIDS", "Solid", "draw_solids", "light_on_floor"]

_Scalars = Float[Tensor, " U"]
_Maps = Float[Tensor, "U H W"]

_DEPTH = 0.8  # of shadows: what ambient light the objects throw back is not followed


@dataclass(frozen=True)
class Solid:
    """A kind of object, in the middle of the floor.

    Arguments:
        name: What it is.
        radius: Half its width at scale 1.
        height: Its height at scale 1.
        reach: Half the width of the upright box that holds it however it is turned, in radii.
    """

    name: str
    radius: float
    height: float
    reach: float = 1.0


SOLIDS = (
    Solid("cube", 0.62, 1.24, 2**0.5),
    Solid("cylinder", 0.62, 1.24),
    Solid("sphere", 0.7, 1.4),
    Solid("capsule", 0.52, 1.66),
)
_CUBE, _CYLINDER = 0, 1


def draw_solids(
    camera: Camera,
    pose: Pose,
    shapes: Int[Tensor, " U"],
    scales: _Scalars,
    maps: Float[Tensor, "U 3 H W"],
    floor: slice,
) -> None:
    """Draws the objects over floor, walls and nothing, and darkens the floor around them.

    Arguments:
        camera: The rays.
        pose: How the rooms are turned.
        shapes: The kinds of the objects, ascending.
        scales: Their scales.
        maps: The brightness of floor, walls and object times their share of the pixel; changed in place.
        floor: The rows that hold all of the floor.
    """
    sizes = scales.new_tensor([(solid.radius, solid.height, solid.radius * solid.reach) for solid in SOLIDS])
    radius, height, reach = (sizes[shapes] * scales[:, None]).unbind(1)
    cubes, cylinders = torch.bincount(shapes, minlength=len(SOLIDS)).tolist()[:2]
    maps[:, 0, floor] *= light_on_floor(camera.part(floor), pose, cubes, cylinders, radius, height)
    for some, flat in ((slice(0, cubes), None), (slice(cubes, len(maps)), shapes[cubes:] == _CYLINDER)):
        if some.start == some.stop:
            continue
        rows, columns = camera.window(float(reach[some].max()), float(height[some].max()))
        place = camera.part(rows, columns), pose.part(some), radius[some], height[some]
        cover, shade = view_cube(*place) if flat is None else view_round(*place, flat)
        maps[some, :2, rows, columns] *= (1 - cover)[:, None]
        maps[some, 2, rows, columns] = cover.mul_(shade)


def light_on_floor(camera: Camera, pose: Pose, cubes: int, cylinders: int, radius: _Scalars, height: _Scalars) -> _Maps:
    """The light that reaches the floor, by how much of the sky the object hides from it.

    Arguments:
        camera: The rays, all of which meet the floor.
        pose: How the rooms are turned.
        cubes: How many objects are cubes, the first ones.
        cylinders: How many are cylinders, the next ones; others rest on a ball.
        radius: Half their width.
        height: Their height.
    """
    reach = HEIGHT / -camera.y
    x, z = reach * camera.x, reach * camera.z - DISTANCE
    square, radius, height = x.square().add_(z.square()), pixelwise(radius), pixelwise(height)
    light, walls = square.new_empty(len(radius), *square.shape), cubes + cylinders
    if cubes:
        light[:cubes] = _from_cube(x, z, pixelwise(pose.sine[:cubes]), pixelwise(pose.cosine[:cubes]), radius[:cubes])
    if cylinders:
        light[cubes:walls] = (square.sqrt() - radius[cubes:walls]).clamp_min_(0)
    if walls:
        light[:walls] = _wall_shadow(light[:walls], radius[:walls], height[:walls])
    if walls < len(light):
        light[walls:] = _ball_shadow(square, radius[walls:])
    return light.mul_(-_DEPTH).add_(1)


def _from_cube(x: Tensor, z: Tensor, sine: Tensor, cosine: Tensor, radius: Tensor) -> Tensor:
    """How far points of the floor are from an upright box along the walls."""
    right = (cosine * x - sine * z).abs_().sub_(radius).clamp_min_(0)
    far = (sine * x + cosine * z).abs_().sub_(radius).clamp_min_(0)
    return right.square_().addcmul_(far, far).sqrt_()


def _ball_shadow(square: Tensor, radius: Tensor) -> Tensor:
    """The share of the sky that a ball on the floor hides, its light weighed by the cosine.

    It is the cosine towards the ball's centre times the squared sine of its half angle, (1 + d^2 / r^2)^(-3/2).
    """
    share = (1 + square * radius.pow(-2)).reciprocal_()
    return share.mul_(share.sqrt())


def _wall_shadow(away: Tensor, radius: Tensor, height: Tensor) -> Tensor:
    """The share of the sky that an endless wall hides, the less the farther, as none is endless; changes `away`."""
    slope = away / (away.square() + height.square()).sqrt_()
    return slope.sub_(1).mul_(radius * -0.5).div_(away.add_(radius))

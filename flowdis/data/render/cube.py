"""The cube of the rooms: up to three faces, bounded and parted by straight lines."""

from __future__ import annotations

from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.render.camera import DISTANCE, HEIGHT, Camera
from flowdis.data.render.pose import Pose, lit, pixelwise

__all__ = ["view_cube"]

_Scalars = Float[Tensor, " U"]
_Vectors = Float[Tensor, "U 3"]
_Lines = Float[Tensor, "U E 3"]
_Maps = Float[Tensor, "U H W"]

# Corners on the floor are near left 0, near right 1, far right 2, far left 3; those above them are 4 to 7.
_EDGES = {
    "front left": (0, 4),
    "front below": (0, 1),
    "right below": (1, 2),
    "right back": (2, 6),
    "top back": (7, 6),
    "top left": (4, 7),
    "front right": (1, 5),
    "top right": (5, 6),
    "top front": (4, 5),
}


def view_cube(camera: Camera, pose: Pose, radius: _Scalars, height: _Scalars) -> tuple[_Maps, _Maps]:
    """How much of each pixel an upright box along the walls covers, and its brightness there.

    The front is seen, the top unless it is above the camera, and, after a mirroring where the room is turned to the
    other side, either the right side or none.

    Arguments:
        camera: The rays.
        pose: How the rooms are turned.
        radius: Half the width and depth.
        height: The height.
    """
    sine, level = pose.sine.abs(), torch.zeros_like(radius)
    sign = torch.where(pose.sine < 0, -1.0, 1.0).to(radius)
    mirror = torch.stack([sign, level + 1, level + 1], -1)
    right = torch.stack([pose.cosine, level, -sine], -1)
    far = torch.stack([sine, level, pose.cosine], -1)
    outline, parting = _lines(right, far, radius, height)
    shares = camera.beside(torch.cat([outline, parting], 1) * mirror[:, None])
    before, beside, above = shares[:, 6:].unbind(1)
    front, side, top = (1 - above) * before, (1 - before) * beside, (1 - beside) * above
    light = pose.light * mirror
    bright = lit(torch.stack([-(light * far).sum(-1), (light * right).sum(-1), light[:, 1]], -1))
    bright_front, bright_side, bright_top = pixelwise(bright).unbind(1)
    shade = front * bright_front + side * bright_side + top * bright_top
    cover = reduce(torch.mul, shares[:, :6].unbind(1))
    return cover, shade / (front + side + top)  # in a pixel with all three they miss 1


def _lines(right: _Vectors, far: _Vectors, radius: _Scalars, height: _Scalars) -> tuple[Tensor, Tensor]:
    """Planes through the camera and edges, by their normals.

    Returns:
        Six of the outline, inwards, with shape (U, 6, 3); and, with shape (U, 3, 3), those that part faces: towards
        the front, away from the right side; towards the right side, away from the top; towards the top, away from the
        front.
    """
    right, far = right * radius[:, None], far * radius[:, None]
    level, half = torch.zeros_like(height), height / 2
    middle = torch.stack([level, half - HEIGHT, level + DISTANCE], -1)
    rise = torch.stack([level, half, level], -1)
    base = torch.stack([-right - far, right - far, right + far, far - right], 1)
    corners = torch.cat([base - rise[:, None], base + rise[:, None]], 1) + middle[:, None]
    starts, ends = ([edge[end] for edge in _EDGES.values()] for end in (0, 1))
    normals = torch.linalg.cross(corners[:, starts], corners[:, ends])

    edge = dict(zip(_EDGES, _towards(normals, middle[:, None]).unbind(1), strict=True))
    side = (DISTANCE * right[:, 2] < -radius.square())[:, None]  # whether the camera is beyond its plane
    top = (height < HEIGHT)[:, None]
    all_of_it = torch.stack([level, level, level + 1], -1)
    outline = [
        edge["front left"],
        edge["front below"],
        torch.where(side, edge["right below"], torch.where(top, edge["top right"], all_of_it)),
        torch.where(side, edge["right back"], edge["front right"]),
        torch.where(top, edge["top back"], edge["top front"]),
        torch.where(top, edge["top left"], torch.where(side, edge["top right"], all_of_it)),
    ]
    faces = torch.stack([middle - far, middle + right, middle + rise], 1)
    before, beside, above = _towards(normals[:, 6:], faces).unbind(1)
    parting = [
        torch.where(side, before, all_of_it),
        torch.where(side, torch.where(top, beside, all_of_it), -all_of_it),
        torch.where(top, above, -all_of_it),
    ]
    return torch.stack(outline, 1), torch.stack(parting, 1)


def _towards(normals: _Lines, points: Float[Tensor, "U #E 3"]) -> _Lines:
    """The normals, turned round where they do not point towards the points."""
    return torch.where((normals * points).sum(-1, keepdim=True) < 0, -normals, normals)

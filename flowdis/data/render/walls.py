"""The room itself: a square floor and its walls, up to any height."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.render.camera import DISTANCE, HEIGHT, Camera, seen
from flowdis.data.render.pose import Pose, lit, pixelwise

__all__ = ["HALF_WIDTH", "draw_walls"]

HALF_WIDTH = 2.6  # of the room; the camera stands behind the wall that it does not see


def draw_walls(camera: Camera, pose: Pose, floor: Float[Tensor, "U H W"], wall: Float[Tensor, "U H W"]) -> slice:
    """Draws the brightness of the walls, and how much of each pixel is floor.

    Two corners part the view into three sectors, in each of which one edge parts floor and wall. So the shares of
    floor and walls add up to 1 in every pixel, where three of them meet too.

    Arguments:
        camera: The rays.
        pose: How the rooms are turned.
        floor: Where the share of the floor goes, 0 so far.
        wall: Where the brightness of the walls times their share goes, 0 so far.

    Returns:
        The rows that hold all of the floor.
    """
    outward = torch.stack([-pose.right, pose.far, pose.right], 1)
    shades = pixelwise(lit(-(outward * pose.light[:, None]).sum(-1)))
    corners = (outward[:, [0, 2]] + outward[:, 1:2]) * HALF_WIDTH
    first, last = _boundary(camera, _edges(outward), corners)
    floor[:, last:] = 1
    left, right = camera.part(slice(0, last)).beside(_beyond(corners)).unbind(1)
    ahead = 1 - left - right
    sectors = torch.stack([left, ahead, right], 1)
    wall[:, :first] = (sectors[:, :, :first] * shades).sum(1)
    band = sectors[:, :, first:]
    floors = band * camera.part(slice(first, last)).beside(_edges(outward))
    floor[:, first:last] = floors.sum(1)
    wall[:, first:last] = ((band - floors) * shades).sum(1)
    return slice(first, None)


def _edges(outward: Float[Tensor, "U 3 3"]) -> Float[Tensor, "U 3 3"]:
    """Planes through the camera and the lower edges of walls, their normals towards the floor."""
    gaps = HALF_WIDTH + DISTANCE * outward[..., 2]
    return torch.stack([-HEIGHT * outward[..., 0], -gaps, -HEIGHT * outward[..., 2]], -1)


def _beyond(corners: Float[Tensor, "U 2 3"]) -> Float[Tensor, "U 2 3"]:
    """Planes through the camera and the corners on the left and on the right, their normals outwards."""
    ahead = corners[..., 2] + DISTANCE
    normals = torch.stack([ahead, torch.zeros_like(ahead), -corners[..., 0]], -1)
    return normals * normals.new_tensor([[-1.0], [1.0]])


def _boundary(camera: Camera, edges: Tensor, corners: Tensor) -> tuple[int, int]:
    """The first row with some floor, and the row from which on there is nothing else."""
    depth, rise = seen(torch.full_like(corners[..., 2], -HEIGHT), corners[..., 2] + DISTANCE)
    rows = len(camera.rise)
    first = min(max(0, math.floor(camera.row(float((rise / depth).max()))) - 1), rows)
    sides = camera.part(slice(None), slice(None, None, len(camera.x) - 1))
    floor = (sides.beside(edges) == 1).transpose(1, 2).flatten(2).all(2).all(0)  # a floor is convex
    return first, max(first, rows - int(floor.flip(0).cumprod(0).sum()))

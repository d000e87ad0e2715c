"""Middle lines of strokes and the distance from them to the edge, finer than a pixel."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

__all__ = ["middle_thickness"]

_FINER = 2  # as many points a pixel and side are looked at
_STEP = 0.5  # pixels from a point to the one across the middle line
_OPPOSITE = -0.5  # the greatest cosine between the directions of two edges that are opposite
_EXACT = 2.0**20  # coordinates are multiples of its inverse, so that sums and differences of them are exact
_ASIDE = np.array([181.0, 313.0]) / _EXACT  # points stand off the grid: few edges are equally near, in any batch


def middle_thickness(relative: Float[Tensor, "N H W"]) -> Float[Tensor, "N"]:
    """Twice the mean distance from the middle line of what is brighter than 1/2 to its edge, in pixels.

    From a point at distance d from the nearest edge, a step a away from that edge leads to a point at distance d'. If
    another edge, of the opposite direction, is nearest there, the middle line was crossed, where the distance is
    (d + d' + a) / 2. Points lie on an even grid, so that as many fall within a step of each piece of the line, and the
    mean over points is that along the line. Where there is no such point, as in a mere dot, the greatest distance is
    taken.

    Arguments:
        relative: Images whose brightest pixel is 1.

    Returns:
        The thickness of each image, at least about 1.
    """
    from scipy.spatial import KDTree

    framed = pad(relative[:, None].to("cpu", torch.float64), (1, 1, 1, 1))  # what touches the border ends there
    fine = interpolate(framed, scale_factor=_FINER, mode="bilinear", align_corners=False)[:, 0].numpy()
    count, rows, columns = fine.shape
    apart = np.array([2.0 * (rows + columns), 0.0])  # from one image to the next, so that one tree serves all
    owner, *inside = (fine >= 0.5).nonzero()
    points = np.stack(inside[::-1], 1) + owner[:, None] * apart + _ASIDE
    tree = KDTree(_edges(fine, apart))
    near, first = tree.query(points)
    away = (points - tree.data[first]) / np.maximum(near, 1e-9)[:, None]
    across = points + _STEP * _FINER * away
    far, second = tree.query(across)
    back = across - tree.data[second]
    crossed = (away * back).sum(1) < _OPPOSITE * far
    half = (near + far + _STEP * _FINER) / 2
    found = np.bincount(owner[crossed], minlength=count)
    sums = np.bincount(owner[crossed], weights=half[crossed], minlength=count)
    greatest = np.zeros(count)
    np.maximum.at(greatest, owner, near)
    mean = np.where(found > 0, sums / np.maximum(found, 1), greatest)
    return torch.from_numpy(2 * mean / _FINER).to(relative)


def _edges(values: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """The points (E, 2), x and y, where interpolated values cross 1/2 between neighbours of a row or column."""
    found = []
    for axis in (2, 1):
        before = values[:, :, :-1] if axis == 2 else values[:, :-1]
        after = values[:, :, 1:] if axis == 2 else values[:, 1:]
        owner, *place = ((before >= 0.5) != (after >= 0.5)).nonzero()
        index = (owner, *place)
        here, there = before[index], after[index]
        point = np.stack(place[::-1], 1).astype(np.float64)
        point[:, 2 - axis] += np.round((0.5 - here) / (there - here) * _EXACT) / _EXACT
        found.append(point + owner[:, None] * apart)
    return np.concatenate(found)

"""How much of a pixel lies inside a shape: exact areas instead of thresholds, so edges move smoothly."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["coverage"]

_Map = Float[Tensor, "..."]


def coverage(value: _Map, across: _Map, down: _Map) -> _Map:
    r"""The share of each pixel in which a function is positive, the function being linear within the pixel.

    With v the mean of the function over the pixel and a, b how much it changes from one pixel to the next, to the
    right and downwards, this is the area of

    .. math:: \{(x, y) \in [-1/2, 1/2]^2 : v + a x + b y > 0\},

    a triangle, a trapezium, or what such a one leaves: exact for straight edges. A curved edge is taken as straight
    within each pixel; as `value` is a mean, the areas on both sides come out right to second order all the same.

    Arguments:
        value: The mean of the function over each pixel: its value at the centre, plus a twenty-fourth of its
            Laplacian, in pixels, where it is curved; with any shape.
        across: The size of its change from one pixel to the next, to the right; broadcast to `value`.
        down: The size of its change from one pixel to the next, downwards; broadcast to `value`.

    Returns:
        The shares in [0, 1], in the shape of `value`.

    Example:
        >>> coverage(torch.tensor([-1.0, -0.25, 0.0, 1.0]), torch.tensor(1.0), torch.tensor(0.0)).tolist()
        [0.0, 0.25, 0.5, 1.0]
    """
    larger = torch.maximum(across, down).clamp_min(1e-30)
    smaller = torch.maximum(torch.minimum(across, down), 1e-3 * larger)  # level edges as nearly so: off by 1e-4
    ratio = larger / smaller
    scaled = value * smaller.reciprocal()
    gap = scaled.abs().neg_().add_((ratio + 1) / 2).clamp_min_(0)
    part = gap.clamp_max(1)
    missing = gap.sub_(part, alpha=0.5).mul_(part).div_(ratio)
    return missing.neg_().add_(0.5).copysign_(scaled).add_(0.5)

"""Checks of what images are rendered from, and how many are rendered at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["at_a_time", "check_image_size", "check_values"]

_ELSEWHERE = 1024


def at_a_time(like: Tensor, on_cpu: int) -> int:
    """How many images are rendered at a time: what a cache holds, or what keeps another device busy."""
    return on_cpu if like.device.type == "cpu" else _ELSEWHERE


def check_image_size(image_size: int) -> int:
    """Returns `image_size` if it is an integer of at least 8.

    Raises:
        ValueError: if not.
    """
    if not isinstance(image_size, int) or isinstance(image_size, bool) or image_size < 8:
        raise ValueError(f"`image_size` must be an integer of at least 8, got {image_size!r}")
    return image_size


def check_values(values: Tensor, names: Sequence[str], shapes: Sequence[str], largest: float) -> Tensor:
    """Returns `values` if images can be rendered from them.

    Arguments:
        values: The values of the factors, with shape (B, F).
        names: Their names, "shape" and "scale" among them.
        shapes: What the shapes 0, 1, .. are.
        largest: The largest scale.

    Raises:
        TypeError: if they are not float32 or float64.
        ValueError: naming factor and row, if a value is not finite, a shape is none, or a scale is out of range.
    """
    if values.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"`values` must be float32 or float64, got {values.dtype}")
    if values.ndim != 2 or values.shape[1] != len(names):
        wanted = f"(B, F={len(names)}: {', '.join(names)})"
        raise ValueError(f"`values` must have shape {wanted}, got {tuple(values.shape)}")
    shape, scale = values[:, names.index("shape")], values[:, names.index("scale")]
    good = torch.isfinite(values)
    good[:, names.index("shape")] &= (shape == shape.round()) & (shape >= 0) & (shape < len(shapes))
    good[:, names.index("scale")] &= (scale > 0) & (scale <= largest)
    if not bool(good.all()):
        row, column = (int(index) for index in (~good).nonzero()[0])
        got = float(values[row, column])
        wanted = "be finite"
        if names[column] == "shape":
            wanted = f"be one of {', '.join(f'{number} ({shape})' for number, shape in enumerate(shapes))}"
        elif names[column] == "scale":
            wanted = f"lie in (0, {largest:g}]" if largest < float("inf") else "be finite and positive"
        raise ValueError(f"`values` of factor {names[column]!r} must {wanted}, got {got} in row {row}")
    return values

"""Checks of what a caller passes in, raised in one wording: what is wanted, then what came."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

import torch
from torch import Tensor

__all__ = ["check_choice", "check_finite", "check_floating", "check_images", "check_last", "check_positive"]


def check_choice(argument: str, value: str, choices: Collection[str]) -> str:
    """Returns `value` if it is one of `choices`.

    Raises:
        ValueError: naming the argument, listing the choices and, where one is close, suggesting it.
    """
    if value in choices:
        return value
    close = get_close_matches(str(value), list(choices), n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ValueError(f"`{argument}` must be one of {', '.join(choices)}, got {value!r}{hint}")


def check_positive(argument: str, value: float, *, zero: bool = False) -> float:
    """Returns `value` if it is finite and positive (or zero, when `zero` allows it).

    Raises:
        ValueError: naming the argument and what came.
    """
    if not (value > 0 or (zero and value == 0)) or value == float("inf"):
        raise ValueError(f"`{argument}` must be a finite number {'>= 0' if zero else '> 0'}, got {value}")
    return value


def check_floating(argument: str, tensor: Tensor) -> Tensor:
    """Returns `tensor` if it is a floating-point tensor.

    Raises:
        TypeError: naming the argument and its type.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"`{argument}` must be a torch tensor, got {type(tensor).__name__}")
    if not tensor.is_floating_point():
        raise TypeError(f"`{argument}` must be a floating-point tensor, got dtype {tensor.dtype}")
    return tensor


def check_finite(argument: str, tensor: Tensor) -> Tensor:
    """Returns `tensor` if all its values are finite.

    Raises:
        ValueError: naming the argument and the index of the first value that is not finite.
    """
    finite = torch.isfinite(tensor)
    if not bool(finite.all()):
        index = tuple(int(i) for i in (~finite).nonzero()[0])
        raise ValueError(f"`{argument}` must be finite, got {tensor[index].item()} at index {index}")
    return tensor


def check_last(argument: str, tensor: Tensor, size: int, meaning: str) -> Tensor:
    """Returns `tensor` if its last axis has `size` entries.

    Raises:
        ValueError: naming the argument, the wanted size with its `meaning`, and the shape that came.
    """
    if tensor.ndim < 1 or tensor.shape[-1] != size:
        raise ValueError(f"`{argument}` must end in {meaning}, got shape {tuple(tensor.shape)}")
    return tensor


def check_images(argument: str, images: Tensor, image_shape: Sequence[int] | None = None) -> Tensor:
    """Returns `images` if they are floating-point values in [0, 1] of shape (*, C, H, W).

    Raises:
        TypeError: if they are not a floating-point tensor.
        ValueError: if the shape is not (*, *image_shape), a value is not finite, or the range is not [0, 1].
    """
    if isinstance(images, Tensor) and images.dtype == torch.uint8:
        raise TypeError(f"`{argument}` must be floating-point values in [0, 1], got uint8; divide by 255 first")
    check_floating(argument, images)
    if images.ndim < 3:
        raise ValueError(f"`{argument}` must have shape (*, C, H, W), got {tuple(images.shape)}")
    if image_shape is not None and tuple(images.shape[-3:]) != tuple(image_shape):
        wanted = tuple(image_shape)
        channels_last = tuple(images.shape[-3:]) == (wanted[1], wanted[2], wanted[0])
        hint = "; this looks like (H, W, C): move the channel axis first" if channels_last else ""
        raise ValueError(f"`{argument}` must end in (C, H, W) = {wanted}, got shape {tuple(images.shape)}{hint}")
    if image_shape is None and images.shape[-3] > 4 and images.shape[-1] in (1, 3, 4):
        shape = tuple(images.shape)
        raise ValueError(f"`{argument}` must have shape (*, C, H, W), got {shape}, which looks like (H, W, C)")
    check_finite(argument, images)
    low, high = (float(images.min()), float(images.max())) if images.numel() else (0.0, 0.0)
    if low < -1e-6 or high > 1 + 1e-6:
        hint = "; divide by 255 first" if high > 2 else ""
        raise ValueError(f"`{argument}` must lie in [0, 1], got values from {low:.4g} to {high:.4g}{hint}")
    return images

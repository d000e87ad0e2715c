"""What a decoder's output says of an image: log-densities in nats, and the image that it means."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from flowdis._types import Images, Scalar

__all__ = ["LIKELIHOODS", "bernoulli", "gaussian"]


def bernoulli(images: Images, logits: Images, noise: float) -> Scalar:
    """Sum over pixels (*) of x log p + (1 - x) log(1 - p), p = sigmoid(logits); `noise` plays no part."""
    return -functional.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(-3).sum(-1)


def gaussian(images: Images, logits: Images, noise: float) -> Scalar:
    """Log-density (*) of N(sigmoid(logits), noise^2) at the images, summed over pixels."""
    squares = ((images - logits.sigmoid()) / noise).square()
    return (-0.5 * squares - math.log(noise) - 0.5 * math.log(2 * math.pi)).flatten(-3).sum(-1)


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "bernoulli": bernoulli,
    "gaussian": gaussian,
}
"""Per-sample log-likelihoods (images, logits, noise) -> nats (*)."""

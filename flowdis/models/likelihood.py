"""What a decoder's output says of an image: log-densities in nats, and the image that it means."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from flowdis._types import Images, Scalar

__all__ = ["LIKELIHOODS", "Likelihood"]


@dataclass(frozen=True)
class Likelihood:
    """How a decoder's output is read.

    Arguments:
        log_density: (images (*, C, H, W), output (*, C, H, W), noise) to nats (*), summed over pixels.
        mean: The images in [0, 1] that an output means, of the same shape.
    """

    log_density: Callable[[Tensor, Tensor, float], Tensor]
    mean: Callable[[Tensor], Tensor]


def _bernoulli(images: Images, output: Images, noise: float) -> Scalar:
    return -functional.binary_cross_entropy_with_logits(output, images, reduction="none").flatten(-3).sum(-1)


def _gaussian(images: Images, output: Images, noise: float) -> Scalar:
    squares = ((images - 0.5 - output) / noise).square()
    return (-0.5 * squares - math.log(noise) - 0.5 * math.log(2 * math.pi)).flatten(-3).sum(-1)


def _laplace(images: Images, output: Images, noise: float) -> Scalar:
    distances = (images - 0.5 - output).abs() / noise
    return (-distances - math.log(2 * noise)).flatten(-3).sum(-1)


def _nearest_image(output: Images) -> Images:
    return (output + 0.5).clamp(0, 1)


LIKELIHOODS: dict[str, Likelihood] = {
    "bernoulli": Likelihood(_bernoulli, Tensor.sigmoid),
    "gaussian": Likelihood(_gaussian, _nearest_image),
    "laplace": Likelihood(_laplace, _nearest_image),
}
"""The likelihoods by name.

"bernoulli": sum of x log p + (1 - x) log(1 - p) over pixels, p the sigmoid of the output; `noise` plays no part.
"gaussian": log N(x; output + 1/2, noise^2), whose image is that mean cut to [0, 1]. Colours come out truer than with
logits (benchmarks/README.md), as a pixel's error then pulls alike whether it is dark or grey.
"laplace": log exp(-|x - output - 1/2| / noise) / (2 noise), by absolute differences, which suit flat colours and edges.
"""

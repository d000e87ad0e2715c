"""Convolutional encoder and decoder, built from the shape of the images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from flowdis._types import Images, Latent
from flowdis.models.posterior import Posterior

__all__ = ["ConvDecoder", "ConvEncoder", "default_channels", "spread_posterior"]

# Keeps exp(log_std) within e^-7 .. e^7, smoothly, so that no posterior overflows; never met in training.
_LOG_STD_RANGE = 7.0


def default_channels(image_shape: Sequence[int]) -> tuple[int, ...]:
    """The channels of each halving of resolution: 16 for 28 x 28, doubling down to maps of 10 to 20 pixels.

    On small images one halving and a wide linear layer learn several times faster, per second of a CPU, than
    two halvings with more channels: benchmarks/README.md has the figures.

    Example:
        >>> default_channels((3, 28, 28)), default_channels((3, 64, 64))
        ((16,), (16, 32))
    """
    levels = max(1, round(math.log2(min(image_shape[1:]) / 14)))
    return tuple(16 * 2**level for level in range(levels))


def spread_posterior(output: Latent) -> Posterior:
    """The posterior that an output (*, 2 D) of means and of spreads stands for, small and bounded spreads at first."""
    mean, spread = output.chunk(2, dim=-1)
    return Posterior(mean, _LOG_STD_RANGE * torch.tanh((spread - 2) / _LOG_STD_RANGE))


def _check_shape(image_shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int, int]:
    if len(image_shape) != 3 or any(size < 1 for size in image_shape):
        raise ValueError(f"`image_shape` must be (C, H, W), all positive, got {tuple(image_shape)}")
    smallest = 2 ** len(channels)
    if not channels or min(image_shape[1:]) < smallest:
        wanted = f"`image_shape` must have sides of at least {smallest} for {len(channels)} halvings"
        raise ValueError(f"{wanted}, got {tuple(image_shape)}")
    count, height, width = image_shape
    return count, height, width


def _bottom(height: int, width: int, levels: int) -> tuple[int, int]:
    for _ in range(levels):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height, width


class ConvEncoder(nn.Module):
    """Strided convolutions, then one linear layer to means and log standard deviations.

    Arguments:
        image_shape: (C, H, W), any size.
        dim: The number D of latents.
        channels: The channels after each halving of resolution; from `default_channels` where left out.
        hidden: The width of a hidden linear layer before the code, or 0 for none.

    Raises:
        ValueError: if the images are too small for so many halvings.
    """

    def __init__(
        self, image_shape: Sequence[int], dim: int, *, channels: Sequence[int] | None = None, hidden: int = 0
    ) -> None:
        super().__init__()
        channels = default_channels(image_shape) if channels is None else tuple(channels)
        count, height, width = _check_shape(image_shape, channels)
        layers: list[nn.Module] = []
        for before, after in zip((count, *channels), channels, strict=False):
            # An odd side is padded by one pixel more below and to the right, so that it halves upwards.
            pad = (1, 1 + width % 2, 1, 1 + height % 2)
            layers += [nn.ZeroPad2d(pad), nn.Conv2d(before, after, 4, stride=2), nn.LeakyReLU(0.1)]
            height, width = (height + 1) // 2, (width + 1) // 2
        self.body = nn.Sequential(*layers)
        size = channels[-1] * height * width
        widths = [size, hidden, 2 * dim] if hidden else [size, 2 * dim]
        self.head = _perceptron(widths)

    def forward(self, images: Images) -> Posterior:
        """Encodes images (*, C, H, W) as a posterior over codes (*, D)."""
        return spread_posterior(self.features(images))

    def features(self, images: Images) -> Latent:
        """What the last layer makes (*, 2 D) of images (*, C, H, W)."""
        maps = self.body(images.reshape(-1, *images.shape[-3:]))
        flat: Tensor = self.head(rearrange(maps, "b c h w -> b (c h w)"))
        return flat.reshape(*images.shape[:-3], -1)

    def config(self) -> dict[str, Any]:
        """The keyword arguments that only this kind of encoder has: none."""
        return {}


class ConvDecoder(nn.Module):
    """Linear layers, then transposed convolutions up to the image, whose values a likelihood reads.

    Arguments:
        image_shape: (C, H, W), any size.
        dim: The number D of latents.
        channels: The channels after each halving, in the encoder's order; from `default_channels` where
            left out.
        hidden: The width of a hidden linear layer after the code, or 0 for none.

    Raises:
        ValueError: if the images are too small for so many halvings.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        dim: int,
        *,
        channels: Sequence[int] | None = None,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        channels = default_channels(image_shape) if channels is None else tuple(channels)
        count, self.height, self.width = _check_shape(image_shape, channels)
        self.bottom = _bottom(self.height, self.width, len(channels))
        size = channels[-1] * self.bottom[0] * self.bottom[1]
        widths = [dim, hidden, size] if hidden else [dim, size]
        self.head = nn.Sequential(_perceptron(widths), nn.LeakyReLU(0.1))
        upwards = (*reversed(channels), count)
        layers: list[nn.Module] = []
        for before, after in zip(upwards, upwards[1:], strict=False):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.1)]
        self.body = nn.Sequential(*layers[:-1])

    def forward(self, z: Latent) -> Images:
        """Decodes codes (*, D) as outputs (*, C, H, W)."""
        batch = z.shape[:-1]
        flat = self.head(z.reshape(-1, z.shape[-1]))
        height, width = self.bottom
        output: Tensor = self.body(rearrange(flat, "b (c h w) -> b c h w", h=height, w=width))
        output = output[..., : self.height, : self.width]
        return output.reshape(*batch, *output.shape[-3:])


def _perceptron(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers[:-1])

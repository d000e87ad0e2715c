"""Modules with the layers, and the names of weights, of the published latent flows (KingJamesSong/latent-flow)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_choice, check_positive
from flowdis.models import Posterior

__all__ = ["LAYOUTS", "PublishedDecoder", "PublishedEncoder", "PublishedPotential"]

LAYOUTS = {"wide": 4, "deep": 16}
"""The two autoencoders, and how many pixels of a side become one: "wide", of digits and 3dshapes, with 1, 2 and 3 times
as many channels as latents, and "deep", of Falcor3D and Isaac3D, with as many."""


class PublishedEncoder(nn.Module):
    """Images (B, C, H, H) to the posterior over codes (B, D).

    Arguments:
        image_shape: (C, H, H), H a multiple of 4 ("wide") or of 16 ("deep").
        dim: The number D of latents.
        layout: A name in `LAYOUTS`.

    Raises:
        ValueError: if images are not square or do not fit the layout.
    """

    def __init__(self, image_shape: Sequence[int], dim: int, layout: str = "wide") -> None:
        super().__init__()
        channels, side = _checked(image_shape, dim, layout)
        if layout == "wide":
            convolutions = [
                nn.Conv2d(channels, dim, 4, 2, 1),
                nn.Conv2d(dim, 2 * dim, 4, 2, 1),
                nn.Conv2d(2 * dim, 3 * dim, side),
                nn.Conv2d(3 * dim, 2 * dim, 1),
                nn.Conv2d(2 * dim, 2 * dim, 1),
            ]
        else:
            halvings = [
                (nn.Conv2d(dim if k else channels, dim, 4, 2, 1), nn.Conv2d(dim, dim, 3, 1, 1)) for k in range(4)
            ]
            last = [nn.Conv2d(dim, dim, side), nn.Conv2d(dim, dim, 1), nn.Conv2d(dim, dim, 1)]
            convolutions = [layer for pair in halvings for layer in pair] + last
        self.encoder = _between(convolutions)
        width = convolutions[-1].out_channels
        self.linear_means, self.linear_log_var = nn.Linear(width, dim), nn.Linear(width, dim)

    def forward(self, images: Tensor) -> Posterior:
        """Encodes images (B, C, H, H) in [0, 1]."""
        features = self.encoder(images).flatten(1)
        return Posterior(self.linear_means(features), 0.5 * self.linear_log_var(features))


class PublishedDecoder(nn.Module):
    """Codes (B, D) to the logits of pixels (B, C, H, H), of which the published decoder gives the sigmoid.

    Arguments:
        image_shape: (C, H, H), H a multiple of 4 ("wide") or of 16 ("deep").
        dim: The number D of latents.
        layout: A name in `LAYOUTS`.

    Raises:
        ValueError: if images are not square or do not fit the layout.
    """

    likelihood = "bernoulli"

    def __init__(self, image_shape: Sequence[int], dim: int, layout: str = "wide") -> None:
        super().__init__()
        channels, side = _checked(image_shape, dim, layout)
        if layout == "wide":
            convolutions = [
                nn.ConvTranspose2d(dim, 2 * dim, 1),
                nn.ConvTranspose2d(2 * dim, 3 * dim, 1),
                nn.ConvTranspose2d(3 * dim, 2 * dim, side),
                nn.ConvTranspose2d(2 * dim, dim, 4, 2, 1),
                nn.ConvTranspose2d(dim, channels, 4, 2, 1),
            ]
        else:
            first = [
                nn.ConvTranspose2d(dim, dim, 1),
                nn.ConvTranspose2d(dim, dim, 1),
                nn.ConvTranspose2d(dim, dim, side),
            ]
            doublings = [
                (nn.ConvTranspose2d(dim, dim, 4, 2, 1), nn.ConvTranspose2d(dim, dim if k < 3 else channels, 3, 1, 1))
                for k in range(4)
            ]
            convolutions = first + [layer for pair in doublings for layer in pair]
        start = [nn.Linear(dim, dim), nn.Unflatten(1, (dim, 1, 1)), nn.ReLU()]
        self.decoder = nn.Sequential(*start, *_between(convolutions))

    def forward(self, codes: Tensor) -> Tensor:
        """Decodes codes (B, D) as logits (B, C, H, H)."""
        logits: Tensor = self.decoder(codes)
        return logits


class PublishedPotential(nn.Module):
    r"""The scalar u(z, t) whose gradient by z is the velocity, :math:`\tanh(w \cdot \tanh(F(\tanh(X z) + \tau(t))))`.

    X, F and w have biases, and :math:`\tau` is a network of sines and cosines of t.

    Arguments:
        dim: The number D of latents, even and at least 4.

    Raises:
        ValueError: if `dim` is odd or below 4, where there are no sines and cosines.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 4 or dim % 2:
            raise ValueError(f"`dim` must be even and at least 4, got {dim}")
        self.waves = dim // 2
        self.layer_x = nn.Linear(dim, dim)
        self.layer_time, self.layer_time2 = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.layer_fusion, self.layer_out = nn.Linear(dim, dim), nn.Linear(dim, 1)

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        """The potential (N,) at codes (N, D) and times (N,)."""
        rates = torch.exp(
            torch.arange(self.waves, dtype=z.dtype, device=z.device) * (-math.log(10000) / (self.waves - 1))
        )
        angles = t.unsqueeze(-1) * rates
        time = self.layer_time2(functional.gelu(self.layer_time(torch.cat([angles.sin(), angles.cos()], dim=-1))))
        mixed = torch.tanh(self.layer_fusion(torch.tanh(self.layer_x(z)) + time))
        return torch.tanh(self.layer_out(mixed)).squeeze(-1)


def _between(layers: Sequence[nn.Module]) -> nn.Sequential:
    """The layers with rectifiers between them."""
    alternating = [part for layer in layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*alternating[:-1])


def _checked(image_shape: Sequence[int], dim: int, layout: str) -> tuple[int, int]:
    """The channels of an image, and the side of what is left of it where its resolution is least."""
    factor = LAYOUTS[check_choice("layout", layout, tuple(LAYOUTS))]
    check_positive("dim", dim)
    channels, height, width = image_shape
    if height != width or height < factor or height % factor:
        raise ValueError(f"`image_shape` must be square, its side a multiple of {factor}, got {tuple(image_shape)}")
    return channels, height // factor

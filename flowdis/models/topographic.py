"""The encoder of the topographic variational autoencoder: codes on rings, along which they roll from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis._types import FrameLatents, Images
from flowdis.models.autoencoder import ConvEncoder
from flowdis.models.posterior import Posterior

__all__ = ["TopographicEncoder", "ring_generator", "ring_pool"]

_SMALLEST = 1e-6  # what the published code adds to the pooled squares


def ring_pool(values: FrameLatents, ring: int, *, frames: int, sites: int, closed: bool = False) -> FrameLatents:
    r"""Sums over frames and sites of rings that are near along the roll of one site per frame.

    .. math:: y[l, c] = \sum_{|d| \le L} \sum_{|e| \le K} v[l - d, c - d - e]

    with c a site of a ring. It is exactly equivariant: values that roll one site a frame have sums that do. Frames
    before the first and after the last are those that the roll makes of these; for a single frame the sum is
    therefore :math:`(2 L + 1) \sum_e v[c - e]`.

    Arguments:
        values: Values (T, *, D), D being capsules times ring.
        ring: The number of sites of a ring.
        frames: L, so many frames are summed before and after each.
        sites: K, so many sites are summed before and after each.
        closed: Whether the frame after the last is the first again.

    Raises:
        ValueError: if D is not a multiple of `ring`.

    Reference: Keller and Welling 2021, Topographic VAEs learn equivariant capsules, arXiv 2109.01394.

    Example:
        >>> ring_pool(torch.tensor([[1.0, 0.0, 0.0]]), 3, frames=1, sites=0)
        tensor([[3., 0., 0.]])
    """
    if values.shape[-1] % ring:
        raise ValueError(f"`values` must end in a multiple of ring={ring}, got shape {tuple(values.shape)}")
    count, device = len(values), values.device
    window = torch.arange(-frames, frames + 1, device=device)
    wanted = torch.arange(count, device=device)[:, None] - window
    there = wanted % count if closed else wanted.clamp(0, count - 1)
    shift = window if closed else window + wanted - there
    site = torch.arange(ring, device=device)
    shift = shift.expand(count, -1).reshape(count, -1, *[1] * values.ndim)
    picked = values.unflatten(-1, (-1, ring))[there].take_along_dim((site - shift) % ring, dim=-1).sum(1)
    near = (site[:, None] + torch.arange(-sites, sites + 1, device=device)) % ring
    return picked[..., near].sum(-1).flatten(-2)


def ring_generator(ring: int) -> Float[Tensor, "ring ring"]:
    r"""The real logarithm of the cyclic shift by one site: exp(a G) shifts by a sites, fractions included; in float64.

    .. math:: G_{cc'} = \frac{2}{R} \sum_{k=1}^{(R-1)/2} \frac{2 \pi k}{R} \sin \frac{2 \pi k (c - c')}{R}

    It is antisymmetric, so that its flow keeps lengths.

    Arguments:
        ring: The number R of sites, odd: the shift of an even ring has determinant -1, so no real logarithm.

    Raises:
        ValueError: if `ring` is not odd.

    Example:
        >>> torch.linalg.matrix_exp(ring_generator(3)).round(decimals=9).abs().tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    _check_ring(ring)
    turns = 2 * torch.pi / ring * torch.arange(1, (ring - 1) // 2 + 1, dtype=torch.float64)
    site = torch.arange(ring, dtype=torch.float64)
    apart = site[:, None] - site
    return 2 / ring * (turns * (apart[..., None] * turns).sin()).sum(-1)


class TopographicEncoder(nn.Module):
    r"""Two convolutional encoders, of z and u, both N(0, I) a priori, whose quotient is the code.

    .. math:: t = (z + \mu) / \sqrt{\textstyle\sum u^2 + 10^{-6}}

    with the sum over a window of frames and sites, as `ring_pool` has it, and mu learned. A single image is
    encoded as if its neighbours in time were it, rolled, with the mean of u's squares.

    Arguments:
        image_shape: (C, H, W), any size.
        dim: The number D of latents, capsules times ring.
        channels: The channels after each halving of resolution; from `default_channels` where left out.
        hidden: The width of a hidden linear layer before the code, or 0 for none.
        ring: The number of sites of each ring, odd.
        frames: So many frames are pooled before and after each.
        sites: So many sites are pooled before and after each.
        offset: Where mu starts.

    Raises:
        ValueError: if `ring` is even or does not divide `dim`, or a number is negative.

    Reference: Keller and Welling 2021, arXiv 2109.01394. The published rings have as many sites as sequences have
        frames, 15 with windows of 15, 10 or 5 frames, or 18.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        dim: int,
        *,
        channels: Sequence[int] | None = None,
        hidden: int = 0,
        ring: int = 15,
        frames: int = 2,
        sites: int = 0,
        offset: float = 30.0,
    ) -> None:
        super().__init__()
        _check_ring(ring)
        if dim % ring:
            raise ValueError(f"`dim` must be a multiple of ring={ring}, got {dim}")
        check_positive("frames", frames, zero=True)
        check_positive("sites", sites, zero=True)
        self.ring, self.frames, self.sites, self.first_offset = ring, frames, sites, offset
        self.z = ConvEncoder(image_shape, dim, channels=channels, hidden=hidden)
        self.u = ConvEncoder(image_shape, dim, channels=channels, hidden=hidden)
        self.offset = nn.Parameter(torch.tensor(offset))

    def forward(self, images: Images) -> Posterior:
        """Encodes single images (*, C, H, W) as a posterior over codes (*, D): that of t, given u's mean squares."""
        z, u = self.z(images), self.u(images)
        scale = self.scale((u.mean.square() + (2 * u.log_std).exp())[None])[0]
        return Posterior((z.mean + self.offset) / scale, z.log_std - scale.log())

    def codes(self, z: FrameLatents, u: FrameLatents, *, closed: bool = False) -> FrameLatents:
        """The codes t (T, *, D) of sequences of T frames from samples of z and u, both (T, *, D).

        Arguments:
            z: Samples of z.
            u: Samples of u.
            closed: Whether the frame after the last is the first again.
        """
        return (z + self.offset) / self.scale(u.square(), closed=closed)

    def scale(self, squares: FrameLatents, *, closed: bool = False) -> FrameLatents:
        """The roots (T, *, D) of the pooled squares (T, *, D) of u."""
        pooled = ring_pool(squares, self.ring, frames=self.frames, sites=self.sites, closed=closed)
        return (pooled + _SMALLEST).sqrt()

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this encoder, beside those of the convolutional one."""
        return {"ring": self.ring, "frames": self.frames, "sites": self.sites, "offset": self.first_offset}


def _check_ring(ring: int) -> None:
    if ring < 1 or ring % 2 == 0:
        raise ValueError(f"`ring` must be odd, got {ring}: the shift of an even ring is no flow")

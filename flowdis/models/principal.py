r"""An autoencoder that begins where principal components end: a linear one, with convolutions beside it.

Of images x with mean :math:`\mu`, principal directions V (D, P) and standard deviations s along them, codes and images
begin as

.. math:: z = s^{-1} V (x - \mu), \qquad \hat x = V^T s z + \mu,

which loses least squared error of all linear maps. Convolutions add to both what is not linear. The linear part is set
once, from images, and stays: to learn as much by gradient steps takes many times as long, and steps of a size that
suits convolutions undo it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_floating
from flowdis._types import Images, Latent
from flowdis.models.autoencoder import ConvDecoder, ConvEncoder
from flowdis.models.posterior import Posterior
from flowdis.models.topographic import TopographicEncoder

__all__ = ["DECODERS", "ENCODERS", "PrincipalComponents", "PrincipalDecoder", "PrincipalEncoder"]

_Small = Float[Tensor, "N C h w"]

_SIDE = 64  # pixels; of larger images, components are those of the image made smaller
_LEAST = 1e-3  # of the largest standard deviation: directions in which images do not differ are not blown up


class PrincipalComponents(nn.Module):
    """D principal components of images, as buffers: all zero, and so of no effect, until they are fitted.

    Arguments:
        image_shape: (C, H, W); where a side is longer than 64 pixels, components are those of the shrunk image.
        dim: The number D of components.
    """

    centre: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, image_shape: Sequence[int], dim: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.factor = max(1, -(-max(height, width) // _SIDE))
        self.full, self.small = (height, width), (-(-height // self.factor), -(-width // self.factor))
        self.register_buffer("centre", torch.zeros(channels, *self.small))
        self.register_buffer("basis", torch.zeros(dim, channels, *self.small))
        self.register_buffer("scale", torch.ones(dim))

    @torch.no_grad()
    def fit(self, images: Images, *, seed: int = 0) -> None:
        """Sets the components to those of images; where there are fewer than D, the others stay zero.

        Arguments:
            images: The images in [0, 1], with shape (N, C, H, W), N >= 2, or what `shrunk` made of them.
            seed: That of the directions from which the largest components are sought.

        Raises:
            ValueError: if there are fewer than two images.

        Reference: Halko, Martinsson and Tropp 2011, Finding structure with randomness, by torch's `svd_lowrank`.
        """
        check_floating("images", images)
        if len(images) < 2:
            raise ValueError(f"`images` must be two or more, got {len(images)}")
        small = self.shrunk(images).to(self.basis.dtype).cpu()  # as good on any device, by one source of numbers
        centre = small.mean(0)
        flat = (small - centre).flatten(1)
        count = min(len(self.basis), *flat.shape)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            _, sizes, directions = torch.svd_lowrank(flat, q=min(count + 10, *flat.shape), niter=2)
        spread = sizes[:count] / len(flat) ** 0.5
        self.centre.copy_(centre)
        self.basis.zero_()
        self.basis[:count] = rearrange(directions[:, :count], "p d -> d p").reshape(count, *centre.shape)
        self.scale.fill_(1)
        self.scale[:count] = spread.clamp(min=_LEAST * float(spread[0]) or 1.0)

    def codes(self, images: Images) -> Latent:
        """The codes (*, D) of images (*, C, H, W), each latent of standard deviation 1 over those fitted on."""
        batch = images.shape[:-3]
        apart = (self.shrunk(images.reshape(-1, *images.shape[-3:])) - self.centre).flatten(1)
        return (apart @ self.basis.flatten(1).mT / self.scale).reshape(*batch, -1)

    def images(self, z: Latent) -> Images:
        """The images (*, C, H, W) of codes (*, D)."""
        batch = z.shape[:-1]
        flat = (z.reshape(-1, z.shape[-1]) * self.scale) @ self.basis.flatten(1)
        small = flat.reshape(-1, *self.centre.shape) + self.centre
        if self.factor > 1:
            small = functional.interpolate(small, self.full, mode="bilinear", align_corners=False)
        return small.reshape(*batch, *small.shape[1:])

    def shrunk(self, images: Images) -> _Small:
        """The images (N, C, H, W) that components are of: as they are, or of means over squares of pixels."""
        if images.shape[-2:] == self.small:
            return images
        return functional.avg_pool2d(images, self.factor, ceil_mode=True)


class PrincipalEncoder(ConvEncoder):
    """Means of codes by principal components and convolutions together, log standard deviations by convolutions.

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
        super().__init__(image_shape, dim, channels=channels, hidden=hidden)
        self.components = PrincipalComponents(image_shape, dim)

    def forward(self, images: Images) -> Posterior:
        """Encodes images (*, C, H, W) as a posterior over codes (*, D)."""
        found = super().forward(images)
        return Posterior(found.mean + self.components.codes(images), found.log_std)

    def start(self, images: Images, *, seed: int = 0) -> None:
        """Sets the components as `PrincipalComponents.fit` does, and codes to what these make of an image."""
        self.components.fit(images, seed=seed)
        _silence(self.head[-1])


class PrincipalDecoder(ConvDecoder):
    """Images less 1/2 by principal components and convolutions together: for likelihoods that read means.

    Arguments:
        image_shape: (C, H, W), any size.
        dim: The number D of latents.
        channels: The channels after each halving, in the encoder's order; from `default_channels` where left out.
        hidden: The width of a hidden linear layer after the code, or 0 for none.

    Raises:
        ValueError: if the images are too small for so many halvings.
    """

    def __init__(
        self, image_shape: Sequence[int], dim: int, *, channels: Sequence[int] | None = None, hidden: int = 256
    ) -> None:
        super().__init__(image_shape, dim, channels=channels, hidden=hidden)
        self.components = PrincipalComponents(image_shape, dim)

    def forward(self, z: Latent) -> Images:
        """Decodes codes (*, D) as images less 1/2 (*, C, H, W)."""
        return super().forward(z) + self.components.images(z) - 0.5

    def start(self, encoder: PrincipalEncoder) -> None:
        """Takes over an encoder's components, and sets images to what these make of a code."""
        self.components.load_state_dict(encoder.components.state_dict())
        _silence(self.body[-1])


@torch.no_grad()
def _silence(layer: nn.Module) -> None:
    """Lets a last layer answer nothing, from where it learns."""
    for parameter in layer.parameters():
        parameter.zero_()


ENCODERS: dict[str, Callable[..., ConvEncoder | TopographicEncoder]] = {
    "conv": ConvEncoder,
    "principal": PrincipalEncoder,
    "topographic": TopographicEncoder,
}
"""The kinds of encoder by name."""

DECODERS: dict[str, Callable[..., ConvDecoder]] = {"conv": ConvDecoder, "principal": PrincipalDecoder}
"""The kinds of decoder by name."""

"""Adapters: a pair of torch modules that know nothing of flows, as encoder and decoder of a `LatentFlow`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from flowdis._checks import check_choice
from flowdis.models.posterior import Posterior

__all__ = ["RETURNS", "ModuleDecoder", "ModuleEncoder", "check_range", "module_pair"]

_Images = Float[Tensor, "B C H W"]
_Codes = Float[Tensor, "B *code"]


def _codes(found: Any) -> Any:
    return found


def _two(found: Any) -> tuple[Tensor, Tensor]:
    mean, spread = found.chunk(2, dim=1) if isinstance(found, Tensor) else found
    return mean, spread


def _mean_log_variance(found: Any) -> Posterior:
    mean, log_variance = _two(found)
    return Posterior(mean, 0.5 * log_variance)


def _mean_log_std(found: Any) -> Posterior:
    return Posterior(*_two(found))


RETURNS: dict[str, Callable[[Any], Any]] = {
    "codes": _codes,
    "mean_log_variance": _mean_log_variance,
    "mean_log_std": _mean_log_std,
}
"""What encoders return: codes; or means and spreads, as two tensors or as the two halves of one along axis 1."""


def check_range(image_range: tuple[float, float]) -> tuple[float, float]:
    """Returns a range (low, high) of pixel values if it is one.

    Raises:
        ValueError: if it is not ascending and finite.
    """
    low, high = image_range
    if not low < high or math.isinf(high - low):
        raise ValueError(f"`image_range` must be (low, high), finite and ascending, got {image_range}")
    return low, high


class ModuleEncoder(nn.Module):
    """An encoder of images in some range, as an encoder of images in [0, 1].

    Arguments:
        module: The encoder, images (B, C, H, W) in `image_range` to what `returns` says.
        image_range: (low, high), black and white for the module: (-1, 1) for many.
        returns: What it returns, a name in `RETURNS`.

    Raises:
        ValueError: if the range is empty or the name is unknown.
    """

    def __init__(
        self, module: nn.Module, *, image_range: tuple[float, float] = (0.0, 1.0), returns: str = "codes"
    ) -> None:
        super().__init__()
        self.module, self.image_range = module, check_range(image_range)
        self.returns = check_choice("returns", returns, tuple(RETURNS))

    def forward(self, images: _Images) -> Posterior | _Codes:
        """Encodes images (B, C, H, W) in [0, 1]."""
        low, high = self.image_range
        return RETURNS[self.returns](self.module(low + (high - low) * images))


class ModuleDecoder(nn.Module):
    """A decoder, or a generator, of images in some range, for models with a Gaussian likelihood.

    Arguments:
        module: The decoder, codes (B, *code) to images (B, C, H, W) in `image_range`.
        image_range: (low, high), black and white for the module: (-1, 1) for many.

    Raises:
        ValueError: if the range is empty.

    Example:
        >>> import torch
        >>> decoder = ModuleDecoder(nn.Tanh(), image_range=(-1, 1))
        >>> decoder(torch.zeros(1, 1, 2, 2)).flatten().tolist()  # mid grey, less 1/2
        [0.0, 0.0, 0.0, 0.0]
    """

    likelihood = "gaussian"

    def __init__(self, module: nn.Module, *, image_range: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__()
        self.module, self.image_range = module, check_range(image_range)

    def forward(self, codes: _Codes) -> _Images:
        """Decodes codes (B, *code) as images (B, C, H, W), less 1/2."""
        low, high = self.image_range
        output: Tensor = self.module(codes)
        return (output - low) / (high - low) - 0.5


def module_pair(
    encoder: nn.Module,
    decoder: nn.Module,
    *,
    image_range: tuple[float, float] = (0.0, 1.0),
    returns: str = "codes",
) -> tuple[ModuleEncoder, ModuleDecoder]:
    """An encoder and a decoder of torch, as those of a `LatentFlow` with a Gaussian likelihood.

    Arguments:
        encoder: Images (B, C, H, W) in `image_range` to what `returns` says.
        decoder: Codes (B, *code) to images (B, C, H, W) in `image_range`.
        image_range: (low, high), black and white for both.
        returns: What the encoder returns, a name in `RETURNS`.

    Raises:
        TypeError: if either is not a module.
        ValueError: if the range is empty or the name is unknown.

    Example:
        >>> import torch
        >>> flatten, restore = nn.Flatten(), nn.Unflatten(1, (1, 2, 2))
        >>> encoder, decoder = module_pair(flatten, restore, image_range=(-1, 1))
        >>> encoder(torch.ones(1, 1, 2, 2)).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """
    for argument, module in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(module, nn.Module):
            raise TypeError(f"`{argument}` must be a torch module, got {type(module).__name__}")
    return ModuleEncoder(encoder, image_range=image_range, returns=returns), ModuleDecoder(
        decoder, image_range=image_range
    )

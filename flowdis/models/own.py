"""The user's own encoders and decoders: what they must do, and the one place where codes of any shape become rows.

A latent flow moves codes (B, D). An own encoder may give codes of another shape, such as the maps (C, H, W) of a
convolutional autoencoder; `flat_posterior` makes rows of them, D being the product of the shape, and `shaped` gives the
decoder back what its encoder gave.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis._types import Latent
from flowdis.fields import FieldBank
from flowdis.models.autoencoder import ConvDecoder
from flowdis.models.config import MODULES, LatentFlowConfig
from flowdis.models.posterior import Posterior

__all__ = [
    "Decoder",
    "Encoder",
    "check_decoder",
    "encoder_shape",
    "fit_own",
    "flat_posterior",
    "rests",
    "shaped",
]

_Images = Float[Tensor, "B C H W"]
_Codes = Float[Tensor, "B *code"]


@runtime_checkable
class Encoder(Protocol):
    """What an own encoder must do; it is an `nn.Module` too.

    One that also has an attribute `latent_shape`, the shape of a code, is believed, and not tried on an image.
    """

    def __call__(self, images: _Images) -> Posterior | _Codes:
        """A posterior over codes, its mean and log_std of shape (B, *code), or the codes themselves.

        Arguments:
            images: Images in [0, 1], with shape (B, C, H, W).
        """
        ...


@runtime_checkable
class Decoder(Protocol):
    """What an own decoder must do; it is an `nn.Module` too.

    One that also has an attribute `likelihood`, a name in `LIKELIHOODS`, goes with a model of that likelihood only.
    """

    def __call__(self, codes: _Codes) -> _Images:
        """What the likelihood of the model reads (B, C, H, W): logits of pixels, or their means less 1/2.

        Arguments:
            codes: Codes of the shape that the encoder gives, (B, *code).
        """
        ...


def flat_posterior(found: Any, dim: int, noise: float) -> Posterior:
    r"""What an encoder gave, as a posterior over rows (B, D).

    Codes alone, of a deterministic encoder, are the means of :math:`N(z, \sigma^2 I)`, its spread fixed.

    Arguments:
        found: A posterior with mean and log_std of shape (B, *code), or codes of that shape.
        dim: The number D of latents, the product of the shape.
        noise: The standard deviation sigma about codes that come alone, in units of latents.

    Example:
        >>> flat_posterior(torch.zeros(5, 4, 2, 2), 16, 0.1).log_std.exp().shape
        torch.Size([5, 16])
    """
    if isinstance(found, Posterior):
        return Posterior(found.mean.reshape(-1, dim), found.log_std.reshape(-1, dim))
    mean = found.reshape(-1, dim)
    return Posterior(mean, torch.full_like(mean, math.log(noise)))


def shaped(z: Latent, shape: Sequence[int] | None) -> Tensor:
    """Codes (*, D) as one batch of codes (B, *shape), or of rows (B, D) where there is no shape."""
    rows = z.reshape(-1, z.shape[-1])
    return rows if shape is None else rows.reshape(-1, *shape)


def rests(module: nn.Module, told: bool) -> bool:
    """Whether a module learns nothing, though it has parameters, or though it has none but is said to be frozen."""
    learns = [parameter.requires_grad for parameter in module.parameters()]
    return not any(learns) and (told or bool(learns))


def fit_own(config: LatentFlowConfig, given: Mapping[str, nn.Module | None]) -> LatentFlowConfig:
    """Checks own modules against a config and each other, and writes down what they are.

    Arguments:
        config: What the model is to be made of.
        given: By name, the own modules, None where there is none.

    Raises:
        TypeError: if one is not a module of its kind.
        ValueError: if they do not fit the images, the number of latents, the likelihood or each other.
    """
    own = {name: module for name, module in given.items() if module is not None}
    for name, module in own.items():
        _check_module(name, module)
    fields, shape = own.get("fields"), config.latent_shape
    if fields is not None and not isinstance(fields, FieldBank):
        hint = "`AutogradField` makes one of other modules"
        raise TypeError(f"`fields` must be a FieldBank, got {_kind(fields)}: {hint}")
    if "encoder" in own:
        found = encoder_shape(own["encoder"], config.image_shape)
        if math.prod(found) != config.dim:
            wanted = f"`dim` must be {math.prod(found)}, the latents in the encoder's codes of shape {found}"
            raise ValueError(f"{wanted}, got {config.dim}")
        if shape is not None and tuple(shape) != found:
            raise ValueError(f"`latent_shape` must be that of the encoder's codes {found}, got {tuple(shape)}")
        shape = found if len(found) > 1 else shape
    if "decoder" in own and not isinstance(own["decoder"], ConvDecoder):
        check_decoder(own["decoder"], shape or (config.dim,), config.image_shape, config.likelihood)
    frozen = [name for name in MODULES if name in config.frozen or (name in own and rests(own[name], False))]
    types = tuple(type(module).__name__ for module in own.values())
    return replace(config, own_modules=tuple(own), own_types=types, latent_shape=shape, frozen=tuple(frozen))


def encoder_shape(encoder: Any, image_shape: Sequence[int], argument: str = "encoder") -> tuple[int, ...]:
    """The shape of a code, (D,) or any other, that an encoder gives: as it says, or as one grey image shows.

    Arguments:
        encoder: The encoder.
        image_shape: (C, H, W) of the images.
        argument: What errors call it.

    Raises:
        TypeError: if it is not a module, or gives neither a posterior nor codes.
        ValueError: if it fails on an image, or what it gives is of the wrong shape or not finite.

    Example:
        >>> encoder_shape(nn.Conv2d(3, 4, 4, stride=4), (3, 16, 16))
        (4, 4, 4)
    """
    _check_module(argument, encoder)
    told = getattr(encoder, "latent_shape", None)
    if told is not None:
        return tuple(int(size) for size in told)
    images = _like(encoder, torch.full((2, *image_shape), 0.5))
    found = _tried(argument, encoder, images, f"images (B, {', '.join(map(str, image_shape))})")
    parts = [found.mean, found.log_std] if isinstance(found, Posterior) else [found]
    if not all(isinstance(part, Tensor) and part.is_floating_point() for part in parts):
        wanted = "a Posterior or a floating-point tensor of codes"
        raise TypeError(f"`{argument}` must give {wanted}, got {_kind(found)}: `module_pair` adapts other modules")
    shapes = {tuple(part.shape) for part in parts}
    if len(shapes) > 1 or parts[0].ndim < 2 or len(parts[0]) != len(images):
        got = " and ".join(str(shape) for shape in sorted(shapes))
        raise ValueError(f"`{argument}` must give codes (B, D) or (B, *code) of {len(images)} images, got shape {got}")
    # A posterior may be without spread, of log_std -inf.
    if not all(
        bool((part.nan_to_num(torch.nan, torch.inf, 0.0) if k else part).isfinite().all())
        for k, part in enumerate(parts)
    ):
        raise ValueError(f"`{argument}` must give finite codes of a grey image, got some that are not")
    return tuple(parts[0].shape[1:])


def check_decoder(decoder: Any, code_shape: Sequence[int], image_shape: Sequence[int], likelihood: str) -> None:
    """Checks that a decoder makes images of codes, by trying it on codes of zeros.

    Arguments:
        decoder: The decoder.
        code_shape: The shape of a code, (D,) or any other.
        image_shape: (C, H, W) of the images.
        likelihood: That of the model.

    Raises:
        TypeError: if it is not a module, or does not give a floating-point tensor.
        ValueError: if it fails on codes, makes images of another shape, or is for another likelihood.
    """
    _check_module("decoder", decoder)
    own = getattr(decoder, "likelihood", None)
    if own is not None and own != likelihood:
        raise ValueError(f"`likelihood` must be {own} for this decoder ({_kind(decoder)}), got {likelihood!r}")
    codes = _like(decoder, torch.zeros(2, *code_shape))
    found = _tried("decoder", decoder, codes, f"codes (B, {', '.join(map(str, code_shape))})")
    if not isinstance(found, Tensor) or not found.is_floating_point():
        hint = "`module_pair` adapts other modules"
        raise TypeError(f"`decoder` must give a floating-point tensor (B, C, H, W), got {_kind(found)}: {hint}")
    wanted = (len(codes), *image_shape)
    if tuple(found.shape) != wanted:
        raise ValueError(f"`decoder` must give images of shape (B, C, H, W) = {wanted}, got {tuple(found.shape)}")


def _check_module(argument: str, module: Any) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(f"`{argument}` must be a torch module, got {_kind(module)}")


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _like(module: nn.Module, tensor: Tensor) -> Tensor:
    """The tensor in the dtype and on the device of the module's first parameter or buffer, where it has one."""
    first = next((t for t in chain(module.parameters(), module.buffers()) if t.is_floating_point()), None)
    return tensor if first is None else tensor.to(first)


def _tried(argument: str, module: nn.Module, value: Tensor, meaning: str) -> Any:
    try:
        with _unseen(module, value.device):
            return module(value)
    except Exception as error:  # a foreign module may raise anything
        told = " ".join(str(error).split())[:300]
        raise ValueError(
            f"`{argument}` must take {meaning}, got {type(module).__name__}, which fails: {told}"
        ) from error


@contextmanager
def _unseen(module: nn.Module, device: torch.device) -> Iterator[None]:
    """A trial that leaves no trace: no gradients, no change of mode, statistics or of the random state."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        for part, training in modes:
            part.training = training

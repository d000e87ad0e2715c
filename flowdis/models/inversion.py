r"""Inversion: the codes of images under a generator that has no encoder, found by optimisation.

.. math:: z^*(x) = \arg\min_z \; \tfrac{1}{CHW} |g(z) - x|^2 + \tfrac{\lambda}{D} |z|^2

from several starts out of the prior N(0, I), all at once. An image is done when the root mean square of its pixel
errors is within the tolerance, and keeps that code: what is found does not depend on who else is in a batch.

Reference: Creswell and Bharath 2016, Inverting the generator of a generative adversarial network, arXiv 1611.05644.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from tqdm import tqdm

from flowdis._checks import check_images, check_positive
from flowdis.models.own import shaped

__all__ = ["Inversion", "InversionConfig", "InversionEncoder", "invert", "sample_codes"]

_Images = Float[Tensor, "N C H W"]


@dataclass(frozen=True)
class InversionConfig:
    """How images are inverted.

    Arguments:
        starts: How many codes are tried for each image.
        steps: The most steps of Adam.
        learning_rate: Its first learning rate, in units of latents, which falls to zero over the steps by a cosine.
        tolerance: The root mean square of the pixel errors, in units of pixel values, at which an image is done.
        prior: The weight lambda of the prior.
        batch_size: How many codes are optimised at a time.

    Raises:
        ValueError: if a number is out of range.
    """

    starts: int = 4
    steps: int = 500
    learning_rate: float = 0.1
    tolerance: float = 1e-3
    prior: float = 0.0
    batch_size: int = 256

    def __post_init__(self) -> None:
        for name in ("starts", "steps", "learning_rate", "batch_size"):
            check_positive(name, getattr(self, name))
        for name in ("tolerance", "prior"):
            check_positive(name, getattr(self, name), zero=True)


@dataclass(frozen=True, eq=False)
class Inversion:
    """What was found.

    Arguments:
        z: The best code of each image, with shape (N, D).
        error: The root mean square of its pixel errors, in units of pixel values, with shape (N).
        reached: Whether that is within the tolerance, with shape (N).
        steps: The most steps that an image took.
    """

    z: Float[Tensor, "N D"]
    error: Float[Tensor, "N"]
    reached: Bool[Tensor, "N"]
    steps: int


def sample_codes(
    count: int,
    latent_shape: Sequence[int],
    *,
    generator: torch.Generator,
    truncation: float | None = None,
) -> Float[Tensor, "N D"]:
    """Codes (N, D) drawn from the prior N(0, I) of a generator, D the product of its latent shape.

    Arguments:
        count: The number N of codes.
        latent_shape: The shape of a code, such as (128,) or (128, 1, 1).
        generator: The source of the codes.
        truncation: The largest entry: those beyond it are drawn anew; none where left out.

    Raises:
        ValueError: if a number is not positive.

    Example:
        >>> sample_codes(3, (8, 1, 1), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([3, 8])
    """
    check_positive("count", count)
    if not latent_shape or min(latent_shape) < 1:
        raise ValueError(f"`latent_shape` must be one or more positive sizes, got {tuple(latent_shape)}")
    size = (count, math.prod(latent_shape))
    if truncation is None:
        return torch.randn(size, generator=generator, device=generator.device)
    check_positive("truncation", truncation)
    # By the inverse of the distribution function: one draw, however narrow the truncation.
    edge = 0.5 * (1 + math.erf(truncation / math.sqrt(2)))
    uniform = torch.rand(size, generator=generator, device=generator.device, dtype=torch.float64)
    return torch.special.ndtri(1 - edge + (2 * edge - 1) * uniform).float()


def invert(
    decoder: nn.Module,
    images: _Images,
    latent_shape: Sequence[int],
    *,
    generator: torch.Generator,
    config: InversionConfig | None = None,
    quiet: bool = False,
) -> Inversion:
    """Finds the codes of images under a decoder.

    Arguments:
        decoder: The decoder, codes (B, *latent_shape) to images (B, C, H, W) less 1/2, such as `ModuleDecoder` makes
            of a generator. It stays as it is, and is run in its mode for evaluation.
        images: The images in [0, 1], with shape (N, C, H, W).
        latent_shape: The shape of a code.
        generator: The source of the starts.
        config: How.
        quiet: Whether to show no progress bar.

    Raises:
        TypeError: if the decoder is not a module, or images are not floating-point.
        ValueError: if images do not lie in [0, 1], or the decoder makes others.
    """
    config = InversionConfig() if config is None else config
    if not isinstance(decoder, nn.Module):
        raise TypeError(f"`decoder` must be a torch module, got {type(decoder).__name__}")
    check_images("images", images)
    count, dim = len(images), math.prod(latent_shape)
    first = sample_codes(config.starts * max(count, 1), latent_shape, generator=generator).to(images)
    first = first.reshape(-1, config.starts, dim)[:count]
    at_once = max(1, config.batch_size // config.starts)
    modes = [(module, module.training) for module in decoder.modules()]
    decoder.eval()
    codes, errors, taken = [images.new_empty(0, dim)], [images.new_empty(0)], 0
    try:
        with tqdm(total=count, desc="inverting", unit="image", disable=quiet) as bar:
            for begin in range(0, count, at_once):
                piece = slice(begin, begin + at_once)
                z, error, steps = _descend(decoder, images[piece], first[piece], latent_shape, config)
                codes.append(z)
                errors.append(error)
                taken = max(taken, steps)
                bar.update(len(z))
    finally:
        for module, training in modes:
            module.training = training
    error = torch.cat(errors)
    return Inversion(torch.cat(codes), error, error <= config.tolerance, taken)


def _descend(
    decoder: nn.Module, images: Tensor, first: Tensor, shape: Sequence[int], config: InversionConfig
) -> tuple[Tensor, Tensor, int]:
    """The best code (B, D) that each image met, its error (B), and the steps taken, from starts (B, starts, D)."""
    with torch.inference_mode(False), torch.enable_grad():
        images, z = images.clone(), first.clone().requires_grad_()
        best, least, step = z[:, 0].detach().clone(), torch.full_like(images[:, 0, 0, 0], torch.inf), 0
        # Codes in a batch share no term, so that each moves as it would alone.
        optimizer = torch.optim.Adam([z], lr=config.learning_rate, betas=(0.9, 0.99), eps=1e-12)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
        while True:
            error = _errors(decoder, images, z, shape)
            found, which = error.detach().sqrt().min(1)
            # What is within the tolerance stays, however long others take.
            closer = (found < least) & (least > config.tolerance)
            least = torch.where(closer, found, least)
            best[closer] = z.detach()[closer, which[closer]]
            if step == config.steps or bool((least <= config.tolerance).all()):
                return best, least, step
            (z.grad,) = torch.autograd.grad((error + config.prior * z.square().mean(-1)).sum(), z)
            optimizer.step()
            schedule.step()
            step += 1


def _errors(decoder: nn.Module, images: Tensor, z: Tensor, shape: Sequence[int]) -> Tensor:
    """The mean squared errors (B, starts) of what codes (B, starts, D) show."""
    output: Tensor = decoder(shaped(z, shape)).unflatten(0, z.shape[:2])
    if output.shape[2:] != images.shape[1:]:
        wanted, got = tuple(images.shape[1:]), tuple(output.shape[2:])
        raise ValueError(f"`decoder` must make images of shape {wanted}, as `images` are, got {got}")
    return (output + 0.5 - images.unsqueeze(1)).square().mean((-3, -2, -1))


class InversionEncoder(nn.Module):
    """An encoder that inverts a decoder: deterministic, slow, and without gradients.

    It holds the decoder without owning it, so that the weights are saved once.

    Arguments:
        decoder: The decoder of the same `LatentFlow`; see `invert`.
        latent_shape: The shape of a code.
        config: How images are inverted.
        seed: Of the starts, the same for each call.
        quiet: Whether to show no progress bar.
    """

    def __init__(
        self,
        decoder: nn.Module,
        latent_shape: Sequence[int],
        *,
        config: InversionConfig | None = None,
        seed: int = 0,
        quiet: bool = False,
    ) -> None:
        super().__init__()
        self._held = (decoder,)
        self.latent_shape, self.inversion = tuple(latent_shape), config or InversionConfig()
        self.seed, self.quiet = seed, quiet

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B *code"]:
        """The codes (B, *latent_shape) of images (B, C, H, W) in [0, 1]."""
        starts = torch.Generator().manual_seed(self.seed)
        found = invert(
            self._held[0], images, self.latent_shape, generator=starts, config=self.inversion, quiet=self.quiet
        )
        return shaped(found.z, self.latent_shape)

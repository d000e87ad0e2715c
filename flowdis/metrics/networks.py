"""Small networks that judge images: made and trained in seconds, from a seed, whatever state torch is in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_positive

__all__ = ["draw_seed", "shrink", "small_network", "train_network"]

_LARGEST, _CHANNELS, _HIDDEN = 32, (16, 32, 32), 64


def draw_seed(generator: torch.Generator) -> int:
    """A seed for a generator of its own, on whatever device `generator` is."""
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))


def shrink(images: Float[Tensor, "*batch C H W"], largest: int = _LARGEST) -> Float[Tensor, "*batch C h w"]:
    """Images averaged over square blocks of pixels, until no side is longer than `largest`.

    Example:
        >>> shrink(torch.zeros(2, 3, 64, 64)).shape, shrink(torch.zeros(3, 28, 28)).shape
        (torch.Size([2, 3, 32, 32]), torch.Size([3, 28, 28]))
    """
    block = math.ceil(max(images.shape[-2:]) / largest)
    if block <= 1:
        return images
    flat = functional.avg_pool2d(images.reshape(-1, *images.shape[-3:]), block, ceil_mode=True, count_include_pad=False)
    return flat.reshape(*images.shape[:-3], *flat.shape[-3:])


def small_network(image_shape: Sequence[int], outputs: int, *, seed: int) -> nn.Sequential:
    """Three strided convolutions and two linear layers, from images (N, C, H, W) to numbers (N, outputs).

    Arguments:
        image_shape: (C, H, W).
        outputs: How many numbers are predicted.
        seed: The seed of the initial weights.
    """
    count, height, width = image_shape
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after in zip((count, *_CHANNELS), _CHANNELS, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
            height, width = (height + 1) // 2, (width + 1) // 2
        layers += [nn.Flatten(), nn.Linear(_CHANNELS[-1] * height * width, _HIDDEN), nn.LeakyReLU(0.1)]
        return nn.Sequential(*layers, nn.Linear(_HIDDEN, outputs))


def train_network(
    network: nn.Module,
    loss: Callable[[Int[Tensor, "B"]], Tensor],
    count: int,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
) -> None:
    """Minimises a loss by AdamW, its rate falling in a straight line to 0, whatever gradient mode it is called in.

    Arguments:
        network: The network, whose weights are changed.
        loss: Of the samples with the given numbers, a scalar.
        count: How many samples there are.
        steps: Steps of the optimiser.
        batch_size: How many samples a step draws, with replacement.
        learning_rate: The rate at the start.
        generator: The source of batches.
    """
    check_positive("steps", steps)
    with torch.inference_mode(False), torch.enable_grad():
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
        for _ in range(steps):
            rows = torch.randint(count, (batch_size,), generator=generator, device=generator.device)
            optimiser.zero_grad()
            loss(rows).backward()
            optimiser.step()
            schedule.step()
    network.requires_grad_(False)

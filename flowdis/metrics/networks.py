"""Small networks that judge images: made and trained in seconds, from a seed, whatever state torch is in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_positive

__all__ = ["TwoPaths", "reading_network", "shrink", "small_network", "train_network"]

_LARGEST, _CHANNELS, _HIDDEN = 32, (16, 32, 32), 64
# Kernels and strides of the convolutions that look for where something is, and for what it is.
_WHERE, _WHAT = ((3, 2), (3, 2), (3, 2)), ((5, 2), (3, 2), (3, 1))


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
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers, places = _convolutions(image_shape, _WHERE, normalised=False)
        return nn.Sequential(*layers, nn.Flatten(), *_perceptron(_CHANNELS[-1] * places, outputs))


class TwoPaths(nn.Module):
    """The sum of two networks' outputs.

    Arguments:
        where: One network.
        what: The other one.
    """

    def __init__(self, where: nn.Module, what: nn.Module) -> None:
        super().__init__()
        self.where, self.what = where, what

    def forward(self, images: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O"]:
        """The sum (N, O) for images (N, C, H, W)."""
        total: Tensor = self.where(images) + self.what(images)
        return total


def reading_network(image_shape: Sequence[int], outputs: int, *, seed: int) -> TwoPaths:
    """A network that learns at once where things are and what they are, and normalises over batches.

    One half keeps places, the other takes the strongest response anywhere. Where they share their convolutions, places,
    which are learned first, leave the shapes of sprites unlearned after hundreds of steps.

    Arguments:
        image_shape: (C, H, W).
        outputs: How many numbers are predicted.
        seed: The seed of the initial weights.
    """
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers, places = _convolutions(image_shape, _WHERE, normalised=True)
        where = nn.Sequential(*layers, nn.Flatten(), *_perceptron(_CHANNELS[-1] * places, outputs))
        layers, _ = _convolutions(image_shape, _WHAT, normalised=True)
        anywhere = (nn.AdaptiveMaxPool2d(1), nn.Flatten())
        return TwoPaths(where, nn.Sequential(*layers, *anywhere, *_perceptron(_CHANNELS[-1], outputs)))


def _convolutions(
    image_shape: Sequence[int], kernels: Sequence[tuple[int, int]], *, normalised: bool
) -> tuple[list[nn.Module], int]:
    """Convolutions, and the number of places in their last map."""
    count, height, width = image_shape
    layers: list[nn.Module] = []
    for before, after, (size, stride) in zip((count, *_CHANNELS), _CHANNELS, kernels, strict=False):
        layers.append(nn.Conv2d(before, after, size, stride=stride, padding=size // 2))
        layers += [nn.BatchNorm2d(after)] if normalised else []
        layers.append(nn.LeakyReLU(0.1))
        height, width = math.ceil(height / stride), math.ceil(width / stride)
    return layers, height * width


def _perceptron(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, _HIDDEN), nn.LeakyReLU(0.1), nn.Linear(_HIDDEN, outputs)]


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
        network: The network, whose weights are changed; it is left in evaluation mode, without gradients.
        loss: Of the samples with the given numbers, a scalar.
        count: How many samples there are.
        steps: Steps of the optimiser.
        batch_size: How many samples a step draws, with replacement.
        learning_rate: The rate at the start.
        generator: The source of batches.
    """
    check_positive("steps", steps)
    network.train()
    with torch.inference_mode(False), torch.enable_grad():
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
        for _ in range(steps):
            rows = torch.randint(count, (batch_size,), generator=generator, device=generator.device)
            optimiser.zero_grad()
            loss(rows).backward()
            optimiser.step()
            schedule.step()
    network.eval().requires_grad_(False)

"""Networks that read amounts off frames, where nobody tells what moved: see `flowdis.models.amount_posteriors`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_positive
from flowdis.models.amount_posteriors import CategoricalPosterior, SpikeSlabPosterior
from flowdis.models.autoencoder import ConvEncoder

__all__ = ["AMOUNTS", "CategoricalAmounts", "SpikeSlabAmounts"]

_Frames = Float[Tensor, "F *batch C H W"]

_SCALE_RANGE = 4.0  # keeps exp(log_scale) within e^-6 .. e^2, smoothly


class CategoricalAmounts(nn.Module):
    """Which one of K transformations moves a sequence, read off its first frame beside each later one.

    Every later frame is an opinion; their log-odds are averaged.

    Arguments:
        image_shape: (C, H, W).
        count: The number K of transformations.
        channels: The channels after each halving of resolution.
        hidden: The width of the hidden linear layer.

    Raises:
        ValueError: if images are too small for so many halvings, or a number is not positive.
    """

    def __init__(
        self, image_shape: Sequence[int], count: int, *, channels: Sequence[int] = (32, 32), hidden: int = 128
    ) -> None:
        super().__init__()
        self.channels, self.hidden = tuple(channels), hidden
        self.body = _frames_network(image_shape, 2, self.channels, hidden)
        self.head = nn.Linear(hidden, count)

    def forward(self, frames: _Frames) -> CategoricalPosterior:
        """The posterior (*, K) of sequences of F frames (F, *, C, H, W).

        Raises:
            ValueError: if there are fewer than two frames.
        """
        _check_frames(frames)
        later = frames[1:]
        pairs = torch.stack([frames[:1].expand_as(later), later])
        return CategoricalPosterior(self.head(_features(self.body, pairs)).mean(0))

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this network."""
        return {"channels": self.channels, "hidden": self.hidden}


class SpikeSlabAmounts(nn.Module):
    """What moves from each frame to the next, and how fast, read off the frames around the step.

    Arguments:
        image_shape: (C, H, W).
        count: The number K of transformations.
        window: How many frames are read for each step, as many before it as after; where a sequence ends, its last
            frame stands for those that are missing.
        channels: The channels after each halving of resolution.
        hidden: The width of the hidden linear layer.

    Raises:
        ValueError: if images are too small for so many halvings, `window` is odd, or a number is not positive.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        count: int,
        *,
        window: int = 2,
        channels: Sequence[int] = (32, 32),
        hidden: int = 128,
    ) -> None:
        super().__init__()
        check_positive("window", window)
        if window % 2:
            raise ValueError(f"`window` must be even, got {window}")
        self.window, self.channels, self.hidden = window, tuple(channels), hidden
        self.body = _frames_network(image_shape, window, self.channels, hidden)
        self.head = nn.Linear(hidden, 3 * count)

    def forward(self, frames: _Frames) -> SpikeSlabPosterior:
        """The posterior (F - 1, *, K) of the steps between F frames (F, *, C, H, W).

        Raises:
            ValueError: if there are fewer than two frames.
        """
        _check_frames(frames)
        steps = torch.arange(len(frames) - 1, device=frames.device)
        around = torch.arange(self.window, device=frames.device) - (self.window // 2 - 1)
        seen = frames[(around[:, None] + steps).clamp(0, len(frames) - 1)]
        logits, speed, spread = self.head(_features(self.body, seen)).chunk(3, dim=-1)
        return SpikeSlabPosterior(logits, 1 + speed, _SCALE_RANGE * torch.tanh(spread / _SCALE_RANGE) - 2)

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this network."""
        return {"window": self.window, "channels": self.channels, "hidden": self.hidden}


def _frames_network(image_shape: Sequence[int], frames: int, channels: Sequence[int], hidden: int) -> ConvEncoder:
    check_positive("hidden", hidden)
    if hidden % 2:
        raise ValueError(f"`hidden` must be even, got {hidden}")
    return ConvEncoder((frames * image_shape[0], *image_shape[1:]), hidden // 2, channels=channels)


def _features(body: ConvEncoder, frames: Tensor) -> Tensor:
    """What a network makes (*, H) of the frames (W, *, C, H, W) that it reads together."""
    together = rearrange(frames, "w ... c h x -> ... (w c) h x")
    return functional.leaky_relu(body.features(together), 0.1)


def _check_frames(frames: Tensor) -> None:
    if len(frames) < 2:
        raise ValueError(f"`frames` must be at least 2, between which something moves, got {len(frames)}")


AMOUNTS: dict[str, Callable[..., CategoricalAmounts | SpikeSlabAmounts] | None] = {
    "known": None,
    "weak": CategoricalAmounts,
    "none": SpikeSlabAmounts,
}
"""What infers amounts, by the kind of supervision: nothing where they are told."""

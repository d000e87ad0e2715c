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

_STILL = 1e-4  # the squared length of a pair of features that still has half a direction
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

    Two things are read: features of the frames together, and by how much phases of each frame alone differ before and
    after the step. A phase is the direction of a learned pair of features, so that a turn by any angle, from anywhere,
    is the same difference.

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
        self.each = _frames_network(image_shape, 1, self.channels, hidden)
        self.phases = nn.Linear(hidden, 2 * hidden)
        self.joint = nn.Linear(3 * hidden, hidden)
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
        together = [_features(self.body, seen), *self._differences(frames)]
        hidden = functional.leaky_relu(self.joint(torch.cat(together, dim=-1)), 0.1)
        logits, speed, spread = self.head(hidden).chunk(3, dim=-1)
        return SpikeSlabPosterior(logits, 1 + speed, _SCALE_RANGE * torch.tanh(spread / _SCALE_RANGE) - 2)

    def _differences(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The cosines and sines (F - 1, *, H) of the differences of phases from each frame to the next."""
        real, imaginary = self.phases(_features(self.each, frames.unsqueeze(0))).chunk(2, dim=-1)
        length = (real.square() + imaginary.square() + _STILL).sqrt()
        cosine, sine = real / length, imaginary / length
        before, after = slice(None, -1), slice(1, None)
        return (
            cosine[before] * cosine[after] + sine[before] * sine[after],
            cosine[before] * sine[after] - sine[before] * cosine[after],
        )

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

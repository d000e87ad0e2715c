"""Frames that are rendered from states as they are asked for, so that long sequences take no memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_finite, check_floating
from flowdis.data.sources import ImageRenderer

__all__ = ["RenderedFrames"]

_Times = Int[Tensor, "*times"]
_Rows = Int[Tensor, "*rows"]
_Images = Float[Tensor, "*frames C H W"]


@dataclass(frozen=True, eq=False)
class RenderedFrames:
    """An array of frames (T, N, C, H, W) that is rendered where it is read.

    Arguments:
        renderer: What makes images out of states, in float32.
        states: The states, with shape (T, N, S).

    Raises:
        TypeError: if states are not floats.
        ValueError: if they are not finite, or have another number of axes.
    """

    renderer: ImageRenderer
    states: Tensor

    def __post_init__(self) -> None:
        check_finite("states", check_floating("states", self.states))
        if self.states.ndim != 3:
            raise ValueError(f"`states` must have shape (T, N, S), got {tuple(self.states.shape)}")

    @property
    def shape(self) -> torch.Size:
        """(T, N, C, H, W)."""
        return torch.Size((*self.states.shape[:2], *self.renderer.image_shape))

    def read(self, times: _Times, rows: _Rows) -> _Images:
        """Renders the frames at given times of given sequences, indices that broadcast."""
        states = self.states[times, rows].to(torch.float32)
        images = self.renderer.render(states.flatten(0, -2))
        return images.reshape(*states.shape[:-1], *images.shape[1:])

"""Picking some frames of each sample out of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["check_picked", "pick_frames"]


def check_picked(picked: Tensor, frames: int, batch: Sequence[int]) -> Tensor:
    """Returns `picked` if it holds frames from 0 to `frames` for each sample, (D, *batch).

    Raises:
        ValueError: if it does not.
    """
    if tuple(picked.shape[1:]) != tuple(batch) or len(picked) == 0:
        raise ValueError(f"`picked` must have shape (D, *) with * = {tuple(batch)}, got {tuple(picked.shape)}")
    low, high = int(picked.min()), int(picked.max())
    if low < 0 or high > frames:
        raise ValueError(f"`picked` must hold frames from 0, the start, to {frames}, got {low} to {high}")
    return picked


def pick_frames(frames: Tensor, start: Tensor, times: Tensor) -> Tensor:
    """Some of the frames (T, *) after a start (*), at times (D, *) from 0 on, of which some axes may be 1; (D, *).

    Example:
        >>> pick_frames(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.zeros(2), torch.tensor([[0, 2]]))
        tensor([[0., 4.]])
    """
    index = times.clamp(min=1).sub(1).expand(len(times), *frames.shape[1:])
    return torch.where(times == 0, start, frames.gather(0, index))

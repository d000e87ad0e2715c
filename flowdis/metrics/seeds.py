"""Seeds out of a generator: for draws that are to be the same each time, or on another device."""

from __future__ import annotations

import torch

__all__ = ["draw_seed"]


def draw_seed(generator: torch.Generator) -> int:
    """A seed for a generator of its own, on whatever device `generator` is."""
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))

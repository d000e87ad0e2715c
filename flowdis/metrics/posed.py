"""Scenes in poses of their own: what is read from images, or measured on codes, starts there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.scenes import Scenes
from flowdis.metrics.batches import rows
from flowdis.paths import Path, Unit

__all__ = ["PosedScenes", "draw_scenes"]

_Drawn = Float[Tensor, "B C H W"]


@dataclass(frozen=True, eq=False)
class PosedScenes:
    """N scenes, each in a pose of its own.

    Arguments:
        scenes: The scenes.
        start: The path to their poses, over the M factors that move, with amounts (1, N, M).
        units: The units of its amounts.
    """

    scenes: Scenes
    start: Path
    units: Mapping[str, Unit]

    def images(self, piece: slice = slice(None)) -> _Drawn:
        """The images (B, C, H, W) of some of the scenes, all where left out."""
        return self.scenes[piece].draw(rows(self.start, piece), self.units)


def draw_scenes(scenes: Scenes, count: int, generator: torch.Generator) -> Scenes:
    """Draws `count` scenes with replacement."""
    return scenes[torch.randint(len(scenes), (count,), generator=generator, device=generator.device).cpu()]

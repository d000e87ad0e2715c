"""Pictures of what a model makes of test scenes while it is trained."""

from __future__ import annotations

import time
from typing import Any

import torch

from flowdis._files import write_whole
from flowdis.data import Scenes
from flowdis.metrics.batches import spread
from flowdis.paths import Path as FlowPath
from flowdis.plots.canvas import figure_png
from flowdis.plots.samples import sample_sheet
from flowdis.training import Watcher

__all__ = ["SampleSheets"]

_SHOWN = 8


class SampleSheets(Watcher):
    """Draws a sheet of reconstructions and edits at checkpoints, now and then.

    Arguments:
        folder: Where to; the pictures are named by the step.
        scenes: The test scenes, some of which are shown.
        minutes: The least time between two pictures.
    """

    def __init__(self, folder: Any, scenes: Scenes, minutes: float) -> None:
        self.folder, self.minutes = folder, minutes
        shown = spread(scenes, _SHOWN)
        name = next(iter(shown.transformations))
        still = FlowPath((name,), torch.zeros(1, len(shown), 1, dtype=torch.float64))
        self.images = shown.draw(still, {name: shown.transformations[name].unit})
        self.last = time.monotonic()

    def save(self, step: int, model: Any) -> None:
        """Draws, if enough time has gone by since the last picture, or since the start."""
        if time.monotonic() - self.last < 60 * self.minutes:
            return
        figure = sample_sheet(model, self.images)
        write_whole(self.folder / f"step_{step:06d}.png", figure_png(figure))
        self.last = time.monotonic()

"""Runs of a few seconds, and sequences during which something happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from flowdis.data import SequenceBatch, TransformSequences
from flowdis.training import Trainer, TrainingConfig
from tests.models.toys import small_model, stills

__all__ = ["Eventful", "trainer"]


@dataclass
class Eventful:
    """Sequences whose `event` is called with the number of each draw before it is made."""

    event: Callable[[int], None] = lambda number: None
    change: Callable[[SequenceBatch], SequenceBatch] = lambda batch: batch
    draws: int = 0
    speeds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sequences = TransformSequences(stills(6, 3, 8, 8), ("rotate", "hue"), length=3)

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch:
        self.draws += 1
        self.event(self.draws)
        self.speeds.append(speed)
        drawn = self.sequences.sample(batch_size, generator=generator, frames=frames, speed=speed)
        return self.change(drawn)


def trainer(sequences: Eventful | None = None, **changes: object) -> Trainer:
    """A trainer of a small model, the same each time."""
    settings = {"steps": 10, "batch_size": 4, "warmup": 2, "log_every": 1} | {
        name: value for name, value in changes.items() if name not in ("checkpoint", "quiet", "objective")
    }
    return Trainer(
        small_model(),
        sequences or Eventful(),
        TrainingConfig(**settings),
        changes.get("checkpoint"),
        changes.get("quiet", True),
        changes.get("objective"),
    )

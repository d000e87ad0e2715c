"""Forecasting recipes: moving data, models that differ in their latent dynamics alone, and how they are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch

from flowdis._checks import check_choice
from flowdis.data import FrameSequences
from flowdis.data.physics import pendulum, spring, two_body
from flowdis.models import WaveMachine, WaveMachineConfig
from flowdis.objectives import WaveBound
from flowdis.training.config import TrainingConfig

__all__ = ["FORECASTERS", "MOVING", "ForecastRecipe"]

FORECASTERS: dict[str, Mapping[str, Any]] = {
    "lattice": {},
    "uncoupled": {"dynamics_options": {"coupling": "none"}},
    "published": {"dynamics_options": {"coupling": "published"}},
    "dense": {"dynamics_options": {"coupling": "dense"}},
    "gru": {"dynamics": "gru"},
}
"""What models have in place of the recipe's own choices: the conservative lattice, others, and a gated unit."""

MOVING: dict[str, Callable[..., FrameSequences]] = {"spring": spring, "pendulum": pendulum, "two_body": two_body}
"""Moving data by name: (count, steps, generator=) to sequences of steps + 1 frames."""


@dataclass(frozen=True)
class ForecastRecipe:
    """How models that forecast are made and trained, alike but for their dynamics.

    Arguments:
        seen: How many frames a forecast starts from.
        steps: How many frames it is to give.
        count: Sequences to train on.
        length: Frames of each of them; training sees a window of `seen` + `steps` frames.
        tested: Sequences to measure on.
        model: Settings of every model's `WaveMachineConfig`, beside the image's shape.
        objective: What training lowers.
        training: The settings of the trainer.
    """

    seen: int = 10
    steps: int = 60
    count: int = 500
    length: int = 100
    tested: int = 100
    model: Mapping[str, Any] = dataclass_field(default_factory=lambda: {"likelihood": "gaussian"})
    objective: WaveBound = dataclass_field(default_factory=WaveBound)
    training: TrainingConfig = dataclass_field(
        default_factory=lambda: TrainingConfig(batch_size=32, learning_rate=3e-3, ramp=0.0)
    )

    def data(self, name: str) -> tuple[FrameSequences, FrameSequences]:
        """Moving data to train and to test on, drawn from the recipe's seed, as bytes in memory.

        Arguments:
            name: A name in `MOVING`.

        Raises:
            ValueError: if it is unknown.
        """
        made = MOVING[check_choice("data", name, tuple(MOVING))]
        sizes = ((self.count, self.length), (self.tested, self.seen + self.steps))
        generator = torch.Generator().manual_seed(self.training.seed)
        train, test = (made(count, length - 1, generator=generator).in_memory() for count, length in sizes)
        return train, test

    def machine(self, kind: str, image_shape: tuple[int, int, int]) -> WaveMachine:
        """A new model, its weights drawn from the recipe's seed.

        Arguments:
            kind: A name in `FORECASTERS`.
            image_shape: (C, H, W) of the frames.

        Raises:
            ValueError: if it is unknown.
        """
        changed = FORECASTERS[check_choice("models", kind, tuple(FORECASTERS))]
        config = WaveMachineConfig(image_shape, **{"frames": self.seen, **self.model, **changed})
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.training.seed)
            return WaveMachine(config, generator=torch.Generator().manual_seed(self.training.seed))

    def bound(self) -> WaveBound:
        """The objective on windows as long as what is seen and foretold."""
        return replace(self.objective, length=self.seen + self.steps)

    def with_training(self, training: TrainingConfig) -> ForecastRecipe:
        """The same recipe with other settings of the trainer."""
        return replace(self, training=training)

"""Forecasting recipes: moving data, models that differ in their latent dynamics alone, and how they are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch

from flowdis._checks import check_choice
from flowdis.data import FrameSequences, digits, moving_images, pendulum, spring, two_body
from flowdis.models import WaveMachine, WaveMachineConfig
from flowdis.objectives import WaveBound
from flowdis.training.config import TrainingConfig

__all__ = ["FORECASTERS", "MOVING", "ForecastRecipe", "Moving"]

FORECASTERS: dict[str, Mapping[str, Any]] = {
    "lattice": {},
    "uncoupled": {"dynamics_options": {"coupling": "none"}},
    "published": {"dynamics_options": {"coupling": "published", "integrator": "nwm"}},
    "dense": {"dynamics_options": {"coupling": "dense", "integrator": "nwm"}},
    "gru": {"dynamics": "gru"},
}
"""What models have in place of the recipe's own choices: the conservative lattice, others, and a gated unit.

The published coupling and the dense one take the published step.
"""


@dataclass(frozen=True)
class Moving:
    """Moving data to learn from.

    Arguments:
        make: (count, steps, train, generator) to sequences of steps + 1 frames.
        count: How many sequences to train on.
        length: How many frames each of them has; training sees windows of it.
        model: Settings of the models that this kind asks for.
    """

    make: Callable[[int, int, bool, torch.Generator], FrameSequences]
    count: int = 500
    length: int = 100
    model: Mapping[str, Any] = dataclass_field(default_factory=dict)


def _system(simulate: Callable[..., FrameSequences], dt: float = 0.1) -> Moving:
    return Moving(lambda count, steps, train, generator: simulate(count, steps, dt=dt, generator=generator))


def _digits(count: int, steps: int, train: bool, generator: torch.Generator) -> FrameSequences:
    """Digits that turn, each at a speed of its own; those to test on are others."""
    return moving_images(
        digits(train, colour=False)[0], count, steps, rotate=_DEGREES, name="digits", generator=generator
    )


_DEGREES = (10.0, 20.0)  # a frame

MOVING: dict[str, Moving] = {
    "spring": _system(spring),
    "pendulum": _system(pendulum, dt=0.05),
    "two_body": _system(two_body),
    "digits": Moving(_digits, count=2000, length=80),
}
"""Moving data by name."""


@dataclass(frozen=True)
class ForecastRecipe:
    """How models that forecast are made and trained, alike but for their dynamics.

    Arguments:
        seen: How many frames a forecast starts from.
        steps: How many frames it is to give.
        count: Sequences to train on; as many as the data ask for where left out.
        tested: Sequences to measure on.
        model: Settings of every model's `WaveMachineConfig`, beside the image's shape.
        objective: What training lowers.
        training: The settings of the trainer.
    """

    seen: int = 10
    steps: int = 60
    count: int | None = None
    tested: int = 100
    model: Mapping[str, Any] = dataclass_field(default_factory=lambda: {"likelihood": "gaussian"})
    objective: WaveBound = dataclass_field(default_factory=WaveBound)
    training: TrainingConfig = dataclass_field(
        default_factory=lambda: TrainingConfig(batch_size=32, learning_rate=6e-3, ramp=0.0)
    )

    def data(self, name: str) -> tuple[FrameSequences, FrameSequences]:
        """Moving data to train and to test on, drawn from the recipe's seed, as bytes in memory.

        Arguments:
            name: A name in `MOVING`.

        Raises:
            ValueError: if it is unknown.
        """
        moving = MOVING[check_choice("data", name, tuple(MOVING))]
        window = self.seen + self.steps
        sizes = ((self.count or moving.count, max(window, moving.length), True), (self.tested, window, False))
        generator = torch.Generator().manual_seed(self.training.seed)
        train, test = (moving.make(count, size - 1, part, generator).in_memory() for count, size, part in sizes)
        return train, test

    def machine(self, kind: str, image_shape: tuple[int, int, int], *, data: str | None = None) -> WaveMachine:
        """A new model, its weights drawn from the recipe's seed.

        Arguments:
            kind: A name in `FORECASTERS`.
            image_shape: (C, H, W) of the frames.
            data: A name in `MOVING`, whose settings of models are then taken.

        Raises:
            ValueError: if it is unknown.
        """
        changed = FORECASTERS[check_choice("models", kind, tuple(FORECASTERS))]
        asked = {} if data is None else MOVING[check_choice("data", data, tuple(MOVING))].model
        config = WaveMachineConfig(image_shape, **{"frames": self.seen, **self.model, **asked, **changed})
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.training.seed)
            return WaveMachine(config, generator=torch.Generator().manual_seed(self.training.seed))

    def bound(self) -> WaveBound:
        """The objective on windows as long as what is seen and foretold."""
        return replace(self.objective, length=self.seen + self.steps)

    def with_training(self, training: TrainingConfig) -> ForecastRecipe:
        """The same recipe with other settings of the trainer."""
        return replace(self, training=training)

"""Recipes: transformations, motions, model and training settings that go together, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch

from flowdis._checks import check_choice
from flowdis._types import Images
from flowdis.data import Augmentation, Motion, Orbit, Steps, TransformSequences, units_of
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.objectives import Weights
from flowdis.training.config import TrainingConfig

__all__ = ["RECIPES", "Recipe", "orbit_motions", "recipe"]


def orbit_motions(names: Sequence[str]) -> dict[str, Motion]:
    """Motions that start anywhere and go anywhere, for each named transformation.

    Scale ranges over what both protocols and their reverses visit; half a turn either way is enough for whole
    turns, as every pose is also a start.
    """
    known: dict[str, Motion] = {
        "scale": Orbit(start=(0.54, 2.0)),
        "rotate": Orbit(reach=180.0),
        "hue": Orbit(reach=180.0),
    }
    return {name: known.get(name, Orbit()) for name in names}


@dataclass(frozen=True)
class Recipe:
    """How a model of some transformations is made and trained.

    Arguments:
        name: The recipe's name.
        motions: How each transformation moves in training, in the order of the fields.
        single: The share of sequences that move in one transformation alone.
        augmentation: Distortions of the still images; none where left out.
        training: The settings of the trainer.
        field: The kind of field.
        field_options: Keyword arguments of that kind, beside names and dim.
        dim: The number D of latents.
        channels: Channels after each halving of resolution; chosen from the image's size where left out.
        decoder_hidden: The width of the decoder's hidden linear layer.
        likelihood: The likelihood of pixels.
    """

    name: str
    motions: Mapping[str, Motion]
    single: float = 0.5
    augmentation: Augmentation | None = None
    training: TrainingConfig = dataclass_field(default_factory=TrainingConfig)
    field: str = "helmholtz"
    field_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    dim: int = 64
    channels: tuple[int, ...] | None = None
    decoder_hidden: int = 256
    likelihood: str = "bernoulli"

    def model(self, image_shape: tuple[int, int, int]) -> LatentFlow:
        """A new model for images (C, H, W), its weights drawn from the recipe's seed."""
        config = LatentFlowConfig(
            image_shape,
            units_of(tuple(self.motions)),
            dim=self.dim,
            channels=self.channels,
            decoder_hidden=self.decoder_hidden,
            field=self.field,
            field_options=self.field_options,
            likelihood=self.likelihood,
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.training.seed)
            generator = torch.Generator().manual_seed(self.training.seed)
            return LatentFlow(config, generator=generator)

    def sequences(self, images: Images) -> TransformSequences:
        """The training sequences of still images (N, C, H, W)."""
        return TransformSequences(images, self.motions, single=self.single, augmentation=self.augmentation)

    def with_training(self, training: TrainingConfig) -> Recipe:
        """The same recipe with other settings of the trainer."""
        return replace(self, training=training)


_DIGITS = ("scale", "rotate", "hue")

_UPRIGHT: dict[str, Motion] = {
    "scale": Steps(1.8 ** (1 / 8), start=(0.87, 1.15)),
    "rotate": Steps(10.0, start=(-10.0, 10.0)),
    "hue": Steps(20.0),
}

RECIPES: dict[str, Recipe] = {
    "demo": Recipe(
        "demo",
        orbit_motions(_DIGITS),
        training=TrainingConfig(weights=Weights(kl_initial=0.1, kl_path=0.1)),
    ),
    "published": Recipe(
        "published",
        _UPRIGHT,
        single=1.0,
        augmentation=Augmentation(shear=0.2, stretch=1.15, shift=1.0),
        field_options={"linear": False},
        channels=(24,),
        decoder_hidden=384,
        training=TrainingConfig(
            minutes=60.0,
            learning_rate=3e-3,
            beta2=0.999,
            weight_decay=0.05,
            ramp=0.1,
            solver_steps=6,
            weights=Weights(kl_initial=0.1, kl_path=0.1),
        ),
    ),
}
"""`demo` trains for edits of any pose.

`published` trains from upright starts, one transformation at a time, over the amounts of the published protocol; slight
leanings, turns and changes of size of the digit stand for the twelve times larger set of the published experiment.
"""


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: if there is none, listing those there are.
    """
    return RECIPES[check_choice("recipe", name, tuple(RECIPES))]

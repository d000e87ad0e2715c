"""Recipes: transformations, motions, model, objective and training settings that go together, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch

from flowdis._checks import check_choice
from flowdis._types import Images
from flowdis.baselines import BetaTCVAE, BetaVAE, FactorVAE, SlowVAE, TopographicVAE
from flowdis.data import (
    TRANSFORMS,
    Augmentation,
    Motion,
    Scenes,
    Steps,
    Transformation,
    TransformSequences,
    units_of,
)
from flowdis.data.protocols import even_motions
from flowdis.dynamics import DYNAMICS
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.objectives import Objective, Weights
from flowdis.paths import Unit
from flowdis.training.config import TrainingConfig
from flowdis.training.motions import orbit_motions

__all__ = ["RECIPES", "Recipe", "recipe"]


@dataclass(frozen=True)
class Recipe:
    """How a model of some transformations is made and trained.

    Arguments:
        name: The recipe's name.
        motions: How each transformation moves in training, in the order of the fields.
        single: The share of sequences that move in one transformation alone.
        augmentation: Distortions of the still images; none where left out.
        training: The settings of the trainer.
        objective: What training lowers; the bound of the flows, as the settings weigh it, where left out.
        length: The number T of steps of a sequence.
        poses: How many poses a transformation takes by even steps; anywhere, at any speed, where left out.
        field: The kind of field.
        field_options: Keyword arguments of that kind, beside names and dim.
        dynamics: How the fields push codes.
        dynamics_options: The options of that dynamics, as of `LatentFlowConfig`.
        encoder: The kind of encoder.
        encoder_options: Keyword arguments of that kind.
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
    objective: Objective | None = None
    length: int = 8
    poses: int | None = None
    field: str = "helmholtz"
    field_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    dynamics: str = "overdamped"
    dynamics_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    encoder: str = "conv"
    encoder_options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    dim: int = 64
    channels: tuple[int, ...] | None = None
    decoder_hidden: int = 256
    likelihood: str = "bernoulli"

    def model(self, image_shape: tuple[int, int, int], units: Mapping[str, Unit] | None = None) -> LatentFlow:
        """A new model, its weights drawn from the recipe's seed.

        Arguments:
            image_shape: (C, H, W) of the images.
            units: The units of the transformations, such as those of the sequences; their own in `TRANSFORMS` where
                left out.
        """
        names = tuple(self.motions)
        config = LatentFlowConfig(
            image_shape,
            units_of(names) if units is None else {name: units[check_choice("units", name, units)] for name in names},
            dim=self.dim,
            channels=self.channels,
            encoder=self.encoder,
            encoder_options=self.encoder_options,
            decoder_hidden=self.decoder_hidden,
            field=self.field,
            field_options=self.field_options,
            dynamics=self.dynamics,
            dynamics_options=self.dynamics_options,
            likelihood=self.likelihood,
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.training.seed)
            generator = torch.Generator().manual_seed(self.training.seed)
            return LatentFlow(config, generator=generator)

    def sequences(self, images: Images | Scenes) -> TransformSequences:
        """The training sequences of still images (N, C, H, W), or of other scenes."""
        return TransformSequences(
            images, self.motions, length=self.length, single=self.single, augmentation=self.augmentation
        )

    def with_training(self, training: TrainingConfig) -> Recipe:
        """The same recipe with other settings of the trainer."""
        return replace(self, training=training)

    def with_dynamics(self, dynamics: str, options: Mapping[str, Any] | None = None) -> Recipe:
        """The same recipe for codes that are pushed in another way.

        Arguments:
            dynamics: A name in `DYNAMICS`.
            options: Its options, as of `LatentFlowConfig`; the defaults where left out.

        Raises:
            ValueError: if the name is unknown, or the recipe fits its flows to codes, which makes them overdamped.
        """
        check_choice("dynamics", dynamics, tuple(DYNAMICS))
        if self.objective is not None and dynamics != "overdamped":
            raise ValueError(f"`dynamics` must be overdamped for {self.name}, whose flows are fitted, got {dynamics!r}")
        return replace(self, dynamics=dynamics, dynamics_options=dict(options or {}))

    def with_transformations(self, names: Sequence[str], known: Mapping[str, Transformation] = TRANSFORMS) -> Recipe:
        """The same recipe for other transformations, each moved as the recipe has it, or would have it.

        Arguments:
            names: Names out of `known`, in the order of the fields.
            known: The transformations by name, such as those of the scenes.

        Raises:
            ValueError: if a name is unknown.
        """
        for name in names:
            check_choice("names", name, known)
        poses = self.poses
        motions = orbit_motions(names, known) if poses is None else even_motions(names, poses, self.length, known)
        same = [name for name in names if known[name] == TRANSFORMS.get(name) and name in self.motions]
        return replace(self, motions=motions | {name: self.motions[name] for name in same})

    def with_motions(self, motions: Mapping[str, Motion]) -> Recipe:
        """The same recipe for other transformations, moved as told."""
        return replace(self, motions=dict(motions))


_DIGITS = ("scale", "rotate", "hue")

_UPRIGHT: dict[str, Motion] = {
    "scale": Steps(1.8 ** (1 / 8), start=(0.87, 1.15)),
    "rotate": Steps(10.0, start=(-10.0, 10.0)),
    "hue": Steps(20.0),
}

_POSES = 15  # sites of a ring, and frames of a sequence that goes round it


def _fitted(name: str, objective: Objective) -> Recipe:
    """A baseline of the usual ten latents, whose flows are fitted afterwards."""
    return Recipe(
        name,
        orbit_motions(_DIGITS),
        objective=objective,
        field="linear",
        dim=10,
        training=TrainingConfig(ramp=0.0),
    )


RECIPES: dict[str, Recipe] = {
    "demo": Recipe(
        "demo",
        orbit_motions(_DIGITS),
        training=TrainingConfig(weights=Weights(kl_initial=0.1, kl_path=0.1)),
    ),
    "factors": Recipe(
        "factors",
        orbit_motions(_DIGITS),
        training=TrainingConfig(
            batch_size=64, learning_rate=6e-3, solver_steps=4, weights=Weights(kl_initial=0.1, kl_path=0.1)
        ),
        likelihood="gaussian",
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
    "flow_factorized": Recipe(
        "flow_factorized",
        _UPRIGHT,
        single=1.0,
        poses=_POSES,
        field="potential",
        field_options={"clocked": True, "forced": True},
        training=TrainingConfig(weights=Weights(hamilton_jacobi=1.0, start_speed=1.0)),
    ),
    "vae": _fitted("vae", BetaVAE(beta=1.0)),
    "beta_vae": _fitted("beta_vae", BetaVAE()),
    "factor_vae": _fitted("factor_vae", FactorVAE()),
    "beta_tcvae": _fitted("beta_tcvae", BetaTCVAE()),
    "slow_vae": _fitted("slow_vae", SlowVAE()),
    "topographic_vae": Recipe(
        "topographic_vae",
        even_motions(_DIGITS, _POSES, _POSES - 1),
        single=1.0,
        objective=TopographicVAE(),
        length=_POSES - 1,
        poses=_POSES,
        encoder="topographic",
        encoder_options={"ring": _POSES, "frames": 2, "sites": 0},
        field="linear",
        dim=_POSES * _POSES,
        training=TrainingConfig(batch_size=16, ramp=0.0),
    ),
}
"""`demo` trains for edits of any pose; `factors` is the same in smaller batches, for images that cost more,
and reads colours by a Gaussian likelihood.

`published` trains from upright starts, one transformation at a time, over the amounts of the published protocol; slight
leanings, turns and changes of size of the digit stand for the twelve times larger set of the published experiment.

The others are baselines with the objectives and weights of their papers, in the encoder, decoder and trainer of `demo`.
`flow_factorized` is that of Song et al. 2023 (arXiv 2309.13167): clocked potentials with a force that start from rest.
"""


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: if there is none, listing those there are.
    """
    return RECIPES[check_choice("recipe", name, tuple(RECIPES))]

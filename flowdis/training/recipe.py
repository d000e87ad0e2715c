"""What a recipe is: transformations, motions, model, objective and training settings that go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import torch

from flowdis._checks import check_choice, check_positive
from flowdis._types import Images
from flowdis.data import TRANSFORMS, Augmentation, Motion, Scenes, Transformation, TransformSequences, units_of
from flowdis.data.protocols import even_motions
from flowdis.dynamics import DYNAMICS
from flowdis.models import AMOUNTS, LatentFlow, LatentFlowConfig
from flowdis.objectives import Objective, SparseBound, WeakBound
from flowdis.paths import Unit
from flowdis.training.config import TrainingConfig
from flowdis.training.motions import orbit_motions, speed_motions

__all__ = ["Recipe"]

_STEPS = 4  # of a sequence whose amounts are inferred step by step


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
        decoder: The kind of decoder.
        decoder_hidden: The width of the decoder's hidden linear layer.
        likelihood: The likelihood of pixels.
        noise: Its scale, in units of pixel values, where it has one.
        supervision: Whether amounts are known, or inferred: see `LatentFlowConfig`.
        flows: How many flows are learned where they are inferred, named flow_1 and on; as many as transformations where
            left out.
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
    decoder: str = "conv"
    decoder_hidden: int = 256
    likelihood: str = "bernoulli"
    noise: float = 0.05
    supervision: str = "known"
    flows: int | None = None

    def model(self, image_shape: tuple[int, int, int], units: Mapping[str, Unit] | None = None) -> LatentFlow:
        """A new model, its weights drawn from the recipe's seed.

        Arguments:
            image_shape: (C, H, W) of the images.
            units: The units of the transformations, such as those of the sequences; their own in `TRANSFORMS` where
                left out.
        """
        config = LatentFlowConfig(
            image_shape,
            self._units(units),
            dim=self.dim,
            channels=self.channels,
            encoder=self.encoder,
            encoder_options=self.encoder_options,
            decoder=self.decoder,
            decoder_hidden=self.decoder_hidden,
            field=self.field,
            field_options=self.field_options,
            dynamics=self.dynamics,
            dynamics_options=self.dynamics_options,
            likelihood=self.likelihood,
            noise=self.noise,
            supervision=self.supervision,
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.training.seed)
            generator = torch.Generator().manual_seed(self.training.seed)
            return LatentFlow(config, generator=generator)

    def _units(self, units: Mapping[str, Unit] | None) -> dict[str, Unit]:
        names = tuple(self.motions)
        if self.supervision != "known":
            return {f"flow_{index + 1}": Unit() for index in range(self.flows or len(names))}
        return units_of(names) if units is None else {name: units[check_choice("units", name, units)] for name in names}

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
        if self.objective is not None and self.supervision == "known" and dynamics != "overdamped":
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

    def with_supervision(
        self, supervision: str, flows: int | None = None, known: Mapping[str, Transformation] = TRANSFORMS
    ) -> Recipe:
        """The same recipe for sequences of which less is told.

        Known amounts are those of the recipe. Inferred ones are of sequences that start anywhere and run at speeds of
        0.5 to 1.5 times a usual step. Under weak supervision, each of them moves in one transformation, by a known
        amount, and nobody tells in which; without any, they have a few steps, and nothing is told.

        Arguments:
            supervision: "known", "weak" or "none".
            flows: How many flows are learned; as many as transformations where left out.
            known: The transformations by name, such as those of the scenes.

        Raises:
            ValueError: if the kind is unknown, `flows` is not positive or is given where transformations are known,
                or the recipe fits its flows to codes, or to poses.
        """
        check_choice("supervision", supervision, tuple(AMOUNTS))
        if flows is not None:
            check_positive("flows", flows)
        if supervision == "known":
            if flows is not None:
                raise ValueError(f"`flows` must be left out where transformations are known, got {flows}")
            return self
        if self.objective is not None or self.poses is not None:
            raise ValueError(f"`supervision` must be known for {self.name}, got {supervision!r}")
        chosen = replace(self, supervision=supervision, flows=flows)
        training = self.training
        if supervision == "weak":
            objective = WeakBound(training.weights, solver_steps=1)
            # Neither motions of almost nothing nor half turns tell which transformation it is.
            return replace(
                chosen,
                motions=speed_motions(tuple(self.motions), self.length, known),
                single=1.0,
                training=replace(training, ramp=0.0),
                objective=objective,
            )
        return replace(
            chosen,
            motions=speed_motions(tuple(self.motions), _STEPS, known),
            length=_STEPS,
            training=replace(training, ramp=0.0, batch_size=max(1, training.batch_size // 2)),
            # Without it flows learn to go the long way round a closed orbit, where speeds differ less.
            objective=SparseBound(replace(training.weights, energy=0.1)),
        )

    def with_motions(self, motions: Mapping[str, Motion]) -> Recipe:
        """The same recipe for other transformations, moved as told."""
        return replace(self, motions=dict(motions))

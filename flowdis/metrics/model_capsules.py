"""Capsule metrics of a model whose codes lie on rings: do they roll by one site as the input takes one even step?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from einops import rearrange

from flowdis.data.protocols import even_motions
from flowdis.data.scenes import Scenes
from flowdis.data.sequences import TransformSequences
from flowdis.metrics.batches import codes
from flowdis.metrics.capsules import CapsuleCorrelation, RollError, capsule_correlation, roll_error
from flowdis.metrics.protocols import drawable
from flowdis.models import LatentFlow
from flowdis.models.topographic import TopographicEncoder

__all__ = ["ModelCapsules", "capsule_scores"]


@dataclass(frozen=True, eq=False)
class ModelCapsules:
    """EqErr and CapCorr of a model, by transformation.

    Arguments:
        errors: The distance between rolled capsules and those that they should be.
        correlations: How well rolls that are found agree with true ones.
    """

    errors: Mapping[str, RollError]
    correlations: Mapping[str, CapsuleCorrelation]

    @property
    def score(self) -> float:
        """The mean of the correlations."""
        return fmean(result.score for result in self.correlations.values())

    @property
    def controls(self) -> dict[str, float]:
        """The mean score of always finding no roll, and of rolls paired at random with true ones."""
        results = self.correlations.values()
        return {key: fmean(getattr(result, key) for result in results) for key in ("static", "unrelated")}

    def to_json(self) -> dict[str, Any]:
        """The results of each transformation, and the mean correlation beside its controls."""
        return {
            "score": self.score,
            "controls": self.controls,
            "roll_error": {name: result.to_json() for name, result in self.errors.items()},
            "capsule_correlation": {name: result.to_json() for name, result in self.correlations.items()},
        }


def capsule_scores(
    model: LatentFlow, scenes: Scenes, *, generator: torch.Generator, batch_size: int = 250
) -> ModelCapsules:
    """EqErr and CapCorr of a topographic model on sequences by even steps, one site of a ring each.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        scenes: One sequence of each transformation is drawn from every scene.
        generator: The source of starts.
        batch_size: How many sequences are worked on at a time.

    Raises:
        ValueError: if the model's encoder is not topographic, or none of its transformations can be drawn.
    """
    if not isinstance(model.encoder, TopographicEncoder):
        raise ValueError(f"`model` must have a topographic encoder, got {type(model.encoder).__name__}")
    names, known, ring = drawable(model, scenes), scenes.transformations, model.encoder.ring
    if not names:
        raise ValueError(f"`scenes` must show transformations out of {', '.join(model.names)}, got none of them")
    motions = even_motions(names, ring, ring - 1, known)
    errors: dict[str, RollError] = {}
    correlations: dict[str, CapsuleCorrelation] = {}
    for name in names:
        sequences = TransformSequences(scenes, motions, length=ring - 1, units=model.units, single=1.0, which=name)
        batches = sequences.batches(batch_size, generator=generator)
        z = torch.cat([codes(model, batch.frames) for batch in batches], dim=1)
        rings = rearrange(z, "s b (c r) -> s b c r", r=ring)
        errors[name], correlations[name] = roll_error(rings), capsule_correlation(rings)
    return ModelCapsules(errors, correlations)

"""The sequences of a protocol, and the poses that they start from, whatever transformations a model has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from flowdis._checks import check_choice
from flowdis.data.batch import SequenceBatch
from flowdis.data.known import units_of
from flowdis.data.protocols import PROTOCOLS, motions
from flowdis.data.scenes import Scenes, as_scenes
from flowdis.data.sequences import TransformSequences
from flowdis.metrics.batches import Stills
from flowdis.metrics.seeds import draw_seed
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["drawable", "protocol_sequences", "protocols_of", "random_start"]


def drawable(model: LatentFlow, scenes: Scenes) -> tuple[str, ...]:
    """The model's transformations whose truth can be drawn, in order."""
    return tuple(name for name in model.names if name in scenes.transformations)


def protocols_of(model: LatentFlow, scenes: Scenes) -> tuple[str, ...]:
    """The protocols that the scenes have: factors of a data set have no published one."""
    kinds = {scenes.transformations[name].kind for name in drawable(model, scenes)}
    return tuple(PROTOCOLS) if "factor" not in kinds else ("orbit",)


@dataclass(frozen=True, eq=False)
class _Drawn(Iterable[SequenceBatch]):
    """Batches that are drawn as they are asked for, the same each time."""

    sequences: TransformSequences
    batch_size: int
    seed: int

    def __iter__(self) -> Iterator[SequenceBatch]:
        generator = torch.Generator().manual_seed(self.seed)
        return self.sequences.batches(self.batch_size, generator=generator)


def protocol_sequences(
    model: LatentFlow,
    images: Stills | Scenes,
    protocol: str,
    *,
    generator: torch.Generator,
    names: Sequence[str] | None = None,
    batch_size: int = 250,
) -> dict[str, Iterable[SequenceBatch]]:
    """The sequences of a protocol by transformation, one of each scene, drawn when they are iterated over.

    Arguments:
        model: The model, for its transformations and their units.
        images: The still images, with shape (N, C, H, W), or N scenes.
        protocol: "published" or "orbit".
        generator: The source of starts and speeds.
        names: The transformations that move; all that can be drawn where left out.
        batch_size: How many sequences are drawn at a time.

    Raises:
        ValueError: if the protocol or a name is unknown, or the images do not fit.
    """
    scenes = as_scenes(images)
    known = drawable(model, scenes)
    moving = known if names is None else tuple(check_choice("names", name, known) for name in names)
    drawn: dict[str, Iterable[SequenceBatch]] = {}
    for name in moving:
        moves = motions(protocol, known, known=scenes.transformations)
        sequences = TransformSequences(scenes, moves, units=model.units, single=1.0, which=name)
        drawn[name] = _Drawn(sequences, batch_size, draw_seed(generator))
    return drawn


def random_start(model: LatentFlow, images: Stills | Scenes, generator: torch.Generator) -> Path:
    """Paths to where the sequences of the orbit protocol start, with amounts (1, N, K) in the model's units.

    Arguments:
        model: The model, for its transformations and their units.
        images: The N still images, or scenes.
        generator: The source of the starts.
    """
    scenes = as_scenes(images)
    names, known = drawable(model, scenes), scenes.transformations
    units = units_of(names, model.units, known)
    begins = [
        motion.draw(len(scenes), known[name], 8, generator)[0] / units[name].step
        for name, motion in motions("orbit", names, known=known).items()
    ]
    start = Path(names, torch.stack(begins, dim=-1).unsqueeze(0).cpu())
    return scenes.attainable(start * 0.0, units, times=torch.zeros(1, dtype=torch.float64), start=start)[0]

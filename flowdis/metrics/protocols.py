"""Protocols: which sequences a model is measured on, whatever subset of transformations it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from flowdis._checks import check_choice
from flowdis.data.batch import SequenceBatch
from flowdis.data.motions import Motion, Steps
from flowdis.data.protocols import ORBIT, PUBLISHED
from flowdis.data.sequences import TransformSequences
from flowdis.data.transforms import TRANSFORMS, units_of
from flowdis.metrics.batches import Stills
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["PROTOCOLS", "drawable", "motions", "protocol_sequences", "random_start"]

PROTOCOLS: dict[str, Mapping[str, Motion]] = {"published": PUBLISHED, "orbit": ORBIT}
"""The protocols, with the motions of the transformations that they name."""


def drawable(model: LatentFlow) -> tuple[str, ...]:
    """The model's transformations whose truth can be drawn, in order."""
    return tuple(name for name in model.names if name in TRANSFORMS)


def motions(protocol: str, names: Sequence[str], length: int = 8) -> dict[str, Motion]:
    """The motion of each named transformation under a protocol.

    What a protocol does not name takes `length` even steps from the identity to the end of the range that it
    is trained on ("published"), or from anywhere below the identity at half to full speed ("orbit").

    Arguments:
        protocol: "published" or "orbit".
        names: Names out of `flowdis.data.TRANSFORMS`.
        length: The number T of steps.

    Raises:
        ValueError: if the protocol or a name is unknown.
    """
    known = PROTOCOLS[check_choice("protocol", protocol, PROTOCOLS)]
    chosen = {}
    for name in names:
        kind = TRANSFORMS[check_choice("names", name, TRANSFORMS)]
        (low, high), logarithmic = kind.range, kind.unit.logarithmic
        step = high ** (1 / length) if logarithmic else high / length
        anywhere = Steps(step, start=(low, 1.0 if logarithmic else 0.0), speed=(0.5, 1.0))
        chosen[name] = known.get(name, Steps(step) if protocol == "published" else anywhere)
    return chosen


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
    images: Stills,
    protocol: str,
    *,
    generator: torch.Generator,
    names: Sequence[str] | None = None,
    batch_size: int = 250,
) -> dict[str, Iterable[SequenceBatch]]:
    """The sequences of a protocol by transformation, one of each image, drawn when they are iterated over.

    Arguments:
        model: The model, for its transformations and their units.
        images: The still images, with shape (N, C, H, W).
        protocol: "published" or "orbit".
        generator: The source of starts and speeds.
        names: The transformations that move; all that can be drawn where left out.
        batch_size: How many sequences are drawn at a time.

    Raises:
        ValueError: if the protocol or a name is unknown, or the images do not fit.
    """
    known = drawable(model)
    moving = known if names is None else tuple(check_choice("names", name, known) for name in names)
    drawn: dict[str, Iterable[SequenceBatch]] = {}
    for name in moving:
        sequences = TransformSequences(images, motions(protocol, known), units=model.units, single=1.0, which=name)
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        drawn[name] = _Drawn(sequences, batch_size, seed)
    return drawn


def random_start(model: LatentFlow, count: int, generator: torch.Generator) -> Path:
    """Paths to where the sequences of the orbit protocol start, with amounts (1, B, K) in the model's units.

    Arguments:
        model: The model, for its transformations and their units.
        count: The number B of paths.
        generator: The source of the starts.
    """
    names = drawable(model)
    units = units_of(names, model.units)
    begins = [
        motion.draw(count, TRANSFORMS[name], 8, generator)[0] / units[name].step
        for name, motion in motions("orbit", names).items()
    ]
    return Path(names, torch.stack(begins, dim=-1).unsqueeze(0).cpu())

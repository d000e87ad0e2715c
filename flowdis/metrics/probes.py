"""Probes: the edits that every model is asked for, as far as it has their transformations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from flowdis.data.scenes import Scenes
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, spread
from flowdis.metrics.commutator import commutator_gap
from flowdis.metrics.composition import CompositionError, PathError, composition_error, path_error
from flowdis.metrics.protocols import drawable
from flowdis.metrics.undo import UndoError, undo_error
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = [
    "PAIRS",
    "PROBES",
    "BackwardsError",
    "Bench",
    "backwards",
    "compositions",
    "far_path",
    "gaps",
    "once_round",
    "undos",
]

PROBES: dict[str, float] = {
    "rotate": 45.0,
    "scale": 1.3,
    "hue": 120.0,
    "translate_x": 2.0,
    "translate_y": 2.0,
    "shear": 0.2,
    "stretch": 1.15,
    "brightness": 1.2,
    "contrast": 1.2,
}
"""One edit of each transformation of images, in its natural unit."""

Pair = tuple[tuple[str, float], tuple[str, float]]

PAIRS: tuple[Pair, ...] = (
    (("rotate", 45.0), ("hue", 120.0)),
    (("scale", 1.3), ("hue", 90.0)),
    (("wall_hue", 120.0), ("object_hue", 120.0)),
)
"""The edits that are composed; a model that has none of these pairs composes its first two."""


@dataclass(frozen=True)
class BackwardsError:
    """The errors of an edit and of the same amount the other way."""

    forward: PathError
    backward: PathError

    def to_json(self) -> dict[str, object]:
        """Both errors in pixels, with their controls."""
        return {
            "forward": self.forward.error,
            "backward": self.backward.error,
            "controls": {"forward": self.forward.to_json(), "backward": self.backward.to_json()},
        }


@dataclass(frozen=True, eq=False)
class Bench:
    """A model with all that probes need.

    Arguments:
        model: The model.
        scenes: The N scenes.
        images: Their images where no truth is needed, with shape (N, C, H, W).
        start: The paths to the poses that are edited, with amounts (S, N, K); none where left out.
        controls: Other fields on the same codes, by name.
        generator: The source of noise, for a model whose dynamics has a temperature.
        batch_size: How many images are worked on at a time.
    """

    model: LatentFlow
    scenes: Scenes
    images: Stills
    start: Path | None
    controls: Mapping[str, FieldBank]
    generator: torch.Generator
    batch_size: int = 250

    @property
    def names(self) -> tuple[str, ...]:
        """The model's transformations whose truth can be drawn."""
        return drawable(self.model, self.scenes)

    def probe(self, name: str) -> float:
        """One edit of a transformation, in its natural unit: that of `PROBES`, or one amount."""
        return PROBES.get(name, self.scenes.transformations[name].unit.size)

    def path(self, name: str, value: float) -> Path:
        """The path that moves one transformation by a value in its natural unit."""
        return self.model.flows(name)[0](value)

    def error(self, path: Path) -> PathError:
        """The error of an edit of all images."""
        return path_error(
            self.model,
            self.scenes,
            path,
            start=self.start,
            controls=self.controls,
            batch_size=self.batch_size,
            generator=self.generator,
        )


def far_path(bench: Bench, name: str) -> Path:
    """As far as a transformation is asked to go: two full turns, its whole range, or two amounts."""
    flow = bench.model.flows(name)[0]
    if name not in bench.names:
        return flow.by_amount(2.0)
    kind = bench.scenes.transformations[name]
    if kind.period is not None:
        return flow(2 * kind.period)
    low, high = kind.range
    return flow.by_amount(flow.unit.to_amount(high) - flow.unit.to_amount(low))


def compositions(bench: Bench) -> dict[str, CompositionError]:
    """The errors of two edits, one after the other and at once, by what they are ("rotate 45, hue 120")."""
    names = bench.names
    pairs: list[Pair] = [pair for pair in PAIRS if all(name in names for name, _ in pair)]
    if not pairs and len(names) > 1:
        pairs = [((names[0], bench.probe(names[0])), (names[1], bench.probe(names[1])))]
    return {
        ", ".join(f"{name} {value:g}" for name, value in pair): composition_error(
            bench.model,
            bench.scenes,
            bench.path(*pair[0]),
            bench.path(*pair[1]),
            start=bench.start,
            controls=bench.controls,
            batch_size=bench.batch_size,
            generator=bench.generator,
        )
        for pair in pairs
    }


def backwards(bench: Bench) -> dict[str, BackwardsError]:
    """The errors of each transformation's edit and of the same amount the other way."""
    paths = {name: bench.path(name, bench.probe(name)) for name in bench.names}
    return {name: BackwardsError(bench.error(path), bench.error(-1.0 * path)) for name, path in paths.items()}


def once_round(bench: Bench) -> dict[str, PathError]:
    """The error of going once round, for each transformation that comes round."""
    periods = {name: bench.scenes.transformations[name].period for name in bench.names}
    return {name: bench.error(bench.path(name, period)) for name, period in periods.items() if period}


def undos(bench: Bench, *, limit: int = 50) -> dict[str, UndoError]:
    """The errors of going far and back, for each transformation, and for all of them in a row."""
    model, images = bench.model, spread(bench.images, limit)
    paths = {name: far_path(bench, name) for name in model.names}
    if len(paths) > 1:
        first, *others = paths.values()
        row = first
        for path in others:
            row = row >> path
        paths[" then ".join(model.names)] = row
    return {name: undo_error(model, images, path, batch_size=bench.batch_size) for name, path in paths.items()}


def gaps(bench: Bench, *, limit: int = 250) -> dict[str, float]:
    """The pixels between one edit then another and the other way round, for all pairs that can be drawn."""
    model, images, names = bench.model, spread(bench.images, limit), bench.names
    return {
        f"{a}, {b}": commutator_gap(
            model,
            images,
            bench.path(a, bench.probe(a)),
            bench.path(b, bench.probe(b)),
            batch_size=bench.batch_size,
            generator=bench.generator,
        )
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }

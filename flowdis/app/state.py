"""What one visitor of the page has done so far; never changed, only replaced."""

from __future__ import annotations

import operator
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.paths import Flow, Path

__all__ = ["Controls", "EditState", "Session", "Snapshot", "Source", "path_of", "text_of"]

_KEPT = 100  # snapshots that undo goes back through


@dataclass(frozen=True)
class Controls:
    """How the sliders stand.

    Arguments:
        values: The value of each flow in its natural unit.
        order: The names of all flows, the first to run first.
        at_once: Whether flows run at once rather than in turn.

    Raises:
        ValueError: if `order` does not hold each flow once.
    """

    values: Mapping[str, float]
    order: tuple[str, ...]
    at_once: bool = False

    def __post_init__(self) -> None:
        if sorted(self.order) != sorted(self.values):
            wanted = f"each of {', '.join(self.values)} once"
            raise ValueError(f"`order` must hold {wanted}, got {', '.join(map(str, self.order)) or 'nothing'}")

    @classmethod
    def rest(cls, flows: Sequence[Flow]) -> Controls:
        """All flows at the value that changes nothing, in the model's order, in turn."""
        return cls({flow.name: _identity(flow) for flow in flows}, tuple(flow.name for flow in flows))

    def moving(self, flows: Sequence[Flow]) -> list[tuple[Flow, float]]:
        """The flows that change something with their values, in the order in which they run."""
        by_name = {flow.name: flow for flow in flows}
        found = [(by_name[name], self.values[name]) for name in self.order]
        return [(flow, value) for flow, value in found if value != _identity(flow)]


@dataclass(frozen=True, eq=False)
class Source:
    """The image that is edited.

    Arguments:
        image: The image (C, H, W) in [0, 1], rounded to bytes, so that a PNG file holds all of it.
        z: Its code (D).
        name: What to call it.
    """

    image: Float[Tensor, "C H W"]
    z: Float[Tensor, "D"]
    name: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """An image and how the sliders stand."""

    source: Source
    controls: Controls


@dataclass(frozen=True, eq=False)
class EditState:
    """The present, what undo goes back to, and what redo goes forth to.

    Arguments:
        now: The present.
        past: What was before, the latest last.
        future: What was undone, the next to redo last.
    """

    now: Snapshot
    past: tuple[Snapshot, ...] = ()
    future: tuple[Snapshot, ...] = ()

    def moved(self, controls: Controls) -> EditState:
        """The state after sliders were moved; the same one where they stand as they stood."""
        return self if controls == self.now.controls else self._next(replace(self.now, controls=controls))

    def loaded(self, source: Source) -> EditState:
        """The state after another image was taken; sliders stay where they are."""
        return self._next(replace(self.now, source=source))

    def undone(self) -> EditState:
        """The state before the last change; the same one where there was none."""
        if not self.past:
            return self
        return EditState(self.past[-1], self.past[:-1], (*self.future, self.now))

    def redone(self) -> EditState:
        """The state before the last undo; the same one where there was none."""
        if not self.future:
            return self
        return EditState(self.future[-1], (*self.past, self.now), self.future[:-1])

    def _next(self, snapshot: Snapshot) -> EditState:
        return EditState(snapshot, (*self.past, self.now)[-_KEPT:])


class Session:
    """The one place where a visitor's state is replaced, by one event at a time, in the order in which they come.

    Arguments:
        state: The state to begin with; a copy of the session begins with it too, and goes its own way.
    """

    def __init__(self, state: EditState) -> None:
        self.state = state
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, object]) -> Session:
        return Session(self.state)


def path_of(controls: Controls, flows: Sequence[Flow]) -> Path:
    """The path that the controls stand for; one that stays where it is when all are at rest.

    Example:
        >>> from flowdis.paths import Unit, flows
        >>> turn = flows({"rotate": Unit("degree", 45.0), "hue": Unit("degree", 90.0)})
        >>> path_of(Controls({"rotate": 45.0, "hue": 90.0}, ("hue", "rotate")), turn)
        Path(hue +1 >> rotate +1)
    """
    steps = [flow(value) for flow, value in controls.moving(flows)]
    if not steps:
        names = tuple(flow.name for flow in flows)
        return Path(names, torch.zeros(1, len(names), dtype=torch.float64))
    return reduce(operator.add if controls.at_once else operator.rshift, steps)


def text_of(controls: Controls, flows: Sequence[Flow]) -> str:
    """The path as `flowdis.parse_path` reads it: "rotate 45 then hue 120", or with "and" for flows at once."""
    moving = controls.moving(flows) or [(flows[0], _identity(flows[0]))]
    return (" and " if controls.at_once else " then ").join(f"{flow.name} {value:.12g}" for flow, value in moving)


def _identity(flow: Flow) -> float:
    return 1.0 if flow.unit.logarithmic else 0.0

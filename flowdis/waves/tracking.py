"""Tracking: charges from frame to frame, how they move, and the pairs that are made and annihilated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from flowdis._checks import check_positive

__all__ = ["ChargeEvent", "ChargeTrack", "ChargeTracks", "track_charges"]


@dataclass(frozen=True)
class ChargeTrack:
    """One charge while it lives.

    Arguments:
        charge: 1 or -1.
        start: The frame in which it is first seen.
        places: Its plaquette (row, column) in that frame and each one after it.
    """

    charge: int
    start: int
    places: tuple[tuple[int, int], ...]

    @property
    def end(self) -> int:
        """The frame in which it is last seen."""
        return self.start + len(self.places) - 1


@dataclass(frozen=True)
class ChargeEvent:
    """A pair made or annihilated, or a charge that came or went alone.

    Arguments:
        frame: The first frame with the pair, or the first without it.
        kind: "made" or "annihilated".
        positive: The track of the positive charge; None if the negative one is alone.
        negative: The track of the negative charge; None if the positive one is alone.
        distance: How far apart they were, in sites; None if one is alone.
    """

    frame: int
    kind: str
    positive: int | None
    negative: int | None
    distance: float | None


@dataclass(frozen=True)
class ChargeTracks:
    """The charges of a map over time.

    Arguments:
        tracks: Each charge while it lives.
        events: Pairs and single charges that came or went, in the order of frames.
        totals: The sum of the charges in each frame: 0 on a torus.
    """

    tracks: tuple[ChargeTrack, ...]
    events: tuple[ChargeEvent, ...]
    totals: tuple[int, ...]

    @property
    def pairs_made(self) -> int:
        """How many pairs were made."""
        return sum(event.kind == "made" and event.distance is not None for event in self.events)

    @property
    def pairs_annihilated(self) -> int:
        """How many pairs were annihilated."""
        return sum(event.kind == "annihilated" and event.distance is not None for event in self.events)

    @property
    def alone(self) -> int:
        """How many charges came or went alone: too fast to follow, or across the edge of a patch."""
        return sum(event.distance is None for event in self.events)

    def to_json(self) -> dict[str, Any]:
        """The numbers of tracks and events, and the largest total."""
        return {
            "tracks": len(self.tracks),
            "pairs_made": self.pairs_made,
            "pairs_annihilated": self.pairs_annihilated,
            "alone": self.alone,
            "largest_total": max(map(abs, self.totals)),
        }


def track_charges(charges: Int[Tensor, "T H W"], *, reach: float = 3.0, periodic: bool = True) -> ChargeTracks:
    """Follows each charge to the nearest of its sign in the next frame, all at the least total distance.

    What is not found again within reach was annihilated, and what was not there before was made. On a torus, as the
    total is 0 in both frames, as many charges of one sign come (less those that go) as of the other; so they are
    paired, nearest first in the same sense. A charge that moves farther than it can be followed goes and comes alone.
    Places are whole plaquettes, so that speeds are so too.

    Arguments:
        charges: The charges of one map, every plaquette, with shape (T, H, W), as `charges` gives them.
        reach: How far a charge may move in a frame, in sites.
        periodic: Whether the map is a torus, on which distances are the shorter way round.

    Raises:
        ValueError: if `reach` is not positive, a frame is missing, or the charges of a torus do not add up to 0.
    """
    check_positive("reach", reach)
    totals = charges.sum((-2, -1)).tolist()
    if not totals:
        raise ValueError(f"`charges` must have at least one frame, got shape {tuple(charges.shape)}")
    if periodic and any(totals):
        frame = next(index for index, total in enumerate(totals) if total)
        raise ValueError(f"`charges` of a torus must add up to 0 in every frame, got {totals[frame]} in frame {frame}")
    book = _Book(tuple(charges.shape[-2:]) if periodic else None, reach)
    for frame, found in enumerate(charges.cpu()):
        book.add(frame, {sign: _places(found, sign) for sign in (1, -1)})
    tracks = tuple(ChargeTrack(charge, start, tuple(places)) for charge, start, places in book.tracks)
    return ChargeTracks(tracks, tuple(book.events), tuple(totals))


def _places(found: Tensor, sign: int) -> list[tuple[int, int]]:
    """The plaquettes with charges of a sign, as often as their charge."""
    rows = (found * sign).clamp(min=0)
    return [(int(row), int(column)) for row, column in rows.nonzero().tolist() for _ in range(int(rows[row, column]))]


class _Book:
    """Tracks while they are followed."""

    def __init__(self, torus: tuple[int, ...] | None, reach: float) -> None:
        self.torus, self.reach = torus, reach
        self.tracks: list[tuple[int, int, list[tuple[int, int]]]] = []
        self.living: dict[int, list[int]] = {1: [], -1: []}
        self.events: list[ChargeEvent] = []

    def add(self, frame: int, found: dict[int, list[tuple[int, int]]]) -> None:
        """Continues tracks into a frame, begins and ends others."""
        come: dict[int, list[int]] = {}
        gone: dict[int, list[int]] = {}
        for sign, places in found.items():
            before = self.living[sign]
            matched = self._match([self._last(track) for track in before], places, self.reach)
            now = {there: before[here] for here, there in matched.items()}
            gone[sign] = [track for here, track in enumerate(before) if here not in matched]
            come[sign] = []
            for place, where in enumerate(places):
                if place in now:
                    self.tracks[now[place]][2].append(where)
                else:
                    now[place] = len(self.tracks)
                    self.tracks.append((sign, frame, [where]))
                    come[sign].append(now[place])
            self.living[sign] = [now[place] for place in range(len(places))]
        if frame > 0:
            self._note(frame, "annihilated", gone)
            self._note(frame, "made", come)

    def _last(self, track: int) -> tuple[int, int]:
        return self.tracks[track][2][-1]

    def _distances(self, here: list[tuple[int, int]], there: list[tuple[int, int]]) -> np.ndarray:
        apart = np.abs(np.array(here, float)[:, None] - np.array(there, float)[None])
        if self.torus is not None:
            apart = np.minimum(apart, np.array(self.torus) - apart)
        distances: np.ndarray = np.hypot(apart[..., 0], apart[..., 1])
        return distances

    def _match(self, here: list[tuple[int, int]], there: list[tuple[int, int]], reach: float) -> dict[int, int]:
        """Which of there each of here is: as many as are within reach, at the least total distance."""
        from scipy.optimize import linear_sum_assignment

        if not here or not there:
            return {}
        distances = self._distances(here, there)
        # Farther than any sum of distances within reach: as few of these as can be.
        far = 1.0 + min(len(here), len(there)) * float(distances.max(initial=0.0, where=distances <= reach))
        rows, columns = linear_sum_assignment(np.where(distances <= reach, distances, far))
        return {
            int(row): int(column) for row, column in zip(rows, columns, strict=True) if distances[row, column] <= reach
        }

    def _note(self, frame: int, kind: str, changed: dict[int, list[int]]) -> None:
        """Pairs what came, or what went; what is left over is alone."""
        positive, negative = changed[1], changed[-1]
        places = {track: self.tracks[track][2][0 if kind == "made" else -1] for track in positive + negative}
        pairs = self._match([places[track] for track in positive], [places[track] for track in negative], np.inf)
        for here, there in pairs.items():
            first, second = positive[here], negative[there]
            distance = float(self._distances([places[first]], [places[second]])[0, 0])
            self.events.append(ChargeEvent(frame, kind, first, second, distance))
        left = [track for here, track in enumerate(positive) if here not in pairs]
        self.events += [ChargeEvent(frame, kind, track, None, None) for track in left]
        right = [track for there, track in enumerate(negative) if there not in pairs.values()]
        self.events += [ChargeEvent(frame, kind, None, track, None) for track in right]

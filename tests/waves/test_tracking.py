from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import charges, track_charges
from tests.waves.toys import grid


def placed(*frames: dict[tuple[int, int], int], shape=(8, 10)) -> torch.Tensor:
    found = torch.zeros(len(frames), *shape, dtype=torch.long)
    for frame, places in enumerate(frames):
        for place, charge in places.items():
            found[(frame, *place)] = charge
    return found


def test_charges_are_followed_across_the_seam():
    found = track_charges(placed({(0, 1): 1, (4, 9): -1}, {(7, 1): 1, (4, 0): -1}, {(7, 0): 1, (5, 0): -1}))
    assert [(track.charge, track.start, track.places) for track in found.tracks] == [
        (1, 0, ((0, 1), (7, 1), (7, 0))),
        (-1, 0, ((4, 9), (4, 0), (5, 0))),
    ]
    assert found.events == ()
    assert found.totals == (0, 0, 0)


def test_pairs_are_made_and_annihilated():
    pair = {(2, 2): 1, (2, 4): -1}
    found = track_charges(placed({}, pair, {(2, 2): 1, (2, 3): -1}, {}, {}))
    made, gone = found.events
    assert (made.frame, made.kind, made.positive, made.negative, made.distance) == (1, "made", 0, 1, 2.0)
    assert (gone.frame, gone.kind, gone.positive, gone.negative, gone.distance) == (3, "annihilated", 0, 1, 1.0)
    assert (found.pairs_made, found.pairs_annihilated, found.alone) == (1, 1, 0)
    assert [(track.start, track.end) for track in found.tracks] == [(1, 2), (1, 2)]


def test_pairs_are_the_nearest_ones():
    found = track_charges(placed({(0, 0): 1, (1, 0): -1, (4, 5): 1, (4, 7): -1}, {}))
    assert sorted(event.distance for event in found.events) == [1.0, 2.0]


def test_the_total_distance_is_least():
    """Each to its nearest would leave one of the two without a place."""
    found = track_charges(placed({(2, 2): 1, (2, 4): 1}, {(2, 3): 1, (2, 6): 1}), periodic=False)
    assert [track.places for track in found.tracks] == [((2, 2), (2, 3)), ((2, 4), (2, 6))]


def test_what_moves_too_fast_goes_and_comes_alone():
    found = track_charges(placed({(0, 0): 1, (4, 4): -1}, {(3, 5): 1, (4, 4): -1}), reach=2.0)
    assert (found.alone, found.pairs_made, found.pairs_annihilated) == (2, 0, 0)
    assert {event.kind for event in found.events} == {"made", "annihilated"}


def test_over_a_patch_a_charge_may_leave_alone():
    found = track_charges(placed({(0, 0): 1, (4, 4): -1}, {(4, 4): -1}), periodic=False)
    assert found.totals == (0, -1)
    assert found.alone == 1


def test_double_charges_are_two():
    found = track_charges(placed({(2, 2): 2, (4, 4): -1, (4, 6): -1}, {(2, 1): 1, (2, 3): 1, (4, 4): -1, (4, 6): -1}))
    assert len(found.tracks) == 4
    assert found.events == ()


def test_the_zeros_of_a_real_field_come_and_go_in_pairs():
    """cos X + c(t) + i sin Y has zeros at Y = 0 and pi where cos X = -c: two pairs of opposite charges while |c| < 1.

    With c from 1.5 down to -1.5 they are made at X = pi, move apart and meet again at X = 0.
    """
    size = 32
    down, right = (2 * math.pi * (places + 0.5) / size for places in grid(size, size))
    levels = torch.linspace(1.5, -1.5, 61, dtype=torch.float64)
    field = torch.complex(right.cos() + levels[:, None, None], down.sin().expand(61, -1, -1))
    found = charges(field.angle())
    tracks = track_charges(found)
    inside = levels.abs() < math.cos(math.pi / size)
    assert (found.abs().sum((-2, -1)) == 4 * inside).all()
    assert tracks.totals == (0,) * 61
    assert (tracks.pairs_made, tracks.pairs_annihilated, tracks.alone) == (2, 2, 0)
    assert len(tracks.tracks) == 4
    for track in tracks.tracks:
        for frame, (_, column) in enumerate(track.places, track.start):
            place = math.acos(-float(levels[frame])) * size / (2 * math.pi) - 0.5
            assert min(abs(column + 0.5 - place), abs(size - 1 - column - 0.5 - place)) < 1.01
    assert tracks.to_json()["largest_total"] == 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="must add up to 0 in every frame, got 1 in frame 1"):
        track_charges(placed({}, {(0, 0): 1}))
    with pytest.raises(ValueError, match="`reach`"):
        track_charges(placed({}), reach=0.0)
    with pytest.raises(ValueError, match="at least one frame"):
        track_charges(placed({})[:0])

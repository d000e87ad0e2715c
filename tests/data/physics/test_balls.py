"""Bouncing balls against closed forms, conservation, and a simulation by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from flowdis.data.physics import Balls, bouncing_balls


def drawn(system: Balls, count: int, speed: float = 0.5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    places = system.apart(count, generator)
    speeds = speed * torch.randn(places.shape, dtype=torch.float64, generator=generator)
    return torch.stack([places, speeds], 1).flatten(1)


def test_one_ball_bounces_as_a_triangle_wave() -> None:
    ball, start = Balls(1, 1.0, 6.0), torch.tensor([[0.5, -1.2, 0.7, 3.3]], dtype=torch.float64)
    path = ball.simulate(start, 50, dt=0.9)[:, 0]
    for axis in range(2):
        free = start[0, axis].item() + 0.9 * np.arange(51) * start[0, 2 + axis].item()
        folded = np.abs((free + 2 + 4) % 8 - 4) - 2  # between -2 and 2
        assert path[:, axis].numpy() == pytest.approx(folded, abs=1e-11)
    assert path[:, 2:].abs().sub(start[:, 2:]).abs().max() == 0


def test_two_balls_exchange_what_they_have_along_the_line_between_them() -> None:
    pair = Balls(2, 1.0, 100.0)
    start = torch.tensor([[-3.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    touch = math.sqrt(3)  # one below the other's centre: they touch at a gap of (sqrt 3, 1)
    path = pair.simulate(start, 2, dt=4.0 - touch)[:, 0]
    assert path[1, :4].tolist() == pytest.approx([1.0 - touch, 0.0, 1.0, 1.0])
    normal = np.array([touch, 1.0]) / 2
    along = normal[0] * normal
    assert path[2, 6:].tolist() == pytest.approx(along) and path[2, 4:6].tolist() == pytest.approx([1, 0] - along)
    head_on = torch.tensor([[-3.0, 0.0, 3.0, 0.0, 0.5, 0.0, -0.25, 0.0]], dtype=torch.float64)
    assert pair.simulate(head_on, 1, dt=10.0)[1, 0, 4:].tolist() == pytest.approx([-0.25, 0, 0.5, 0])


def test_a_row_of_balls_hands_on_what_it_gets() -> None:
    """Newton's cradle: where balls touch, several events fall together."""
    row = Balls(3, 1.0, 40.0)
    start = torch.tensor([[-6.0, 0.0, 0.0, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    path = row.simulate(start, 1, dt=8.0)[1, 0]
    assert path.tolist() == pytest.approx([-2.0, 0, 0, 0, 6.0, 0, 0, 0, 0, 0, 1, 0])


@pytest.mark.parametrize("count", [1, 3, 6])
def test_no_energy_is_lost_and_no_ball_overlaps(count: int) -> None:
    system = Balls(count, 1.0)
    start = drawn(system, 30)
    path = system.simulate(start, 60, dt=1.0)
    energy = system.energy(path)
    assert ((energy - energy[0]).abs() <= 1e-12 * energy[0]).all()
    assert (path[..., 2 * count :] != path[0, :, 2 * count :]).any((0, 2)).float().mean() > 0.9
    places = system.places(path)
    assert places.abs().max() <= 4.0 + 1e-9
    gaps = torch.cdist(places, places) + 100 * torch.eye(count, dtype=torch.float64)
    assert gaps.min() >= 2.0 - 1e-9


def test_events_are_those_of_very_small_steps() -> None:
    system = Balls(3, 1.2)
    start = drawn(system, 40, speed=0.6)
    found = system.simulate(start, 1, dt=6.0)[1]
    places, speeds = start.unflatten(-1, (2, 3, 2)).unbind(1)
    h = 1 / 256
    for _ in range(6 * 256):
        places = places + h * speeds
        speeds = torch.where((places.abs() > 3.8) & (places * speeds > 0), -speeds, speeds)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            gap, rate = places[:, i] - places[:, j], speeds[:, i] - speeds[:, j]
            closing = (gap * rate).sum(-1, keepdim=True)
            hit = (gap.norm(dim=-1, keepdim=True) < 2.4) & (closing < 0)
            exchanged = torch.where(hit, gap * closing / gap.square().sum(-1, keepdim=True), 0.0)
            speeds[:, i] -= exchanged
            speeds[:, j] += exchanged
    expected = torch.stack([places, speeds], 1).flatten(1)
    error = (found - expected)[:, :6].abs().amax(1)
    assert (error < 0.05).float().mean() > 0.9  # grazing blows may be missed
    assert (found[:, 6:] != start[:, 6:]).any(1).float().mean() > 0.9


def test_motion_runs_backwards_where_velocities_are_turned() -> None:
    system = Balls(3, 1.2)
    start = drawn(system, 20)
    turn = torch.tensor([1.0] * 6 + [-1.0] * 6, dtype=torch.float64)
    there = system.simulate(start, 1, dt=12.0)[1]
    back = system.simulate(turn * there, 1, dt=12.0)[1]
    assert (turn * back - start).abs().max() < 1e-7


def test_boxes_do_not_depend_on_those_beside_them_nor_on_the_frames() -> None:
    system = Balls(4, 1.0)
    start = drawn(system, 12)
    together = system.simulate(start, 10, dt=1.0)
    assert torch.equal(together[:, 7:8], system.simulate(start[7:8], 10, dt=1.0))
    assert (together[10] - system.simulate(start, 1, dt=10.0)[1]).abs().max() < 1e-9


def test_sequences_are_drawn_as_asked() -> None:
    sequences = bouncing_balls(50, 5, balls=2, speed=(0.2, 0.9), generator=torch.Generator().manual_seed(0))
    speed = sequences.states[0, :, 4:].unflatten(-1, (2, 2)).norm(dim=-1)
    assert 0.2 <= speed.min() < 0.3 and 0.8 < speed.max() <= 0.9
    frames = sequences.frames
    assert frames.shape == (6, 50, 1, 32, 32)
    assert (
        frames.sum((2, 3, 4)) - 2 * math.pi * (1.2 * 3.2) ** 2
    ).abs().max() < 8  # a little is lost at walls, touching
    again = bouncing_balls(50, 5, balls=2, speed=(0.2, 0.9), generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.states, sequences.states)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="`balls` must fit into the box"):
        bouncing_balls(2, 2, balls=20)
    with pytest.raises(ValueError, match="`radius`"):
        bouncing_balls(2, 2, radius=5.0)
    with pytest.raises(ValueError, match="`speed`"):
        bouncing_balls(2, 2, speed=(0.5, 0.2))
    with pytest.raises(ValueError, match="overlap"):
        Balls(2, 1.0).simulate(torch.zeros(1, 8), 1, dt=1.0)
    with pytest.raises(ValueError, match=r"4 x 2 numbers"):
        Balls(2, 1.0).simulate(torch.zeros(1, 6), 1, dt=1.0)
    with pytest.raises(ValueError, match="`dt`"):
        Balls(1, 1.0).simulate(torch.zeros(1, 4), 1, dt=0.0)

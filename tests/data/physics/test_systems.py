from __future__ import annotations

import math

import pytest
import torch

from flowdis.data.physics import SYSTEMS, double_pendulum, pendulum, spring, three_body, two_body


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SYSTEMS)
def test_sequences_have_frames_states_and_a_name(name: str) -> None:
    sequences = SYSTEMS[name](3, 4, dt=0.1, image_size=16, generator=seeded())
    assert (sequences.name, sequences.dt, len(sequences), sequences.length) == (name, 0.1, 3, 4)
    assert sequences.states.shape[:2] == (5, 3) and sequences.states.dtype == torch.float64
    frames = sequences.frames
    assert frames.shape == (5, 3, 1, 16, 16) and frames.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() <= 1 and (frames.amax((-3, -2, -1)) > 0.9).all()
    coloured = SYSTEMS[name](3, 4, dt=0.1, image_size=16, colour=True, generator=seeded())
    assert coloured.image_shape == (3, 16, 16) and torch.equal(coloured.states, sequences.states)


@pytest.mark.parametrize("name", SYSTEMS)
def test_draws_repeat_by_generator_alone(name: str) -> None:
    first, again, other = (SYSTEMS[name](2, 2, generator=seeded(seed)).states for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_out_of_range_is_named(name: str) -> None:
    make = SYSTEMS[name]
    for argument, value in {"dt": 0.0, "friction": -0.1, "image_size": 4}.items():
        with pytest.raises(ValueError, match=f"`{argument}`"):
            make(2, 2, **{argument: value})
    with pytest.raises(ValueError, match="`count`"):
        make(0, 2)
    with pytest.raises(ValueError, match="`steps`"):
        make(2, 0)


def test_two_bodies_go_round_in_circles_by_keplers_law() -> None:
    sequences = two_body(20, 10, dt=1.0, generator=seeded())
    places = sequences.states[..., :4].unflatten(-1, (2, 2))
    radius = places[0, :, 0].norm(dim=-1)
    assert 0.5 <= radius.min() and radius.max() <= 1.5 and radius.std() > 0.2
    angle = torch.atan2(places[0, :, 0, 1], places[0, :, 0, 0])
    times = torch.arange(11, dtype=torch.float64)
    # Reduced to one body about a mass M = 2 at distance a = 2 r: T = 2 pi sqrt(a^3 / M) = 4 pi r^(3/2).
    turned = angle + 2 * math.pi * times[:, None] / (4 * math.pi * radius**1.5)
    expected = radius[..., None] * torch.stack([turned.cos(), turned.sin()], -1)
    assert (places[:, :, 0] - expected).abs().max() < 1e-6 and (places[:, :, 1] + expected).abs().max() < 1e-6


def test_eccentric_orbits_start_where_they_are_widest() -> None:
    sequences = two_body(30, 24, dt=0.5, eccentricity=0.6, generator=seeded())
    radius = sequences.states[..., :2].norm(dim=-1)
    assert (radius <= radius[0] * (1 + 1e-6)).all() and radius[0].max() <= 1.5
    nearest = radius.amin(0) / radius[0]  # (1 - e) / (1 + e) of a Kepler ellipse
    assert 0.25 - 1e-6 < nearest.min() < 0.4 and nearest.max() > 0.9
    with pytest.raises(ValueError, match="eccentricity"):
        two_body(2, 2, eccentricity=1.0)


def test_springs_and_pendulums_start_at_the_published_distances_from_rest() -> None:
    springs = spring(300, 1, generator=seeded()).states[0]
    amplitude = (springs[:, 0] ** 2 + springs[:, 1] ** 2 / (2.0 * 0.5)).sqrt()  # H = k r^2 / 2
    pendulums = pendulum(300, 1, generator=seeded()).states[0].norm(dim=-1)
    double = double_pendulum(300, 1, generator=seeded()).states[0]
    both = torch.cat([double[:, [0, 2]].norm(dim=-1), double[:, [1, 3]].norm(dim=-1)])
    for found, low, high in ((amplitude, 0.1, 1.0), (pendulums, 1.3, 2.3), (both, 1.3, 2.3)):
        assert low <= found.min() < low + 0.05 and high - 0.05 < found.max() <= high
        assert float(found.mean()) == pytest.approx((low + high) / 2, abs=0.06)
    assert springs.sign().mean(0).abs().max() < 0.2  # anywhere on the circle


def test_three_bodies_turn_as_a_triangle_but_for_their_disorder() -> None:
    sequences = three_body(20, 4, disorder=0.0, generator=seeded())
    places = sequences.states[..., :6].unflatten(-1, (3, 2))
    radius = places.norm(dim=-1)
    assert 0.9 <= radius.min() and radius.max() <= 1.2
    assert (radius - radius[0]).abs().max() < 1e-8
    turned = places[1, ..., 1] * places[0, ..., 0] - places[1, ..., 0] * places[0, ..., 1]
    assert (turned > 0).all()  # counter-clockwise
    disorderly = three_body(200, 20, generator=seeded())
    assert disorderly.states[..., 6:].unflatten(-1, (3, 2)).sum(-2).abs().max() < 1e-12
    assert disorderly.states[..., :6].abs().max() < 2.75
    with pytest.raises(ValueError, match="disorder"):
        three_body(2, 2, disorder=1.0)


@pytest.mark.parametrize("name", SYSTEMS)
def test_energy_is_kept_or_falls_by_friction(name: str) -> None:
    free, damped = (SYSTEMS[name](5, 6, friction=friction, generator=seeded()) for friction in (0.0, 0.05))
    energy = free.source.renderer.system.energy
    assert (energy(free.states) - energy(free.states[0])).abs().max() < 1e-6
    assert (energy(damped.states).diff(dim=0) < 0).all() and torch.equal(free.states[0], damped.states[0])

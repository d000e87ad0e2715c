from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import divergence, frequency, phase_velocity, propagation_direction, wave_vectors, wrap
from tests.waves.toys import exact, grid, plane_phase


@pytest.mark.parametrize(("omega", "k"), [(0.31, (0.2051, -0.3077)), (-2.9, (3.0, 2.6)), (3.1, (-1.7, 0.01))])
def test_a_plane_wave_gives_its_frequency_and_wave_vector_back(omega, k):
    phase = wrap(plane_phase(6, omega, k, (9, 7)))
    torch.testing.assert_close(frequency(phase), torch.full_like(phase, omega), atol=1e-12, rtol=0)
    expected = torch.tensor(k, dtype=torch.float64).expand(6, 9, 7, 2)
    torch.testing.assert_close(wave_vectors(phase, periodic=False), expected, atol=1e-12, rtol=0)


def test_on_a_torus_whole_wavelengths_have_no_seam():
    k = (2 * math.pi * 3 / 8, -2 * math.pi * 2 / 10)
    found = wave_vectors(wrap(plane_phase(2, 0.4, k, (8, 10))))
    torch.testing.assert_close(found, torch.tensor(k, dtype=torch.float64).expand(2, 8, 10, 2), atol=1e-12, rtol=0)


def test_forward_differences_reach_to_pi_where_a_centred_one_takes_another_wave():
    k = 2.0
    phase = wrap(plane_phase(1, 0.0, (k,), (12,)))
    torch.testing.assert_close(
        wave_vectors(phase, dimension=1, periodic=False)[0, :, 0], torch.full((12,), k, dtype=torch.float64)
    )
    centred = -wrap(phase[0, 2:] - phase[0, :-2]) / 2
    torch.testing.assert_close(centred, torch.full((10,), k - math.pi, dtype=torch.float64))


def test_crests_move_with_the_phase_velocity():
    """The crest of cos(omega t - k j) that starts at 0 is at omega t / k: long arrows are fast waves, with small k."""
    omega, k = 0.5, 2 * math.pi / 40
    phase = wrap(plane_phase(8, omega, (k,), (40,)))
    crests = phase.cos().argmax(-1).double()
    speed = (crests[-1] - crests[0]) / 7
    velocity = phase_velocity(phase, dimension=1)[0, 0, 0]
    torch.testing.assert_close(velocity, exact(omega / k))
    assert abs(float(speed) - float(velocity)) < 1 / 7
    twice = phase_velocity(wrap(plane_phase(8, omega, (2 * k,), (40,))), dimension=1)
    torch.testing.assert_close(2 * twice[0, 0, 0], velocity)


@pytest.mark.parametrize("angle", [0.0, 1.0, math.pi / 2, 2.5, -2.0])
def test_directions_are_counter_clockwise_from_the_right_as_seen(angle):
    """Rows count downwards, so that what goes up has a negative wave number along the first axis."""
    k = (-0.6 * math.sin(angle), 0.6 * math.cos(angle))
    velocity = phase_velocity(wrap(plane_phase(4, 0.3, k, (6, 6))), periodic=False)
    torch.testing.assert_close(
        propagation_direction(velocity), torch.full((4, 6, 6), angle, dtype=torch.float64), atol=1e-10, rtol=0
    )
    torch.testing.assert_close(velocity.norm(dim=-1), torch.full((4, 6, 6), 0.5, dtype=torch.float64))


def test_on_a_ring_the_direction_is_to_higher_or_lower_sites():
    vectors = torch.tensor([[0.5], [-0.5], [0.0]])
    torch.testing.assert_close(propagation_direction(vectors), torch.tensor([0.0, math.pi, 0.0]))


def test_synchrony_has_no_velocity():
    phase = torch.arange(5.0)[:, None].expand(5, 8)
    assert (phase_velocity(phase, dimension=1) == 0).all()


def test_a_standing_wave_has_no_wave_vectors():
    """Across its nodes the phase turns by half a turn, forwards as much as backwards."""
    pattern = torch.cos(2 * math.pi * 2 * torch.arange(16, dtype=torch.float64) / 16 + 0.2)
    phase = (pattern * torch.polar(torch.ones(5).double(), torch.arange(5).double())[:, None]).angle()
    assert wave_vectors(phase, dimension=1).abs().max() < 1e-14


def test_sources_and_sinks_have_divergence_and_add_up_to_nothing_on_a_torus():
    """omega t - f has k = grad f, whose divergence is the lattice's Laplacian of f: of cosines, a multiple of them."""
    size, amplitude = 24, 2.0
    down, right = (2 * math.pi * places / size for places in grid(size, size))
    surface = -amplitude * (down.cos() + right.cos())
    phase = wrap(0.7 * torch.arange(3).double()[:, None, None] - surface)
    found = divergence(phase)
    laplacian = (2 * math.cos(2 * math.pi / size) - 2) * surface
    torch.testing.assert_close(found, laplacian.expand_as(found), atol=1e-12, rtol=0)
    assert found[:, 0, 0].min() > 0 > found[:, size // 2, size // 2].max()
    torch.testing.assert_close(found.sum((-2, -1)), torch.zeros(3).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(divergence(phase, periodic=False), found[:, 1:-1, 1:-1])


def test_batches_are_measured_as_each_alone(generator):
    phase = 6 * torch.rand(4, 2, 3, 5, 6, generator=generator, dtype=torch.float64)
    for measure in (wave_vectors, phase_velocity, divergence):
        torch.testing.assert_close(measure(phase)[:, 1, 2], measure(phase[:, 1, 2]))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"`phase` must have shape \(T, \*, H, W\)"):
        wave_vectors(torch.zeros(4, 5))
    with pytest.raises(ValueError, match="`dimension` must be 1"):
        wave_vectors(torch.zeros(4, 5, 5, 5), dimension=3)
    with pytest.raises(ValueError, match="at least 2 frames"):
        frequency(torch.zeros(1, 5))
    with pytest.raises(ValueError, match="`phase` must be finite"):
        divergence(torch.full((2, 5), math.inf), dimension=1)
    with pytest.raises(ValueError, match="1 or 2 components"):
        propagation_direction(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="at least 3 sites"):
        divergence(torch.zeros(2, 2), dimension=1, periodic=False)

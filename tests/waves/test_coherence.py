from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import (
    direction_coherence,
    gradient_directedness,
    standing_index,
    steady_current,
    synchrony,
    wave_vectors,
    wrap,
)
from tests.waves.toys import exact, grid, plane_phase, wave_vector

SITES = (12, 16)
K = wave_vector(SITES, (1, -2))


def unit(phase):
    return torch.polar(torch.ones_like(phase), phase)


def spirals(frames=8):
    """Four spirals that turn in their places, two each way."""
    down, right = (2 * math.pi * (places + 0.5) / size for places, size in zip(grid(*SITES), SITES, strict=True))
    return torch.complex(right.sin(), down.sin()) * unit(0.4 * torch.arange(frames, dtype=torch.float64))[:, None, None]


def test_a_plane_wave_is_wholly_coherent_and_not_in_step():
    phase = wrap(plane_phase(4, 0.3, K, SITES))
    vectors = wave_vectors(phase)
    ones = torch.ones(4).double()
    torch.testing.assert_close(direction_coherence(vectors), ones)
    torch.testing.assert_close(gradient_directedness(vectors), ones)
    torch.testing.assert_close(synchrony(phase), 0 * ones, atol=1e-12, rtol=0)
    assert standing_index(unit(phase)) < 1e-12
    torch.testing.assert_close(steady_current(unit(phase)), exact(1.0))


def test_synchrony_is_not_a_wave():
    phase = wrap(0.3 * torch.arange(9, dtype=torch.float64))[:, None, None].expand(9, *SITES)
    vectors = wave_vectors(phase)
    torch.testing.assert_close(synchrony(phase), torch.ones(9).double())
    assert (direction_coherence(vectors) == 0).all()
    assert (gradient_directedness(vectors) == 0).all()
    noisy = wave_vectors(phase + 1e-9 * torch.randn(9, *SITES, generator=torch.Generator().manual_seed(0)))
    assert (direction_coherence(noisy) == 0).all()
    assert standing_index(unit(phase)) == 0
    assert steady_current(unit(phase)) == 0


def test_a_standing_wave_has_one_phase_and_no_current():
    pattern = plane_phase(1, 0.0, K, SITES).cos()
    signal = pattern * unit(0.4 * torch.arange(9, dtype=torch.float64))[:, None, None]
    torch.testing.assert_close(standing_index(signal), exact(1.0))
    assert steady_current(signal) < 1e-12


@pytest.mark.parametrize("reflected", [0.2, 0.5, 0.9])
def test_waves_that_pass_each_other_stand_as_much_as_their_amplitudes_say(reflected):
    signal = unit(plane_phase(9, 0.4, K, SITES)) + reflected * unit(plane_phase(9, 0.4, tuple(-n for n in K), SITES))
    expected = exact(2 * reflected / (1 + reflected**2))
    torch.testing.assert_close(standing_index(signal), expected)


def test_a_spiral_travels_without_a_common_direction():
    signal = spirals()
    assert direction_coherence(wave_vectors(signal.angle())).max() < 1e-10
    assert steady_current(signal) > 0.7
    assert standing_index(signal) < 1e-12


def test_what_all_sites_share_is_no_part_of_the_waves():
    wave = unit(plane_phase(9, 0.4, K, SITES))
    common = 3 * unit(0.4 * torch.arange(9, dtype=torch.float64))[:, None, None]
    torch.testing.assert_close(steady_current(wave + common), steady_current(wave))
    torch.testing.assert_close(standing_index(wave + common), standing_index(wave), atol=1e-12, rtol=0)


def test_random_phases_are_as_coherent_as_chance(generator):
    """The mean length of the mean of N unit vectors in a plane is sqrt(pi / 4 N)."""
    count, sites = 400, (10, 10)
    phase = 2 * math.pi * torch.rand(count, *sites, generator=generator, dtype=torch.float64)
    expected = math.sqrt(math.pi / (4 * 100))
    assert float(synchrony(phase).mean()) == pytest.approx(expected, rel=0.1)
    vectors = torch.randn(count, *sites, 2, generator=generator, dtype=torch.float64)
    assert float(direction_coherence(vectors).mean()) == pytest.approx(expected, rel=0.1)


def test_fluctuations_have_less_current_the_longer_they_are_watched(generator):
    noise = torch.randn(2, 400, 32, generator=generator, dtype=torch.float64)
    signal = torch.complex(*noise)
    short, long = (float(steady_current(signal[:frames], dimension=1)) for frames in (4, 400))
    assert short > 0.3
    assert long < 0.06  # by about 2 / sqrt(pi T) times the share of the mean


def test_masked_sites_do_not_count(generator):
    vectors = wave_vectors(wrap(plane_phase(3, 0.3, K, SITES))).clone()
    vectors[:, :4] = torch.randn(3, 4, 16, 2, generator=generator, dtype=torch.float64)
    mask = torch.ones(3, *SITES, dtype=torch.bool)
    mask[:, :4] = False
    torch.testing.assert_close(direction_coherence(vectors, mask=mask), torch.ones(3).double())
    assert (direction_coherence(vectors, mask=torch.zeros_like(mask)) == 0).all()


@pytest.mark.parametrize("dimension", [1, 2])
def test_batches_are_measured_as_each_alone(dimension, generator):
    parts = torch.randn(2, 5, 2, 3, 6, 7, generator=generator, dtype=torch.float64)
    signal = torch.complex(*(parts if dimension == 2 else parts[..., 0]))
    for measure in (standing_index, steady_current):
        torch.testing.assert_close(
            measure(signal, dimension=dimension)[1, 2], measure(signal[:, 1, 2], dimension=dimension)
        )
    vectors = wave_vectors(signal.angle(), dimension=dimension)
    for measure in (direction_coherence, gradient_directedness):
        torch.testing.assert_close(measure(vectors)[:, 1, 2], measure(vectors[:, 1, 2]))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"`vectors` must have shape"):
        direction_coherence(torch.zeros(2))
    with pytest.raises(ValueError, match=r"`dimension` must be 1"):
        gradient_directedness(torch.zeros(4, 5, 3))
    with pytest.raises(ValueError, match=r"`signal` must have shape \(T, \*, N\)"):
        standing_index(torch.zeros(4, dtype=torch.complex64), dimension=1)

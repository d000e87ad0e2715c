from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import (
    analytic_signal,
    concentration,
    direction_index,
    signed_direction_index,
    synchronous_share,
    wave_spectrum,
)
from tests.waves.toys import exact, plane_phase, wave_vector

SITES = (10, 12)


@pytest.mark.parametrize("frames", [32, 33])
@pytest.mark.parametrize(("waves", "signs"), [((2, 3), (1, 1)), ((-1, 4), (-1, 1)), ((3, -5), (1, -1))])
def test_a_travelling_wave_has_index_one_with_the_sign_of_its_way(frames, waves, signs):
    omega = 2 * math.pi * 5 / frames
    spectrum = wave_spectrum(plane_phase(frames, omega, wave_vector(SITES, waves), SITES).cos())
    torch.testing.assert_close(direction_index(spectrum), exact(1.0))
    torch.testing.assert_close(signed_direction_index(spectrum), exact(signs))
    main, vector = spectrum.dominant()
    assert main == pytest.approx(omega, abs=1e-9)
    assert vector == pytest.approx(wave_vector(SITES, waves))


def test_a_standing_wave_has_index_zero():
    pattern = plane_phase(1, 0.0, wave_vector(SITES, (2, 3)), SITES).cos()
    spectrum = wave_spectrum(pattern * torch.cos(0.7 * torch.arange(50, dtype=torch.float64))[:, None, None])
    assert direction_index(spectrum) < 1e-12
    assert signed_direction_index(spectrum).abs().max() < 1e-12


@pytest.mark.parametrize("ratio", [0.25, 0.6])
def test_waves_that_pass_each_other_have_the_index_of_their_powers(ratio):
    k = wave_vector((16,), (3,))
    there, back = (plane_phase(40, 2 * math.pi * 6 / 40, (sign * k[0],), (16,)).cos() for sign in (1, -1))
    expected = (1 - ratio**2) / (1 + ratio**2)
    spectrum = wave_spectrum(back + ratio * there, dimension=1)
    torch.testing.assert_close(direction_index(spectrum), exact(expected))
    torch.testing.assert_close(signed_direction_index(spectrum), exact([-expected]))


@pytest.mark.parametrize("periods", [5.0, 5.3, 9.81])
def test_frequencies_between_bins_are_found(periods):
    """Of a complex tone exactly in the limit of many frames; of 64 to a thousandth of a bin."""
    omega = 2 * math.pi * periods / 64
    phase = plane_phase(64, omega, wave_vector((8,), (2,)), (8,))
    for signal in (phase.cos(), torch.polar(torch.ones_like(phase), phase)):
        found = wave_spectrum(signal, dimension=1).dominant()[0]
        assert found == pytest.approx(omega, abs=3e-3 * 2 * math.pi / 64)


def test_the_spectrum_is_the_sum_that_defines_it(generator):
    """Written out for every pair of frequency and wave vector."""
    activity = torch.randn(9, 2, 4, 5, generator=generator, dtype=torch.float64)
    spectrum = wave_spectrum(activity)
    window = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(9, dtype=torch.float64) / 9)
    tapered = (activity - activity.mean(0)) * window[:, None, None, None]
    for bin_, omega in enumerate(spectrum.frequencies):
        for row in range(4):
            for column in range(5):
                k = tuple(spectrum.vectors[row, column].tolist())
                wave = torch.polar(torch.ones(9, 4, 5).double(), -plane_phase(9, float(omega), k, (4, 5)))
                expected = (tapered * wave[:, None]).sum((0, 2, 3)).abs().square()
                torch.testing.assert_close(spectrum.power[bin_, :, row, column], expected)
    assert spectrum.frequencies.max() < math.pi
    assert len(spectrum.frequencies) == 4


def test_activity_and_its_signal_have_the_same_spectrum_but_for_a_factor():
    phase = plane_phase(40, 2 * math.pi * 4 / 40, wave_vector(SITES, (1, 2)), SITES)
    activity = phase.cos() + 0.5 * (3 * phase).sin()
    torch.testing.assert_close(wave_spectrum(analytic_signal(activity)).power, 4 * wave_spectrum(activity).power)


def test_what_all_sites_do_alike_is_synchronous_and_no_wave():
    wave = plane_phase(40, 2 * math.pi * 4 / 40, wave_vector(SITES, (1, 2)), SITES).cos()
    common = torch.cos(2 * math.pi * 7 * torch.arange(40, dtype=torch.float64) / 40)[:, None, None].expand_as(wave)
    torch.testing.assert_close(synchronous_share(wave_spectrum(common)), exact(1.0))
    for measure in (direction_index, concentration):
        assert measure(wave_spectrum(common)) == 0
        torch.testing.assert_close(measure(wave_spectrum(wave + common)), measure(wave_spectrum(wave)))
    torch.testing.assert_close(synchronous_share(wave_spectrum(wave + 2 * common)), exact(0.8))


def test_concentration_counts_the_pairs_that_share_the_power():
    """Hann's window spreads a tone over three bins with shares 1/6, 2/3 and 1/6."""
    phase = plane_phase(40, 2 * math.pi * 8 / 40, wave_vector(SITES, (1, 2)), SITES)
    tone = (1 / 6) ** 2 * 2 + (2 / 3) ** 2
    torch.testing.assert_close(concentration(wave_spectrum(phase.cos())), exact(tone))
    other = plane_phase(40, 2 * math.pi * 8 / 40, wave_vector(SITES, (3, 2)), SITES)
    torch.testing.assert_close(concentration(wave_spectrum(phase.cos() + other.cos())), exact(tone / 2))


def test_silence_has_no_power_and_no_direction():
    spectrum = wave_spectrum(torch.zeros(8, 3, 4, 4))
    for measure in (direction_index, synchronous_share, concentration):
        assert (measure(spectrum) == 0).all()
    assert spectrum.dominant() == (0.0, (0.0, 0.0))


def test_ends_are_windowed_so_that_a_wave_between_wave_numbers_stays_narrow():
    phase = plane_phase(40, 2 * math.pi * 5 / 40, (2.35 * 2 * math.pi / 32,), (32,))
    open_, closed = (wave_spectrum(phase.cos(), dimension=1, periodic=periodic) for periodic in (False, True))
    far = [float((found.by_wave_vector / found.by_wave_vector.sum())[8:24].sum()) for found in (open_, closed)]
    assert far[0] < 1e-5
    assert far[1] > 1e-2


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="`signal` must have at least 5 frames"):
        wave_spectrum(torch.zeros(4, 4, 4))
    with pytest.raises(ValueError, match="two sites or more"):
        wave_spectrum(torch.zeros(8, 4, 1))

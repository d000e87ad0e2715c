from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch

from flowdis.waves import amplitude_mask, analytic_signal, band_pass, quadrature_signal, trim_edges, wrap
from tests.waves.toys import plane_phase, wave_vector


@pytest.mark.parametrize("frames", [16, 17, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_analytic_signal_is_scipys_of_the_activity_less_its_mean(frames, dtype, generator):
    activity = torch.randn(frames, 2, 5, generator=generator, dtype=dtype)
    signal = analytic_signal(activity)
    centred = (activity - activity.mean(0)).double().numpy()
    np.testing.assert_allclose(
        signal.numpy(), scipy.signal.hilbert(centred, axis=0), atol=1e-5 if dtype == torch.float32 else 1e-14
    )
    torch.testing.assert_close(signal.real, activity - activity.mean(0))


@pytest.mark.parametrize("frames", [15, 16])
def test_whole_periods_have_their_exact_phase_up_to_the_highest_frequency(frames):
    """The top positive bin of an odd number of frames is kept and doubled, not taken for Nyquist's and lost."""
    for periods in range(1, (frames - 1) // 2 + 1):
        phase = 2 * math.pi * periods * torch.arange(frames, dtype=torch.float64) / frames - 0.3
        expected = torch.polar(torch.ones_like(phase), phase)
        torch.testing.assert_close(analytic_signal(5 + phase.cos()), expected, atol=1e-13, rtol=0)


def test_half_a_turn_a_frame_is_kept_once():
    activity = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)
    torch.testing.assert_close(analytic_signal(activity), activity + 0j)


def test_edges_are_wrong_and_the_less_the_farther_from_them():
    """Of 7.4 periods, at the worst of 20 phases: by radians at the ends, by 0.08 one period from them."""
    frames, periods = 148, 7.4
    omega = 2 * math.pi * periods / frames
    phase = plane_phase(frames, omega, wave_vector((20,), (1,)), (20,))
    error = wrap(analytic_signal(phase.cos()).angle() - phase).abs()
    assert error.max() > 1.0
    period = math.ceil(frames / periods)
    assert trim_edges(error, period).max() < 0.08
    assert trim_edges(error, period).median() < 0.03
    assert trim_edges(error, 2 * period).max() < 0.05


def test_the_quadrature_phase_is_exact_at_every_frame():
    omega = 0.83
    phase = plane_phase(11, omega, (0.7, -0.2), (4, 5))
    signal = quadrature_signal(2 * phase.cos(), -2 * omega * phase.sin(), omega)
    torch.testing.assert_close(signal, torch.polar(torch.full_like(phase, 2.0), phase))


def test_each_channel_may_have_its_own_frequency():
    omegas = torch.tensor([0.5, 1.5], dtype=torch.float64)[:, None]
    phase = omegas * torch.arange(9, dtype=torch.float64)[:, None, None] - torch.arange(3)
    signal = quadrature_signal(phase.cos(), -omegas * phase.sin(), omegas)
    torch.testing.assert_close(signal.angle(), wrap(phase))


def test_wrapping_takes_whole_turns_and_keeps_the_half_open_interval(generator):
    angle = 100 * torch.randn(1000, generator=generator, dtype=torch.float64)
    wrapped = wrap(angle)
    torch.testing.assert_close(torch.polar(torch.ones_like(angle), wrapped), torch.polar(torch.ones_like(angle), angle))
    assert wrapped.min() >= -math.pi
    assert wrapped.max() < math.pi
    assert wrap(torch.tensor([math.pi, -math.pi], dtype=torch.float64)).tolist() == [-math.pi, -math.pi]


def test_a_band_keeps_its_tone_in_phase_and_loses_others():
    time = torch.arange(120, dtype=torch.float64)
    slow, tone, fast = (torch.cos(2 * math.pi * n * time / 120 + 0.4) for n in (2, 10, 40))
    kept = band_pass((3 + slow + tone + fast)[:, None], 2 * math.pi * 8 / 120, 2 * math.pi * 12 / 120)
    torch.testing.assert_close(kept[:, 0], tone, atol=1e-13, rtol=0)


def test_filtering_backwards_is_filtering_forwards(generator):
    activity = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(band_pass(activity.flip(0), 0.3, 0.8).flip(0), band_pass(activity, 0.3, 0.8))


def test_weak_sites_have_no_phase():
    signal = torch.ones(5, 2, 10, dtype=torch.complex128)
    signal[:, 0, 3] = 0.05
    signal[:, 1] = 0.0
    mask = amplitude_mask(signal, dimension=1)
    assert mask[:, 0].sum(-1).tolist() == [9] * 5
    assert not mask[:, 1].any()


def test_bad_input_is_named(generator):
    with pytest.raises(ValueError, match=r"`activity` must have shape \(T, \*\) with at least 3 frames"):
        analytic_signal(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="`activity` must be finite"):
        analytic_signal(torch.full((4, 2), math.nan))
    with pytest.raises(ValueError, match="`frequency` must be a finite number > 0"):
        quadrature_signal(torch.zeros(4, 2), torch.zeros(4, 2), 0.0)
    with pytest.raises(ValueError, match="`frequency` must fit"):
        quadrature_signal(torch.zeros(4, 2), torch.zeros(4, 2), torch.ones(5, 1, 1))
    with pytest.raises(ValueError, match="`frames` must be at least 0 and less than half of 6"):
        trim_edges(torch.zeros(6, 2), 3)
    with pytest.raises(ValueError, match="`low` and `high`"):
        band_pass(torch.zeros(6, 2), 0.5, 4.0)

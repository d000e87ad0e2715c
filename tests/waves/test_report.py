from __future__ import annotations

import json
import math

import pytest
import torch

from flowdis.waves import WaveReport, measure_waves
from tests.waves.toys import grid, plane_phase, wave_vector

SITES = (10, 12)
K = wave_vector(SITES, (-1, 2))
OMEGA = 0.51


def measured(activity, **options) -> WaveReport:
    options = {"permutations": 99, "generator": torch.Generator().manual_seed(0)} | options
    return measure_waves(activity, **options)


def test_a_travelling_wave_is_named_with_its_speed_and_direction():
    report = measured(plane_phase(60, OMEGA, K, SITES).cos())
    assert report.kind == "travelling"
    assert report.frequency == pytest.approx(OMEGA, abs=1e-3)
    assert report.wave_vector == pytest.approx(K)
    assert report.speed == pytest.approx(OMEGA / math.hypot(*K), rel=2e-3)
    assert report.wavelength == pytest.approx(2 * math.pi / math.hypot(*K))
    assert report.direction == pytest.approx(math.atan2(-K[0], K[1]))
    assert report.coherence > 0.99
    assert report.direction_index > 0.99
    assert report.signed_direction == pytest.approx((-1, 1), abs=0.01)
    assert all(test.p_value == 0.01 for test in report.tests.values())
    assert report.trimmed == math.ceil(2 * math.pi / report.frequency)
    assert report.vortices is not None and report.vortices.count().sum() == 0
    assert report.dispersion is None


def test_a_standing_wave_is_named():
    pattern = plane_phase(1, 0.0, K, SITES).cos()
    report = measured(pattern * torch.cos(OMEGA * torch.arange(60, dtype=torch.float64))[:, None, None])
    assert report.kind == "standing"
    assert report.direction_index < 1e-10
    assert report.standing > 0.99


def test_oscillation_in_step_is_synchronous_and_no_wave():
    activity = torch.cos(OMEGA * torch.arange(60, dtype=torch.float64))[:, None, None].expand(60, *SITES)
    report = measured(activity)
    assert report.kind == "synchronous"
    assert (report.speed, report.wavelength, report.direction) == (None, None, None)
    assert report.synchrony == pytest.approx(1.0)
    assert report.coherence == 0


def test_noise_and_a_wave_in_no_order_are_no_waves(generator):
    assert measured(torch.randn(60, *SITES, generator=generator)).kind == "none"
    wave = plane_phase(60, OMEGA, K, SITES).cos().flatten(1)
    order = torch.randperm(wave.shape[1], generator=generator)
    assert measured(wave[:, order].unflatten(1, SITES)).kind == "none"


def test_spirals_travel_with_charges_that_add_up_to_nothing():
    down, right = (2 * math.pi * (places + 0.5) / size for places, size in zip(grid(16, 16), (16, 16), strict=True))
    field = torch.complex(right.sin(), down.sin())
    turns = torch.polar(torch.ones(60).double(), OMEGA * torch.arange(60, dtype=torch.float64))
    report = measured((field * turns[:, None, None]).real)
    assert report.kind == "travelling"
    assert report.coherence < 0.05
    assert report.vortices is not None
    assert (report.vortices.charges.abs().sum((-2, -1)) == 4).all()
    assert (report.vortices.total == 0).all()


def test_a_pulse_on_a_ring_travels():
    places = torch.arange(60, dtype=torch.float64)[:, None] - torch.arange(20)
    report = measured(torch.exp(-(((places + 10) % 20 - 10) ** 2) / 4), dimension=1)
    assert report.kind == "travelling"
    assert report.speed == pytest.approx(1.0, rel=0.01)
    assert report.direction == 0
    assert report.vortices is None
    assert report.sites == (20,)


def test_momenta_give_the_phase_of_every_frame():
    phase = plane_phase(9, OMEGA, K, SITES)
    report = measured(phase.cos(), momenta=-OMEGA * phase.sin(), natural_frequency=OMEGA)
    assert report.trimmed == 0
    assert report.kind == "travelling"
    assert report.coherence == pytest.approx(1.0)


def test_batches_and_channels_are_recordings_of_one_kind(generator):
    phase = plane_phase(40, OMEGA, K, SITES)
    offsets = 6 * torch.rand(3, 2, 1, 1, generator=generator, dtype=torch.float64)
    report = measured((phase[:, None, None] + offsets).cos())
    assert report.kind == "travelling"
    assert report.vortices is not None and report.vortices.total.shape == (40 - 2 * report.trimmed, 3, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("periodic", [True, False])
def test_reports_are_written_as_json(dtype, periodic, generator):
    activity = torch.randn(30, 2, 6, 7, generator=generator, dtype=dtype)
    found = json.loads(json.dumps(measured(activity, periodic=periodic).to_json(), allow_nan=False))
    assert found["kind"] in ("none", "travelling", "standing", "synchronous")
    assert set(found["tests"]) == {"coherence", "directedness", "direction_index", "concentration"}
    assert set(found["tests"]["coherence"]) == {"observed", "mean", "threshold", "percentile", "p_value"}
    assert found["sites"] == [6, 7]


def test_the_same_chance_gives_the_same_report(generator):
    activity = torch.randn(30, 6, 7, generator=generator)
    assert measured(activity).to_json() == measured(activity).to_json()


def test_bad_input_is_named():
    activity = torch.randn(20, 6, 7, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match="`activity` must change over time"):
        measure_waves(torch.ones(20, 6, 7))
    with pytest.raises(ValueError, match=r"`activity` must have shape \(T, \*, H, W\)"):
        measure_waves(torch.ones(20, 6))
    with pytest.raises(ValueError, match="`activity` must have at least 5 frames, got 4"):
        measure_waves(activity[:4])
    with pytest.raises(ValueError, match="`natural_frequency` must come with `momenta`"):
        measure_waves(activity, natural_frequency=1.0)
    with pytest.raises(ValueError, match="`trim` must be at least 0 and leave 2 frames of 20, got 10"):
        measure_waves(activity, trim=10)
    with pytest.raises(ValueError, match="`permutations` must be at least 99"):
        measure_waves(activity, permutations=10)

from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import dispersion_fit, wave_spectrum
from tests.waves.toys import exact, plane_phase, simulated, wave_vector


@pytest.mark.parametrize(("sites", "stiffness", "coupling"), [((24,), 0.05, 0.3), ((8, 10), 0.09, 0.12)])
def test_a_simulated_lattice_gives_its_stiffness_and_coupling_back(sites, stiffness, coupling, generator):
    start = torch.randn(2, *sites, generator=generator, dtype=torch.float64)
    activity, _ = simulated(*start, 200, stiffness=stiffness, coupling=coupling, dimension=len(sites))
    fit = dispersion_fit(wave_spectrum(activity, dimension=len(sites)))
    assert fit.coupling == pytest.approx(coupling, rel=0.02)
    assert fit.stiffness == pytest.approx(stiffness, rel=0.05)
    assert fit.error < 0.02


def test_the_group_velocity_is_the_slope_of_the_frequency():
    phase = plane_phase(50, 2 * math.pi * 5 / 50, wave_vector((12,), (1,)), (12,)).cos()
    other = plane_phase(50, 2 * math.pi * 9 / 50, wave_vector((12,), (3,)), (12,)).cos()
    fit = dispersion_fit(wave_spectrum(phase + other, dimension=1))
    k = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(fit.frequency(k).sum(), k)
    torch.testing.assert_close(fit.group_velocity(k), slope)
    # Two wave vectors: the line goes through both.
    expected = exact([2 * math.pi * 5 / 50, 2 * math.pi * 9 / 50])
    found = fit.frequency(exact([[2 * math.pi / 12], [2 * math.pi * 3 / 12]]))
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_one_wave_has_no_dispersion_to_fit():
    spectrum = wave_spectrum(plane_phase(40, 0.6, wave_vector((12,), (2,)), (12,)).cos(), dimension=1)
    with pytest.raises(ValueError, match="two wave vectors of different length"):
        dispersion_fit(spectrum)
    with pytest.raises(ValueError, match="`least` must be more than 0"):
        dispersion_fit(spectrum, least=0.0)

from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import column_spacing, find_pinwheels
from tests.waves.toys import grid, ring_map


def test_a_gaussian_map_of_one_wavelength_has_pi_pinwheels_per_square(generator):
    """6 maps of 16 x 16 wavelengths, 800 pinwheels each, whose number varies less than a Poisson one: 1.4 %."""
    field = ring_map(6, 192, 12.0, 0.02, generator)
    spacing = column_spacing(field)
    assert float(spacing.wavelength.mean()) == pytest.approx(12.0, rel=0.005)
    assert float(spacing.width.max()) < 0.03
    found = find_pinwheels(field, order=2)
    assert (found.total == 0).all()
    density = torch.stack([found.density(float(length))[index] for index, length in enumerate(spacing.wavelength)])
    assert float(density.mean()) == pytest.approx(math.pi, abs=0.06)


def test_a_gaussian_map_of_many_wavelengths_has_the_density_of_its_second_moment(generator):
    field = ring_map(6, 192, 16.0, 0.5, generator)
    spacing = column_spacing(field)
    assert float(spacing.width.mean()) > 0.2
    density = float(find_pinwheels(field).density().mean())
    assert density == pytest.approx(float(spacing.gaussian_density.mean()), rel=0.04)
    assert density * float(spacing.wavelength.mean()) ** 2 > math.pi + 0.1


def test_one_wave_has_its_wavelength_and_no_width():
    down, right = grid(40, 40)
    field = torch.polar(torch.ones(40, 40).double(), 2 * math.pi * (3 * down + 4 * right) / 40) + 5
    spacing = column_spacing(field)
    assert float(spacing.wavelength) == pytest.approx(8.0)
    assert float(spacing.width) < 1e-6
    assert spacing.to_json()["wavelength"] == pytest.approx(8.0)


def test_a_patch_is_windowed():
    down, right = grid(40, 40)
    field = torch.polar(torch.ones(40, 40).double(), 0.6 * down + 0.4 * right)
    assert float(column_spacing(field, periodic=False).wavelength) == pytest.approx(2 * math.pi / 0.7211, rel=0.02)


def test_a_constant_map_has_no_columns():
    with pytest.raises(ValueError, match="`field` must vary"):
        column_spacing(torch.full((6, 6), 0.1 + 0.2j))

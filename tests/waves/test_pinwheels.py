from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from flowdis.waves import charges, find_pinwheels, winding
from tests.waves.toys import grid, plane_phase, wave_vector


def written_out(angle: np.ndarray) -> np.ndarray:
    """Plaquette by plaquette on a torus: down, right, up and left again, each step the shorter way round."""
    height, width = angle.shape
    found = np.zeros((height, width))
    for row, column in itertools.product(range(height), range(width)):
        below, beside = (row + 1) % height, (column + 1) % width
        loop = [(row, column), (below, column), (below, beside), (row, beside), (row, column)]
        steps = np.diff([angle[place] for place in loop])
        found[row, column] = np.sum((steps + math.pi) % (2 * math.pi) - math.pi) / (2 * math.pi)
    return found


def checkerboard(size=48):
    """sin X + i sin Y, X to the right and Y downwards, between sites so that no zero is on one."""
    down, right = (2 * math.pi * (places + 0.5) / size for places in grid(size, size))
    return torch.complex(right.sin(), down.sin())


def test_sines_have_four_charges_whatever_the_global_phase():
    field = checkerboard()
    found = charges(field.angle())
    places = found.nonzero().tolist()
    assert places == [[23, 23], [23, 47], [47, 23], [47, 47]]
    assert [int(found[row, column]) for row, column in places] == [-1, 1, 1, -1]
    for turn in np.linspace(0.05, 6.2, 13):
        turned = field * torch.polar(torch.tensor(1.0).double(), torch.tensor(turn))
        assert (charges(turned.angle()) == found).all()
    assert (charges(field.conj().angle()) == -found).all()


def test_random_phases_have_whole_charges_that_add_up_to_nothing_on_a_third_of_plaquettes(generator):
    angle = 2 * math.pi * torch.rand(40, 30, 32, generator=generator, dtype=torch.float64)
    found = charges(angle)
    slow = written_out(angle[0].numpy())
    assert np.abs(slow - slow.round()).max() < 2e-15
    assert (found[0].numpy() == slow.round()).all()
    assert (found.sum((-2, -1)) == 0).all()
    # The variance of a plaquette's charge is at most 1/3, and those of neighbours make up for each other.
    share = float(found.ne(0).double().mean())
    assert share == pytest.approx(1 / 3, abs=3 * math.sqrt(2 / 9 / found.numel()))


def test_a_rising_angle_counter_clockwise_is_positive():
    up, right = torch.meshgrid(torch.linspace(1, -1, 4), torch.linspace(-1, 1, 6), indexing="ij")
    assert charges(torch.atan2(up, right), periodic=False).tolist() == [[0] * 5, [0, 0, 1, 0, 0], [0] * 5]


def test_a_patch_has_the_winding_of_its_boundary(generator):
    for _ in range(10):
        angle = torch.randn(7, 9, generator=generator, dtype=torch.float64).cumsum(0).cumsum(1)
        rim = [*angle[:, 0], *angle[-1, 1:], *angle[:-1, -1].flip(0), *angle[0, 1:-1].flip(0)]
        around = np.unwrap([float(value) for value in [*rim, rim[0]]])
        turns = (around[-1] - around[0]) / (2 * math.pi)
        assert int(charges(angle, periodic=False).sum()) == round(turns)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_standing_wave_has_nodes_and_no_charges(dtype):
    pattern = plane_phase(1, 0.0, wave_vector((12, 10), (1, 2)), (12, 10))[0].cos()
    for turn in (0.0, 1.0, 2.5):
        field = pattern * torch.polar(torch.ones_like(pattern), torch.full_like(pattern, turn))
        assert not charges(field.angle().to(dtype)).any()


@pytest.mark.parametrize("waves", [0, 3, -5])
def test_a_ring_winds_once_for_each_wavelength(waves):
    phase = plane_phase(4, 0.3, wave_vector((16,), (waves,)), (16,))
    assert winding(phase).tolist() == [-waves] * 4
    assert winding(phase.cos() + phase.sin().mul(1e-3)).tolist() == [0] * 4


def test_weak_plaquettes_are_left_aside_after_the_total(generator):
    field = torch.complex(*torch.randn(2, 3, 20, 20, generator=generator, dtype=torch.float64))
    field[:, :10] *= 1e-3
    found = find_pinwheels(field, order=2, least=0.05)
    assert found.total.tolist() == [0, 0, 0]
    assert (found.charges == charges(field.angle())).all()
    assert not found.clear[:, :9].any()
    assert found.clear[:, 10:19].float().mean() > 0.95
    assert (found.count() == found.count(1) + found.count(-1)).all()
    assert set(found.index.unique().tolist()) == {-0.5, 0.0, 0.5}
    places = found.positions(1)
    assert places.shape == (int(found.count(1).sum()), 3)
    assert (places[:, 1:] % 1 == 0.5).all()
    assert (places[:, 1] > 8).all()
    assert found.to_json()["largest_total"] == 0


def test_density_counts_per_square_of_a_wavelength():
    found = find_pinwheels(checkerboard(24))
    torch.testing.assert_close(found.density(24.0), torch.tensor(4.0))
    assert found.density().shape == ()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="two sites or more"):
        charges(torch.zeros(4, 1))
    with pytest.raises(ValueError, match="`angle` must be finite"):
        charges(torch.full((4, 4), math.nan))
    with pytest.raises(ValueError, match="`order` must be a finite number > 0"):
        find_pinwheels(torch.ones(4, 4, dtype=torch.complex64), order=0)
    with pytest.raises(ValueError, match="`sign` must be -1, 0 or 1"):
        find_pinwheels(torch.ones(4, 4, dtype=torch.complex64)).count(2)

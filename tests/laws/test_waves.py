"""Law 6, of waves: speed and direction are recovered, planted vortices get their charges, and add up to nothing."""

from __future__ import annotations

import math

import pytest
import torch

from flowdis.waves import (
    analytic_signal,
    charges,
    dispersion_fit,
    find_pinwheels,
    measure_waves,
    phase_velocity,
    propagation_direction,
    quadrature_signal,
    track_charges,
    trim_edges,
    wave_spectrum,
)
from tests.waves.toys import grid, plane_phase, simulated, wave_vector

STIFFNESS, COUPLING = 0.05, 0.2


def frequency(k: tuple[float, ...]) -> float:
    """The lattice's own: Omega^2 = g + 4 kappa sum sin^2(k / 2)."""
    return math.sqrt(STIFFNESS + 4 * COUPLING * sum(math.sin(number / 2) ** 2 for number in k))


def travelling(sites: tuple[int, ...], waves: tuple[int, ...], frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A lattice that is let go as cos(-k . j), with the momenta with which it travels."""
    k = wave_vector(sites, waves)
    phase = plane_phase(1, 0.0, k, sites)[0]
    return simulated(
        phase.cos(), -frequency(k) * phase.sin(), frames, stiffness=STIFFNESS, coupling=COUPLING, dimension=len(sites)
    )


@pytest.mark.parametrize(
    ("sites", "waves"),
    [((16,), (2,)), ((16,), (-5,)), ((8, 10), (1, 2)), ((8, 10), (-2, 1)), ((8, 10), (0, -3)), ((8, 10), (3, -3))],
)
def test_a_travelling_wave_gives_its_speed_and_direction(sites, waves):
    """The lattice is run in steps of h = 1 / 20, which turn circles into ellipses by up to (h Omega)^2 / 8 < 1e-3."""
    k, dimension = wave_vector(sites, waves), len(sites)
    positions, momenta = travelling(sites, waves, 80)
    size = math.hypot(*k)
    speed = frequency(k) / size
    direction = math.atan2(0 - k[0], k[1]) if dimension == 2 else (0.0 if k[0] > 0 else math.pi)

    report = measure_waves(positions, dimension=dimension, permutations=99, generator=torch.Generator().manual_seed(0))
    assert report.kind == "travelling"
    assert report.speed == pytest.approx(speed, rel=2e-3)
    assert report.direction == pytest.approx(direction)

    exact = quadrature_signal(positions, momenta, frequency(k))
    for signal, error in ((exact, 1e-3), (trim_edges(analytic_signal(positions), 20), 0.1)):
        velocity = phase_velocity(signal.angle(), dimension=dimension)
        torch.testing.assert_close(velocity.norm(dim=-1), torch.full_like(velocity[..., 0], speed), rtol=error, atol=0)
        turned = propagation_direction(velocity) - direction
        assert turned.sin().abs().max() < error
        assert turned.cos().min() > 0


@pytest.mark.parametrize("sites", [(20,), (8, 9)])
def test_a_lattice_gives_its_stiffness_and_coupling(sites, generator):
    start = torch.randn(2, *sites, generator=generator, dtype=torch.float64)
    positions, _ = simulated(*start, 250, stiffness=STIFFNESS, coupling=COUPLING, dimension=len(sites))
    fit = dispersion_fit(wave_spectrum(positions, dimension=len(sites)))
    assert fit.coupling == pytest.approx(COUPLING, rel=0.02)
    assert fit.stiffness == pytest.approx(STIFFNESS, rel=0.04)


def planted(size: int, row: float, column: float) -> torch.Tensor:
    """A field on a torus with zeros of charge -1 at a place and half way round along both axes, +1 along one."""
    down, right = grid(size, size)
    turns = 2 * math.pi / size
    return torch.complex((turns * (right - column)).sin(), (turns * (down - row)).sin())


def test_planted_vortices_get_their_charges_in_their_places(generator):
    """The charge of a product is the sum of the charges, of a conjugate their opposite, whatever the phase turns by."""
    size, half = 40, 20
    seeds = [(3.5, 4.5, 1), (8.5, 16.5, -1), (14.5, 10.5, 1)]
    expected = torch.zeros(size, size, dtype=torch.long)
    field = torch.ones(size, size, dtype=torch.complex128)
    for row, column, sign in seeds:
        factor = planted(size, row, column)
        field = field * (factor if sign > 0 else factor.conj())
        for down in (0, 1):
            for right in (0, 1):
                place = (int(row) + half * down) % size, (int(column) + half * right) % size
                expected[place] += -sign * (-1) ** (down + right)
    assert (expected != 0).sum() == 12
    strength = torch.rand(size, size, generator=generator, dtype=torch.float64) + 0.5
    for turn in torch.linspace(0, 6, 7, dtype=torch.float64):
        turned = strength * field * torch.polar(torch.ones_like(turn), turn)
        found = find_pinwheels(turned)
        assert (found.charges == expected).all()
        assert found.total == 0


def test_the_charges_of_a_torus_add_up_to_nothing_while_they_are_made_and_annihilated(generator):
    """A lattice of random waves: vortices of the exact phase wander, and come and go in pairs."""
    sites = (16, 18)
    smooth = torch.fft.ifft2(
        torch.fft.fft2(torch.randn(2, *sites, generator=generator, dtype=torch.float64))
        * torch.exp(-3 * sum((2 * math.pi * places / size).sin() ** 2 + 4 * (math.pi * places / size).sin() ** 2
                             for places, size in zip(grid(*sites), sites, strict=True)))
    ).real  # fmt: skip
    positions, momenta = simulated(*smooth, 40, stiffness=STIFFNESS, coupling=COUPLING, dimension=2)
    signal = quadrature_signal(positions, momenta, frequency((0.3, 0.3)))
    found = charges(signal.angle())
    assert found.abs().sum() > 0
    assert (found.sum((-2, -1)) == 0).all()
    tracks = track_charges(found, reach=4.0)
    assert tracks.totals == (0,) * 40
    change = [event.kind == "made" for event in tracks.events if event.distance is not None]
    numbers = found.abs().sum((-2, -1))
    assert 2 * (sum(change) - (len(change) - sum(change))) == int(numbers[-1] - numbers[0])

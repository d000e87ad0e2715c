from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.quiver import Quiver
from PIL import Image, ImageSequence

from flowdis.plots.canvas import cycle_map, figure_png
from flowdis.plots.wave_films import phase_frames
from flowdis.plots.wave_parts import DARK, LIGHT
from flowdis.plots.waves import phase_film, phase_maps, selectivity_map, space_time, velocity_map, wave_spectra
from flowdis.waves import dispersion_fit, find_pinwheels, wave_spectrum
from tests.plots.toys import clipped, texts
from tests.waves.toys import grid, plane_phase, ring_map, wave_vector

SITES = (10, 12)


def plane(frames=9, omega=0.4, waves=(-1, 2), sites=SITES):
    phase = plane_phase(frames, omega, wave_vector(sites, waves), sites)
    return torch.polar(torch.ones_like(phase), phase)


def spirals(size=12, frames=5):
    down, right = (2 * math.pi * (places + 0.5) / size for places in grid(size, size))
    turns = torch.polar(torch.ones(frames).double(), 0.3 * torch.arange(frames, dtype=torch.float64))
    return torch.complex(right.sin(), down.sin()) * turns[:, None, None]


def marks(axes, face) -> np.ndarray:
    """The places (n, 2) of the marks of a colour, column and row."""
    lines = [line for line in axes.lines if to_rgba(line.get_markerfacecolor()) == to_rgba(face)]
    return np.concatenate([np.empty((0, 2)), *(np.stack(line.get_data(), axis=-1) for line in lines)])


def test_every_frame_has_its_map_in_the_colours_of_its_phase():
    signal = plane()
    figure = phase_maps(signal, frames=[0, 3, 8], title="a wave")
    maps, bar = figure.axes[:3], figure.axes[3]
    for axes, frame in zip(maps, (0, 3, 8), strict=True):
        shown = axes.images[0].get_array()
        expected = cycle_map()((signal[frame].angle() / (2 * math.pi) % 1.0).numpy())
        np.testing.assert_allclose(shown, expected, atol=1e-6)
    assert {"a wave", "frame 0", "frame 3", "frame 8", "phase", "π/2"} <= set(texts(figure))
    assert bar.images
    assert "positive" not in texts(figure)
    assert not clipped(figure)


def test_weak_sites_are_faint():
    pattern = plane_phase(1, 0.0, wave_vector((8, 8), (0, 2)), (8, 8)).cos()
    opacity = phase_maps(pattern + 0j, frames=[0]).axes[0].images[0].get_array()[..., 3]
    assert opacity[:, 0].min() == pytest.approx(1.0)
    assert opacity[:, 1].max() < 0.2


@pytest.mark.parametrize("periodic", [True, False])
def test_charges_are_marked_where_they_are_by_their_sign(periodic):
    signal = spirals()
    figure = phase_maps(signal, frames=[0, 4], periodic=periodic, least=0.0)
    for axes in figure.axes[:2]:
        assert sorted(map(tuple, marks(axes, LIGHT))) == ([(5.5, 11.5), (11.5, 5.5)] if periodic else [])
        assert sorted(map(tuple, marks(axes, DARK))) == ([(5.5, 5.5), (11.5, 11.5)] if periodic else [(5.5, 5.5)])
    assert {"positive", "negative"} <= set(texts(figure))
    assert not clipped(figure)


def test_arrows_point_where_the_wave_goes_and_say_that_long_ones_are_fast():
    figure = velocity_map(plane(), frame=4, arrows=6)
    (arrows,) = figure.axes[0].findobj(Quiver)
    k = wave_vector(SITES, (-1, 2))
    speed = 0.4 / math.hypot(*k)
    expected = np.array([k[1], k[0]]) / math.hypot(*k) * speed  # to the right, and downwards as rows count
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], -1), np.tile(expected, (len(arrows.U), 1)), atol=1e-9)
    assert any("Long arrows are fast waves" in text and f"{speed:.2g} sites" in text for text in texts(figure))
    assert not clipped(figure)


def test_arrows_of_places_nearly_in_step_are_cut_and_silent_ones_left_out():
    signal = plane(sites=(8, 8))
    signal[:, :, 4:] = signal[:, :, 4:5] * 1.00001
    signal[:, 0] = 0.0
    (arrows,) = velocity_map(signal, arrows=8).axes[0].findobj(Quiver)
    speeds = np.sort(np.hypot(arrows.U, arrows.V))
    moving = speeds[speeds > 0]
    assert speeds[-1] == pytest.approx(2 * moving[(len(moving) - 1) // 2])
    assert arrows.Y.min() == 1
    still = velocity_map(torch.ones(3, 6, 6, dtype=torch.complex64))
    still.draw_without_rendering()


def test_a_selectivity_map_says_how_many_pinwheels_there_are():
    harmonic = ring_map(1, 48, 12.0, 0.05, torch.Generator().manual_seed(0))[0]
    figure = selectivity_map(harmonic, title="orientations")
    count = int(find_pinwheels(harmonic).count(1))
    assert len(marks(figure.axes[0], LIGHT)) == count
    found = texts(figure)
    assert {f"{count} positive", f"{count} negative", "orientation", "90°", "180°"} <= set(found)
    assert any("Total of all charges 0" in text and "Column wavelength 1" in text for text in found)
    assert not clipped(figure)
    patch = texts(selectivity_map(harmonic[:20], order=1, periodic=False))
    assert {"direction", "360°"} <= set(patch)
    selectivity_map(torch.ones(6, 6, dtype=torch.complex64)).draw_without_rendering()


def test_a_ring_over_time_runs_to_the_right_and_its_sites_upwards():
    phase = plane_phase(30, 0.5, wave_vector((12,), (1,)), (12,))
    speed = 0.5 / wave_vector((12,), (1,))[0]
    figure = space_time(phase.cos(), speed=speed, title="a ring")
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), phase.cos().T.numpy())
    assert axes.images[0].origin == "lower"
    for line in axes.lines:
        (start, end), (low, high) = line.get_data()
        assert (high - low) / (end - start) == pytest.approx(speed)
    assert {"frame", "site", "activity", f"dashed: +{speed:.3g} sites a frame"} <= set(texts(figure))
    assert not clipped(figure)
    complex_ = space_time(torch.polar(torch.ones_like(phase), phase))
    assert "phase" in texts(complex_)
    assert not clipped(complex_)
    space_time(torch.zeros(1, 2)).draw_without_rendering()


def test_a_spectrum_has_its_power_where_the_wave_is_and_the_fit_over_it():
    k = wave_vector((12,), (1,))[0]
    slow = plane_phase(50, 2 * math.pi * 5 / 50, (k,), (12,)).cos()
    fast = 0.5 * plane_phase(50, 2 * math.pi * 9 / 50, (3 * k,), (12,)).cos()
    spectrum = wave_spectrum(slow + fast, dimension=1)
    fit = dispersion_fit(spectrum)
    figure = wave_spectra(spectrum, fit=fit, title="two waves")
    axes = figure.axes[0]
    (image,) = axes.images
    left, right, bottom, top = image.get_extent()
    row, column = np.unravel_index(np.argmax(image.get_array()), image.get_array().shape)
    rows, columns = image.get_array().shape
    assert left + (column + 0.5) * (right - left) / columns == pytest.approx(k)
    assert bottom + (row + 0.5) * (top - bottom) / rows == pytest.approx(2 * math.pi * 5 / 50)
    ridge = max(axes.lines, key=lambda line: len(line.get_xdata()))
    across, heights = (torch.tensor(np.asarray(data)) for data in ridge.get_data())
    torch.testing.assert_close(heights.double(), fit.frequency(across.double()[:, None]), atol=1e-6, rtol=0)
    assert any("direction index 1.00; signed +1.00" in text for text in texts(figure))
    assert any("Ω²" in text for text in texts(figure))
    assert not clipped(figure)


@pytest.mark.parametrize("sites", [(10, 12), (9, 11)])
def test_a_torus_has_a_panel_for_each_axis(sites):
    figure = wave_spectra(wave_spectrum(plane(20, sites=sites)))
    assert {"downwards", "to the right"} <= set(texts(figure))
    assert len(figure.axes) == 3
    assert not clipped(figure)


def test_figures_can_be_read_on_a_dark_ground():
    figure = phase_maps(spirals(), frames=[0])
    light = figure_png(figure)
    assert figure_png(figure, dark=True) != light
    assert figure_png(figure) == light


@pytest.mark.parametrize("batch", [(), (2,)])
def test_a_film_has_every_frame(tmp_path, batch):
    signal = spirals().reshape(5, *[1] * len(batch), 12, 12).expand(5, *batch, 12, 12)
    file = phase_film(signal, tmp_path / "new" / "waves.gif", seconds=1.0, magnify=4)
    with Image.open(file) as image:
        assert image.n_frames == 5
        assert image.size == ((48, 48) if not batch else (98, 48))
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(image)] == [200] * 5


def test_the_marks_of_a_film_are_at_the_corners_of_plaquettes():
    images = phase_frames(spirals(), magnify=10, least=0.0)
    assert images.shape == (5, 3, 120, 120)
    light, dark = (torch.tensor(to_rgb(colour))[:, None, None] for colour in (LIGHT, DARK))
    for row, column, colour in ((60, 60, dark), (0, 0, dark), (60, 0, light), (0, 60, light)):
        for down in (-1, 0):
            for right in (-1, 0):
                found = images[:, :, (row + down) % 120, (column + right) % 120]
                assert (found == colour[..., 0].T).all()
    plain = phase_frames(spirals(), magnify=10, pinwheels=False)
    assert (images != plain).any(1).float().mean() < 0.03


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="`frames` must be numbers from 0 to 8, got"):
        phase_maps(plane(), frames=[9])
    with pytest.raises(ValueError, match="`arrows`"):
        velocity_map(plane(), arrows=0)
    with pytest.raises(ValueError, match="`values` must be finite"):
        space_time(torch.full((3, 3), math.nan))
    with pytest.raises(ValueError, match="`signal` must have shape"):
        phase_film(plane()[:, None, None], tmp_path / "a.gif")
    with pytest.raises(ValueError, match="`magnify`"):
        phase_film(plane(), tmp_path / "a.gif", magnify=0)
    assert not list(tmp_path.iterdir())

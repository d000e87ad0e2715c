from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from flowdis.paths import Unit
from flowdis.plots.canvas import (
    INK,
    amount_text,
    cycle_map,
    figure_png,
    natural_span,
    new_figure,
    to_pixels,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (45.0, Unit("degree"), "45°"),
        (-22.5, Unit("degree"), "−22.5°"),
        (-1e-9, Unit("degree"), "0°"),
        (1.3, Unit("factor", 1.5, logarithmic=True), "×1.30"),
        (2.0, Unit("pixel"), "+2 px"),
        (-0.25, Unit("slope"), "−0.25"),
        (3.0, Unit("octave"), "3 octave"),
    ],
)
def test_amounts_are_written_in_natural_units(value, unit, text):
    assert amount_text(value, unit) == text


def test_spans_go_once_round_or_over_the_range_or_one_amount_each_way():
    assert natural_span("hue", Unit("degree", 10.0)) == (0.0, 360.0, True)
    assert natural_span("scale", Unit("factor", 1.5, logarithmic=True)) == (0.6, 2.0, False)
    assert natural_span("age", Unit("year", 10.0)) == (-10.0, 10.0, False)
    assert natural_span("rotate", Unit("radian", 0.5)) == (-0.5, 0.5, False)


def test_pixels_of_grey_colour_and_opacity():
    grey = to_pixels(torch.full((1, 2, 3), 0.2))
    assert grey.shape == (2, 3, 3)
    assert (grey == 51).all()
    clear = torch.ones(2, 4, 2, 3)
    clear[:, 3] = 0.0
    assert (to_pixels(clear) == 0).all()
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        to_pixels(torch.zeros(2, 2, 2))


def test_the_cycle_of_colours_closes_and_keeps_its_lightness():
    colours = np.asarray(cycle_map()(np.arange(256)))[:, :3]
    steps = np.abs(np.diff(np.concatenate([colours, colours[:1]]), axis=0)).max(1)
    assert steps.max() < 0.1
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert 0.3 < lightness.min() < lightness.max() < 0.75


def test_a_dark_figure_swaps_greys_and_leaves_colours_images_and_the_figure():
    figure = new_figure(1.0, 1.0)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.axvspan(0.0, 0.5, color="#202020")
    axes.axvspan(0.5, 1.0, color="#c02020")
    figure.text(0.1, 0.1, "a", color=INK)
    light, dark, again = (
        np.asarray(Image.open(io.BytesIO(figure_png(figure, ground=False, dark=dark)))) for dark in (False, True, False)
    )
    assert (light == again).all()
    assert tuple(light[20, 30][:3]) == (0x20,) * 3
    assert tuple(dark[20, 30][:3]) == (0xDF,) * 3
    assert tuple(dark[20, 120][:3]) == (0xC0, 0x20, 0x20)

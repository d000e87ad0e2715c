from __future__ import annotations

import numpy as np
import pytest
import torch

from flowdis.paths import Unit
from flowdis.plots import strip
from tests.plots.toys import clipped, stills, texts


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(8, 8), (5, 12), (130, 90)])
def test_a_strip_has_its_rows_its_values_and_its_errors(channels, size):
    source, truth, edit = (
        stills(2, channels, *size), stills(3, 2, channels, *size), stills(3, 2, channels, *size) / 2
    )  # fmt: skip
    figure = strip(
        source, truth, edit, title="turned",
        values={"rotate": [0.0, 45.0, 90.0], "scale": torch.tensor([1.0, 1.25, 1.5])},
        units={"rotate": Unit("degree"), "scale": Unit("factor", 2.0, logarithmic=True)},
    )  # fmt: skip
    assert len(figure.axes) == 2 * 2 + 1
    shown = texts(figure)
    assert {"source", "truth", "edit", "difference", "error", "turned", "45°", "×1.25"} <= set(shown)
    error = float((edit - truth)[1, 0].abs().sum())
    assert (f"{error:.3g}" if error < 100 else f"{error:.0f}") in shown
    assert not clipped(figure)


def test_without_a_truth_there_is_only_the_edit():
    figure = strip(stills(3, 8, 8), None, stills(4, 3, 8, 8))
    assert len(figure.axes) == 2
    assert "truth" not in texts(figure)
    assert "error" not in texts(figure)


def test_small_images_fall_on_whole_pixels_of_the_figure():
    source = (stills(1, 1, 28, 28) > 0.5).float()
    figure = strip(source, None, source.expand(8, 1, 1, 28, 28))
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[..., 0]
    box = figure.axes[0].get_window_extent()
    left, top, scale = round(box.x0), drawn.shape[0] - round(box.y1), round(box.width) // 28
    tile = drawn[top : top + 28 * scale, left : left + 28 * scale]
    assert scale >= 3
    assert (tile == (source[0, 0].numpy() * 255).repeat(scale, 0).repeat(scale, 1)).all()
    assert box.width / figure.dpi <= 1.0


@pytest.mark.parametrize("signed", [False, True])
def test_equal_images_have_a_black_difference_and_opposite_hues_a_bright_one(signed):
    red = torch.zeros(1, 3, 6, 6)
    red[:, 0] = 1.0
    cyan = 1 - red
    same, other = (
        strip(red, red.expand(2, 1, 3, 6, 6), edit.expand(2, 1, 3, 6, 6), signed=signed) for edit in (red, cyan)
    )
    rows = [np.asarray(figure.axes[1].get_images()[0].get_array())[-6:, :6, :3] for figure in (same, other)]
    assert rows[0].max() <= 4
    assert rows[1].mean() > 120


@pytest.mark.parametrize(
    ("source", "truth", "edit", "message"),
    [
        (torch.zeros(1, 1, 3, 8, 8), None, torch.zeros(4, 1, 1, 3, 8, 8), "`edit` must have shape"),
        (torch.zeros(1, 3, 8, 8), None, torch.full((4, 1, 3, 8, 8), 255.0), "divide by 255"),
        (torch.zeros(1, 2, 8, 8), None, torch.zeros(4, 1, 2, 8, 8), "1, 3 or 4 channels"),
    ],
)
def test_images_that_do_not_fit_are_refused(source, truth, edit, message):
    with pytest.raises(ValueError, match=message):
        strip(source, truth, edit)


def test_values_must_number_the_frames():
    with pytest.raises(ValueError, match="T=2 numbers for 'rotate', got 1"):
        strip(stills(1, 4, 4), None, stills(2, 1, 4, 4), values={"rotate": [1.0]})

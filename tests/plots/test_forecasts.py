from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from flowdis.plots.canvas import to_pixels
from flowdis.plots.forecasts import forecast_curves, forecast_film, forecast_frames
from tests.plots.toys import clipped, stills, texts


def films() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    truth = stills(7, 2, 1, 4, 5)
    return truth, {"lattice": 1 - truth[3:], "persistence": truth[2:3].expand(4, -1, -1, -1, -1)}


def test_a_film_shows_truth_and_forecasts_side_by_side(tmp_path):
    truth, made = films()
    file = forecast_film(truth, made, tmp_path / "new/film.gif", seen=3, magnify=1)
    with Image.open(file) as gif:
        assert gif.n_frames == 7 and gif.info["duration"] == 100
        for index in range(7):
            gif.seek(index)
            shown = np.asarray(gif.convert("L")).astype(int)
            assert shown.shape == (2 * 4 + 2, 3 * 5 + 2 * 2)
            for row in range(2):
                rows = slice(row * 6, row * 6 + 4)
                true = to_pixels(truth[index, row])[..., 0].astype(int)
                second = true if index < 3 else 255 - true
                third = true if index < 3 else to_pixels(truth[2, row])[..., 0].astype(int)
                for column, expected in enumerate((true, second, third)):
                    found = shown[rows, column * 7 : column * 7 + 5]
                    assert abs(found - expected).max() <= 1  # 1 - x rounds the other way


def test_frames_have_a_row_for_each_forecast():
    truth, made = films()
    figure = forecast_frames(truth, made, seen=3, count=3)
    assert len(figure.axes) == 9 and not clipped(figure)
    assert {"truth", "lattice", "persistence", "1", "4"} <= set(texts(figure))
    image = figure.axes[3].images[0].get_array()
    assert np.array_equal(image, to_pixels(made["lattice"][0, 0]))
    assert len(forecast_frames(truth, made, seen=3, count=99).axes) == 12


def test_curves_have_a_line_for_each_forecaster_and_the_threshold():
    figure = forecast_curves({"lattice": [0.01, 0.02], "uncoupled": [0.02, 0.1], "persistence": [0.5, 0.9]})
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines[:3]] == ["lattice", "uncoupled", "persistence"]
    assert axes.lines[1].get_ydata().tolist() == [0.02, 0.1] and axes.lines[3].get_ydata()[0] == 0.025
    assert not clipped(figure)
    assert len(forecast_curves({"one": [0.1]}, threshold=None).axes[0].lines) == 1


def test_what_does_not_fit_is_refused(tmp_path):
    truth, made = films()
    for seen in (0, 7):
        with pytest.raises(ValueError, match=f"`seen` must leave some of 7 frames to foretell, got {seen}"):
            forecast_frames(truth, made, seen=seen)
    with pytest.raises(ValueError, match=r"`forecasts` must have shape \(4, 2, 1, 4, 5\), got \(3, .* for lattice"):
        forecast_film(truth, {"lattice": made["lattice"][1:]}, tmp_path / "film.gif", seen=3)
    with pytest.raises(ValueError, match="`count` must be at least 1, got 0"):
        forecast_frames(truth, made, seen=3, count=0)
    with pytest.raises(ValueError, match="`errors` must hold at least one forecaster, got none"):
        forecast_curves({})

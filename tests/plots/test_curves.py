from __future__ import annotations

import math

import numpy as np
import pytest

from flowdis.plots import error_curves, training_curves
from tests.plots.toys import clipped, texts


def history(count: int, **changed: float) -> list[dict[str, float]]:
    return [
        {
            "step": 20.0 * i, "seconds": 4.0 * i, "learning_rate": 1e-3, "loss": 900.0 + 4000 / (i + 1),
            "reconstruction": 850.0 + 4000 / (i + 1), "kl_initial": 30.0, "kl_path": 25.0, **changed,
        }
        for i in range(count)
    ]  # fmt: skip


def test_every_term_is_named_with_its_last_value_and_unit():
    figure = training_curves(history(100))
    assert len(figure.axes) == 3
    assert figure.axes[0].get_yscale() == "log"
    found = texts(figure)
    assert {"loss  940", "reconstruction  890", "kl initial  30", "kl path  25"} <= set(found)
    assert {"nats per sequence", "minutes of training", "step"} <= set(found)
    assert not clipped(figure)


def test_names_at_the_ends_do_not_overlap():
    figure = training_curves(history(50, a=30.0, b=30.1, c=30.2, d=0.5, e=0.5))
    figure.draw_without_rendering()
    names = ("loss", "reconstruction", "kl initial", "kl path", "a ", "b ", "c ", "d ", "e ")
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text().startswith(names)]
    assert len(boxes) == 9
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in zip(boxes, boxes[1:], strict=False))


def test_one_step_negative_terms_missing_terms_and_no_time():
    assert len(training_curves(history(1)).axes) == 3
    assert training_curves(history(9, kl_path=-40.0)).axes[0].get_yscale() == "symlog"
    rows = [{"step": float(i), "loss": 10.0 - i, **({"late": 1.0} if i > 4 else {})} for i in range(9)]
    rows[3]["loss"] = math.nan
    figure = training_curves(rows)
    figure.draw_without_rendering()
    assert len(figure.axes) == 2
    assert "late  1" in texts(figure)


@pytest.mark.parametrize("rows", [[], [{"loss": 1.0}]])
def test_a_history_without_steps_is_refused(rows):
    with pytest.raises(ValueError, match="`history` must hold at least one logged step"):
        training_curves(rows)


def test_errors_of_frames_have_a_panel_per_transformation():
    series = {"error": [1.0, 2.0], "floor": [0.5, 0.5], "identity": [3.0, 4.0], "mine": [2.0, 2.0]}
    figure = error_curves({"rotate": series, "scale": series, "hue": series, "shear": {"error": [1.0]}})
    assert len(figure.axes) == 4
    assert {"error", "floor", "identity", "mine", "rotate", "shear"} <= set(texts(figure))
    line = figure.axes[0].get_lines()[0]
    assert np.asarray(line.get_xydata()).tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert not clipped(figure)
    with pytest.raises(ValueError, match="`frames`"):
        error_curves({})

"""Several runs on one page: the curves are the runs' own, and every value stands in its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flowdis.plots.comparisons import loss_curves, write_comparison

HISTORIES = {
    "one": [{"step": 0.0, "loss": 9.0, "held_out.loss": 8.0}, {"step": 10.0, "loss": 3.0, "held_out.loss": 2.0}],
    "two <b>": [{"step": 0.0, "loss": 7.0}, {"step": 20.0, "loss": 5.0}],
    "empty": [],
}


def test_curves_are_those_of_each_run() -> None:
    training, held_out = loss_curves(HISTORIES).axes
    drawn = {line.get_label(): line.get_xydata() for line in training.lines if line.get_label() in HISTORIES}
    np.testing.assert_array_equal(drawn["one"], [[0, 9], [10, 3]])
    np.testing.assert_array_equal(drawn["two <b>"], [[0, 7], [20, 5]])
    assert len(drawn["empty"]) == 0
    (only,) = [line for line in held_out.lines if len(line.get_xydata())]
    np.testing.assert_array_equal(only.get_xydata(), [[0, 8], [10, 2]])
    assert len(loss_curves({"two": HISTORIES["two <b>"]}).axes) == 1


def test_no_logged_step_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="`histories` must hold at least one logged step, got none"):
        loss_curves({"one": []})


def test_the_page_has_each_value_and_escapes_names(tmp_path: Path) -> None:
    settings = {"training.seed": {"one": 0, "two <b>": 1}, "options": {"one": {"a": 1.5}, "two <b>": None}}
    metrics = {"error": {"one": 12345.6, "two <b>": None}}
    page = write_comparison(tmp_path, settings=settings, metrics=metrics, histories=HISTORIES).read_text()
    assert "<td>0</td><td>1</td>" in page and "<td>a 1.5</td><td>–</td>" in page
    assert "<td>12,346</td><td>–</td>" in page and "two &lt;b&gt;" in page and "two <b>" not in page
    bare = write_comparison(tmp_path, settings={}, metrics={}, histories={"one": []}).read_text()
    assert "<table" not in bare and "<img" not in bare

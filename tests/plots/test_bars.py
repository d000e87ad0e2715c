"""Bars of models: what is drawn is what was measured, and it can be read."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from flowdis.metrics.table import MeasuredModel, ModelTable, model_table
from flowdis.plots.bars import model_bars
from flowdis.plots.canvas import MUTED, PALETTE, figure_png
from tests.plots.toys import clipped, texts

NAMES = [
    "codes.mig", "codes.dci.disentanglement", "codes.dci.completeness", "codes.dci.informativeness", "codes.sap",
    "codes.beta_vae", "codes.factor_vae", "codes.modularity", "codes.infomec.explicitness", "flows.response.score",
    "flows.vp", "flows.vp.controls.static", "equivariance.orbit.wall_hue", "equivariance.orbit.orientation",
]  # fmt: skip
MODELS = [
    "flowdis", "flow-factorized (published recipe)", "topographic VAE", "SlowVAE", "beta-TCVAE", "FactorVAE",
    "beta-VAE", "costs $5 or $6",
]  # fmt: skip


def measured(seeds: int, models: list[str], metrics: list[str]) -> ModelTable:
    rng = np.random.default_rng(0)
    runs = [
        MeasuredModel(model, seed, {name: float(rng.uniform(0.1, 1.0)) for name in metrics})
        for model in models
        for seed in range(seeds)
    ]
    control = MeasuredModel("constant code", None, dict.fromkeys(metrics, 0.0), control=True)
    return model_table(
        [*runs, control], {"machine": "2 cores", "command": "flowdis evaluate " + "--models a_long " * 30}
    )


@pytest.fixture(scope="module")
def large() -> Figure:
    figure = model_bars(measured(3, MODELS, NAMES))
    figure.draw_without_rendering()
    return figure


def widths(axes: Axes) -> list[float]:
    return [patch.get_width() for patch in axes.patches]


def test_nine_models_and_fourteen_metrics_fit_and_are_named(large: Figure) -> None:
    assert len(large.axes) == 14
    assert not clipped(large)
    found = texts(large)
    names = [*MODELS[:-1], r"costs \$5 or \$6", "constant code (control)"]
    assert all(found.count(name) == 5 for name in names), "once in each line of panels: 3, 3, 3; 3; 2"
    assert {"codes", "flows", "equivariance", "machine: 2 cores", "MIG\u00a0↑", "VP, static control"} <= set(found)
    assert "wall hue, from any pose\n(pixels)\u00a0↓" in found


def test_names_numbers_and_titles_do_not_overlap(large: Figure) -> None:
    for axes in large.axes:
        parts = [*axes.texts, axes._left_title, *(label for label in axes.get_yticklabels() if label.get_text())]
        boxes = [part.get_window_extent() for part in parts]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        right = axes.get_window_extent().x1
        assert all(text.get_window_extent().x1 <= right + 1 for text in axes.texts)


def test_bars_are_means_from_zero_and_lines_are_intervals() -> None:
    table = measured(3, ["a", "b"], ["codes.mig"])
    axes = model_bars(table).axes[0]
    scores = [row.scores["codes.mig"] for row in table.rows]
    assert widths(axes) == pytest.approx([score.mean for score in scores])
    assert [patch.get_x() for patch in axes.patches] == [0.0] * 3
    lines = [line for line in axes.get_lines() if line.get_marker() == "|"]
    rings = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [tuple(line.get_xdata()) for line in lines] == [score.interval for score in scores[:2]]
    assert [tuple(line.get_xdata()) for line in rings] == [score.values for score in scores[:2]]
    low, high = axes.get_xlim()
    assert low <= min(0.0, *(min(score.interval) for score in scores[:2]))
    assert high > max(max(score.interval) for score in scores[:2])


def test_one_model_of_one_seed_has_bars_without_intervals() -> None:
    table = model_table([MeasuredModel("flowdis", 0, dict.fromkeys(NAMES[-6:], 0.5))])
    figure = model_bars(table)
    assert not clipped(figure)
    assert all(widths(axes) == [0.5] for axes in figure.axes)
    assert all(line.get_marker() not in ("|", "o") for axes in figure.axes for line in axes.get_lines())
    assert "One seed each; ↑ higher is better; ↓ lower is better." in texts(figure)


def test_what_was_not_measured_has_a_dash_and_zero_has_a_number() -> None:
    models = [MeasuredModel("a", 0, {"codes.mig": 0.0, "codes.sap": 0.2}), MeasuredModel("b", 0, {"codes.mig": None})]
    mig, sap = model_bars(model_table([*models, MeasuredModel("c", 0, {"codes.mig": 0.0})])).axes
    assert [text.get_text() for text in mig.texts] == ["0.000", "–", "0.000"]
    assert [text.get_text() for text in sap.texts] == ["0.200", "–", "–"]
    assert len(mig.patches) == 2 and len(sap.patches) == 1


def test_the_best_is_bold_and_controls_are_grey() -> None:
    table = measured(2, ["a", "b"], ["codes.mig", "equivariance.orbit.hue"])
    for name, axes in zip(table.columns, model_bars(table).axes, strict=True):
        weights = [text.get_weight() for text in axes.texts]
        assert [row.model for row, weight in zip(table.rows, weights, strict=True) if weight == "bold"] == list(
            table.best(name)
        )
        colours = [to_hex(patch.get_facecolor()) for patch in axes.patches]
        assert colours == [PALETTE[0], PALETTE[1], MUTED]
        assert [bool(patch.get_hatch()) for patch in axes.patches] == [False, False, True]


def test_negative_values_run_to_the_left() -> None:
    models = [
        MeasuredModel("a", 0, {"log_likelihood.elbo": -150.0}),
        MeasuredModel("b", 0, {"log_likelihood.elbo": -80.0}),
    ]
    figure = model_bars(model_table(models))
    assert widths(figure.axes[0]) == [-150.0, -80.0]
    assert figure.axes[0].get_xlim()[0] <= -150.0 and figure.axes[0].get_xlim()[1] > 0
    assert not clipped(figure)


def test_it_can_be_read_on_a_dark_ground_and_is_left_as_it_was() -> None:
    figure = model_bars(measured(3, ["a"], ["codes.mig"]))
    light, dark = figure_png(figure), figure_png(figure, ground=False, dark=True)
    assert dark != light == figure_png(figure)


def test_panels_stand_beside_each_other_as_asked() -> None:
    table = measured(1, ["a"], NAMES[:3])
    for across, columns in ((1, 1), (2, 2), (5, 3)):
        places = {round(axes.get_position().x0, 6) for axes in model_bars(table, across=across).axes}
        assert len(places) == columns
    with pytest.raises(ValueError, match="`across` must be >= 1, got 0"):
        model_bars(table, across=0)

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from flowdis.metrics.response import ResponseMatrix
from flowdis.plots.canvas import MUTED, figure_png
from flowdis.plots.responses import response_figure
from tests.plots.toys import clipped, texts, written


def response(**changed) -> ResponseMatrix:
    matrix = torch.tensor([[0.02, 0.91, 0.333], [1.4, 0.06, 0.0]]).double()
    result = ResponseMatrix(
        names=("wall_hue", "size"),
        factors=("size", "wall_hue", "kind"),
        matrix=matrix,
        signed=matrix,
        moved=("size", "wall_hue"),
        truth=torch.tensor([[0.98, 0.01, 0.0], [0.03, 0.97, 0.0]]).double(),
        floor=torch.tensor([0.04, 0.05, 0.07]).double(),
        accuracy={"size": 0.99, "wall_hue": 0.96, "kind": 0.88},
        unread=(),
        controls={"static": 0.0, "random": 0.41},
    )
    return replace(result, **changed)


def cells(figure):
    """By the place of its lower left corner, the colour of each cell."""
    patches = [patch for patch in figure.findobj(Rectangle) if patch.get_facecolor()[:3] == to_rgb("#3a86c8")]
    return {(round(p.get_x(), 3), round(p.get_y(), 3)): p.get_facecolor()[3] for p in patches}


def test_every_number_stands_in_its_cell_and_columns_follow_the_flows():
    figure = response_figure(response())
    found = texts(figure)
    numbers = ["0.91", "0.02", "0.33", "0.06", "1.40", "0.00"]  # columns: wall hue, size, kind
    start = found.index("0.91")
    assert [text for text in found if text in numbers][:6] == numbers
    assert start < found.index("1.40")
    assert {"wall\nhue", "size", "kind", "wall hue"} <= set(found)
    assert list(cells(figure).values()) == pytest.approx([0.91, 0.02, 0.333, 0.06, 1.0, 0.0], abs=1e-6)
    heads = {text.get_text(): text.get_position()[0] for text in written(figure) if text.get_text() in ("0.91", "1.40")}
    assert heads["0.91"] < heads["1.40"]
    bold = {text.get_text() for text in written(figure) if text.get_weight() == "bold"}
    assert bold == {"0.91", "1.40"}
    assert not clipped(figure)


def test_scores_stand_beside_their_controls_and_what_probes_can_tell():
    result = response()
    figure = response_figure(result)
    found = "\n".join(texts(figure))
    assert f"disentanglement {result.score:.2f} (true motions {result.ceiling_score:.2f}" in found
    assert "static 0.00, random 0.41" in found
    assert "own factor moved furthest by 2 of 2 flows" in found
    rows = {text.get_position()[1]: [] for text in written(figure)}
    for text in written(figure):
        rows[text.get_position()[1]].append(text.get_text())
    assert ["true motion", "0.97", "0.98", "–"] in rows.values()
    assert ["reconstruction", "0.05", "0.04", "0.07"] in rows.values()
    assert ["probes' accuracy", "0.96", "0.99", "0.88"] in rows.values()


def test_own_factors_are_framed():
    frames = [p for p in response_figure(response()).findobj(Rectangle) if p.get_linewidth() == 1.4]
    corners = sorted((round(p.get_x() / 0.78), round(p.get_y() / 0.42)) for p in frames)
    assert corners == [(0, 0), (1, 1)]


def test_columns_that_probes_cannot_read_have_no_colour():
    figure = response_figure(response(unread=("size",)))
    assert list(cells(figure).values()) == pytest.approx([0.91, 0.0, 0.333, 0.06, 0.0, 0.0], abs=1e-6)
    found = texts(figure)
    assert "not read by the probes, so left out of scores: size" in found
    assert any("by 1 of 1 flows" in text for text in found)
    (unread,) = [text for text in written(figure) if text.get_text() == "1.40"]
    assert unread.get_color() == MUTED and unread.get_weight() == "normal"
    assert not clipped(figure)


def test_one_flow_of_a_name_of_its_own_and_long_names_fit():
    figure = response_figure(
        ResponseMatrix(
            ("a_transformation_with_a_long_name",),
            ("x",),
            torch.ones(1, 1),
            torch.ones(1, 1),
            (),
            torch.zeros(0, 1),
            torch.zeros(1),
            {"x": 0.5},
            (),
            {},
        )  # fmt: skip
    )
    assert not clipped(figure)
    assert not any("own factor" in text for text in texts(figure))
    assert figure_png(figure).startswith(b"\x89PNG")

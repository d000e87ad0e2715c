"""The figure of what was found."""

from __future__ import annotations

import torch

from flowdis.metrics import Explanation, FlowExplanation
from flowdis.paths import Unit, flows
from flowdis.plots import explanation_figure
from flowdis.plots.canvas import figure_png


def explanation(count: int, responses: dict[str, float]) -> Explanation:
    units = {f"flow_{k + 1}": Unit() for k in range(count)}
    film = torch.rand(7, 2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    amounts = torch.linspace(0, 3, 7, dtype=torch.float64)
    parts = [FlowExplanation(flow, film, amounts, k / 3, 1.1, 0.25, responses) for k, flow in enumerate(flows(units))]
    return Explanation(tuple(parts), None, None)


def test_a_row_for_each_flow_with_its_words_film_and_bars() -> None:
    figure = explanation_figure(explanation(3, {"rotate": 0.97, "wall_hue": -0.04}))
    words = [text.get_text() for text in figure.texts]
    assert {"flow 1", "flow 2", "flow 3", "never used"} <= set(words)
    assert "on in 33% of steps\nspeed 1.1 ± 0.25" in words
    films, bars = figure.axes[::2], figure.axes[1::2]
    assert len(films) == len(bars) == 3
    # Seven frames of 8 pixels with two between, in the order of the film.
    assert films[0].images[0].get_array().shape == (9, 7 * 8 + 6 * 2, 3)
    assert [tick.get_text() for tick in bars[0].get_yticklabels()] == ["rotate", "wall hue"]
    assert "−0.04" in [text.get_text() for text in bars[0].texts]
    assert figure_png(figure)[:4] == b"\x89PNG"


def test_where_nothing_is_known_there_are_no_bars() -> None:
    figure = explanation_figure(explanation(1, {}))
    assert len(figure.axes) == 1
    inside = [text.get_window_extent() for text in figure.texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in inside)

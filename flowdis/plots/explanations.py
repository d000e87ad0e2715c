"""What each flow that was found does: it alone, how often it is used, how fast it runs, what it answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from flowdis.metrics.explanations import Explanation, FlowExplanation
from flowdis.plots.canvas import INK, MUTED, PALETTE, amount_text, new_figure, text_width, to_pixels
from flowdis.plots.sheets import grid

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["explanation_figure"]

_CELL, _WORDS, _BARS, _GAP, _TOP = 0.62, 1.6, 1.7, 0.3, 0.4


def explanation_figure(explanation: Explanation) -> matplotlib.figure.Figure:
    """A row for each flow: in words its use, its film from the first image on, and what it answers to.

    Arguments:
        explanation: What `explain` found.

    Returns:
        The figure; close it with nothing, as it has no global state.
    """
    flows = explanation.flows
    frames = len(flows[0].film)
    bars = max((len(found.responses) for found in flows), default=0)
    names = [name.replace("_", " ") for found in flows[:1] for name in found.responses]
    label = max((text_width(name, 8) for name in names), default=0.0) + 0.1
    side = (_GAP + label + _BARS) if bars else 0.0
    row = max(_CELL, 0.2 * bars, 0.55) + _GAP
    width, height = _WORDS + frames * _CELL + side + 0.2, _TOP + row * len(flows) + 0.25
    figure = new_figure(width, height)
    for index, found in enumerate(flows):
        top = height - _TOP - index * row
        _write(figure, found, (0.1 / width, (top - 0.02) / height))
        film = figure.add_axes((_WORDS / width, (top - _CELL) / height, frames * _CELL / width, _CELL / height))
        picture = grid(found.film[:, 0][None])
        film.imshow(to_pixels(picture), interpolation="nearest", aspect="auto")
        film.set_axis_off()
        for frame in (0, frames - 1):
            text = amount_text(float(found.flow.unit.to_value(found.amounts[frame])), found.flow.unit)
            place = (_WORDS + (frame + 0.5) * _CELL) / width
            figure.text(place, (top - _CELL - 0.03) / height, text, size=7, color=MUTED, ha="center", va="top")
        if bars:
            left = _WORDS + frames * _CELL + _GAP + label
            tall = 0.2 * bars
            box = (left / width, (top - _CELL / 2 - tall / 2) / height, _BARS / width, tall / height)
            _draw_responses(figure.add_axes(box), found)
    if bars:
        left = _WORDS + frames * _CELL + _GAP + label
        heading = "correlation with known amounts"
        figure.text((left + _BARS / 2) / width, 1 - 0.12 / height, heading, size=8, color=INK, ha="center", va="top")
    figure.text(_WORDS / width, 1 - 0.12 / height, "the flow alone", size=8, color=INK, va="top")
    return figure


def _write(figure: matplotlib.figure.Figure, found: FlowExplanation, place: tuple[float, float]) -> None:
    height = figure.get_size_inches()[1]
    lines = [f"on in {found.usage:.0%} of steps" if found.used else "never used"]
    if found.used:
        lines.append(f"speed {found.speed:.2g} ± {found.spread:.2g}".replace("-", "−"))
    figure.text(*place, found.flow.name.replace("_", " "), size=10, color=INK, weight="bold", va="top")
    figure.text(place[0], place[1] - 0.2 / height, "\n".join(lines), size=7.5, color=MUTED, va="top", linespacing=1.5)


def _draw_responses(axes: matplotlib.axes.Axes, found: FlowExplanation) -> None:
    names, values = list(found.responses), list(found.responses.values())
    strongest = int(torch.tensor(values).abs().argmax())
    colours = [PALETTE[0] if index == strongest else MUTED for index in range(len(values))]
    axes.barh(range(len(values)), values, height=0.62, color=colours)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set(xlim=(-1.25, 1.25), ylim=(len(values) - 0.5, -0.5), xticks=[])
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], size=8, color=INK)
    axes.tick_params(length=0)
    for edge in axes.spines.values():
        edge.set_visible(False)
    for index, value in enumerate(values):
        align, shift = ("left", 0.05) if value >= 0 else ("right", -0.05)
        text = f"{value:.2f}".replace("-", "−")
        axes.text(value + shift, index, text, size=7.5, color=INK, ha=align, va="center")

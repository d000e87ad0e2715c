"""Several runs on one page: settings that differ, metrics side by side, curves of the loss over each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np

from flowdis._files import write_whole
from flowdis.plots.canvas import INK, PALETTE, figure_png, new_figure, quiet_axes
from flowdis.plots.curves import plain_decades, smoothed
from flowdis.plots.pages import page, picture, table
from flowdis.plots.tables import format_number

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["loss_curves", "write_comparison"]

Rows = Mapping[str, Mapping[str, Any]]
Histories = Mapping[str, Sequence[Mapping[str, float]]]

_WIDTH, _PANEL, _SIZE = 9.0, 3.0, 8.5
_CURVES = {"loss": "training loss\n(nats per sequence)", "held_out.loss": "held-out loss\n(nats per sequence)"}
_FOOTER = "Made with flowdis. This page holds all its pictures and asks for nothing from anywhere else."


def write_comparison(
    folder: str | FilePath, *, settings: Rows, metrics: Rows, histories: Histories, title: str = "Runs side by side"
) -> FilePath:
    """Writes `index.html`.

    Arguments:
        folder: Where to write; made if it does not exist.
        settings: Settings that differ, by name, with a value for each run.
        metrics: Metrics, by name, with a value for each run.
        histories: The logged steps of each run.
        title: The heading.

    Returns:
        The file, written whole or not at all.

    Raises:
        OSError: if the folder cannot be written.
    """
    sections = []
    if settings:
        sections.append(("Settings that differ", _table("What each run was begun with", settings)))
    if any(histories.values()):
        figure = loss_curves(histories)
        light, dark = (figure_png(figure, ground=False, dark=dark) for dark in (False, True))
        told = "The loss over training, smoothed over the raw values, and that of held-out sequences"
        sections.append(("Losses", picture(told, light, dark=dark, alternative=f"Figure: {told}")))
    if metrics:
        sections.append(("Metrics", _table("What each run came to; dashes have not been measured", metrics)))
    summary = f"{len(histories)} runs: {', '.join(histories)}."
    return write_whole(FilePath(folder) / "index.html", page(title, summary, sections, _FOOTER).encode())


def _table(caption: str, rows: Rows) -> str:
    names = list(next(iter(rows.values())))
    body = [(label, [f"<td>{escape(_text(row[name]))}</td>" for name in names]) for label, row in rows.items()]
    return table(caption, ["", *names], body)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items()) or "none"
    return format_number(value)


def loss_curves(histories: Histories) -> matplotlib.figure.Figure:
    """The losses of several runs over each other, one colour a run; below them those of held-out sequences, if any.

    Arguments:
        histories: The logged steps of each run, each with "step".

    Returns:
        The figure.

    Raises:
        ValueError: if no run has logged a step.
    """
    if not any(histories.values()):
        raise ValueError("`histories` must hold at least one logged step, got none")
    shown = [name for name in _CURVES if any(name in entry for history in histories.values() for entry in history)]
    top, bottom = 0.25 + 0.22 * math.ceil(len(histories) / 3), 0.5
    height = top + _PANEL * len(shown) + bottom
    figure = new_figure(_WIDTH, height)
    spec = figure.add_gridspec(
        len(shown), 1, hspace=0.12,
        left=0.95 / _WIDTH, right=1 - 0.15 / _WIDTH, top=1 - top / height, bottom=bottom / height,
    )  # fmt: skip
    panels = [figure.add_subplot(spec[row]) for row in range(len(shown))]
    for axes, name in zip(panels, shown, strict=True):
        axes.sharex(panels[-1])
        _draw(axes, name, histories)
        axes.tick_params(labelbottom=axes is panels[-1])
    panels[-1].set_xlabel("step", fontsize=_SIZE, color=INK)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper left", ncols=3, frameon=False, fontsize=_SIZE, labelcolor=INK, borderaxespad=0.2
    )
    return figure


def _draw(axes: matplotlib.axes.Axes, name: str, histories: Histories) -> None:
    quiet_axes(axes)
    ends: list[float] = []
    for index, (run, history) in enumerate(histories.items()):
        known = [entry for entry in history if name in entry]
        steps = np.array([float(entry["step"]) for entry in known])
        values = np.array([float(entry[name]) for entry in known])
        colour = PALETTE[index % len(PALETTE)]
        if name == "loss":
            axes.plot(steps, values, color=colour, alpha=0.22, linewidth=0.8)
            values = smoothed(values)
        marker = "o" if name != "loss" or len(values) == 1 else ""
        axes.plot(steps, values, color=colour, linewidth=1.6, marker=marker, markersize=3, label=run)
        ends += [*values[np.isfinite(values)]]
    if ends and min(ends) > 0 and max(ends) > 3 * min(ends):
        axes.set_yscale("log")
        plain_decades(axes)
    axes.set_ylabel(_CURVES[name], fontsize=_SIZE, color=INK)

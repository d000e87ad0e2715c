"""Bars of all models for all metrics: a panel for each metric, intervals and single seeds on the bars."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowdis.metrics.cells import blocks, cell_texts, heading, legend, metadata_lines, row_label
from flowdis.metrics.columns import Metric
from flowdis.metrics.table import ModelTable, Row
from flowdis.plots.canvas import INK, MUTED, PALETTE, new_figure, quiet_axes, text_width

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["model_bars"]

_SIZE, _SMALL = 8.5, 7.0
# In inches: a panel and the gap beside it, what a bar takes, ticks, a group's heading, a line of a title, one below.
_PANEL, _GAP, _PITCH, _TICKS, _GROUP, _TITLE, _LINE = 2.0, 0.24, 0.215, 0.26, 0.34, 0.15, 0.155
_MARGIN = 0.12


@dataclass(frozen=True)
class _Line:
    """Panels beside each other: their titles by metric, below the heading of a group where they open one."""

    titles: dict[str, str]
    group: str | None

    @property
    def head(self) -> float:
        """What stands above the panels, in inches."""
        return 0.1 + _TITLE * (1 + max(title.count("\n") for title in self.titles.values()))


def model_bars(table: ModelTable, *, across: int = 4) -> matplotlib.figure.Figure:
    """All models against all metrics: one panel for each metric, one bar for each model.

    Bars are means and begin at 0. Lines at their ends are the intervals over seeds, rings the seeds. The number of a
    bar is its mean, in bold the best of a panel. Controls are grey and hatched; what was not measured has no bar and
    a dash. A model has the same place and colour in every panel.

    Arguments:
        table: The table.
        across: The most panels beside each other.

    Returns:
        The figure, with one axes per metric, in the order of the table's columns.

    Raises:
        ValueError: if `across` is not positive.
    """
    if across < 1:
        raise ValueError(f"`across` must be >= 1, got {across}")
    lines, labels = _lines(table, across), [_literal(row_label(row)) for row in table.rows]
    left = text_width("\n".join(labels), _SIZE) + 0.25
    width = left + max(len(line.titles) for line in lines) * (_PANEL + _GAP) + 0.05
    told = _wrapped([legend(table, "bold", drawn=True), *metadata_lines(table)], width - 2 * _MARGIN)
    panel = _PITCH * len(labels) + 0.08
    above = [line.head + panel + (_GROUP if line.group else 0.0) for line in lines]
    height = sum(above) + len(lines) * _TICKS + _LINE * len(told) + 0.25
    figure = new_figure(width, height)
    top = height
    for line, drop in zip(lines, above, strict=True):
        if line.group:
            at = (top - _GROUP) / height
            figure.text(_MARGIN / width, at, _literal(line.group), fontsize=10.5, color=INK, weight="bold", va="bottom")
        top -= drop
        for place, (name, title) in enumerate(line.titles.items()):
            box = ((left + place * (_PANEL + _GAP)) / width, top / height, _PANEL / width, panel / height)
            _draw_panel(figure.add_axes(box), table, name, title, labels if place == 0 else None)
        top -= _TICKS
    for index, text in enumerate(told):
        figure.text(_MARGIN / width, (top - 0.2 - index * _LINE) / height, _literal(text), fontsize=_SMALL, color=INK)
    return figure


def _lines(table: ModelTable, across: int) -> list[_Line]:
    lines: list[_Line] = []
    groups: set[str] = set()
    for group, columns in blocks(table, across):
        titles = {name: _title(metric) for name, metric in columns.items()}
        lines.append(_Line(titles, None if group in groups else group))
        groups.add(group)
    return lines


def _title(metric: Metric) -> str:
    """A column's heading in at most two lines of a panel's width, its arrow never alone."""
    text = heading(metric)
    letters = max(int(len(text) * _PANEL / max(text_width(text, _SIZE), 0.1)) - 1, 10)
    arrow_kept = re.sub(" ([↑↓])$", "\N{NO-BREAK SPACE}\\1", text)
    return _literal("\n".join(textwrap.wrap(arrow_kept, letters, max_lines=2, placeholder=" …")))


def _literal(text: str) -> str:
    """Text whose dollars begin no formula."""
    return text.replace("$", r"\$")


def _wrapped(lines: Sequence[str], width: float) -> list[str]:
    """Lines cut where they are wider than so many inches, by the mean width of their first letters."""
    parts = []
    for line in lines:
        sample = line[:100]
        letters = int(0.93 * width * len(sample) / max(text_width(sample, _SMALL), 0.1))
        parts += textwrap.wrap(line, max(letters, 20), subsequent_indent="    ")
    return parts


def _draw_panel(
    axes: matplotlib.axes.Axes, table: ModelTable, name: str, title: str, labels: Sequence[str] | None
) -> None:
    from matplotlib.ticker import MaxNLocator

    quiet_axes(axes)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="x", labelsize=_SMALL)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(range(len(table.rows)), labels or [""] * len(table.rows), fontsize=_SIZE)
    axes.set_ylim(len(table.rows) - 0.5, -0.5)
    _set_span(axes, table, name)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.axvline(0.0, color=MUTED, linewidth=0.8, zorder=1)
    axes.set_title(title, fontsize=_SIZE, color=INK, loc="left", linespacing=1.05, pad=3)
    best = table.best(name)
    for index, row in enumerate(table.rows):
        _draw_bar(axes, index, row, name, best=row.model in best)


def _set_span(axes: matplotlib.axes.Axes, table: ModelTable, name: str) -> None:
    """From 0, or the lowest end of an interval below it, to the highest, with room for the numbers."""
    scores = [row.scores[name] for row in table.rows if name in row.scores]
    ends = [0.0]
    for score in scores:
        ends += [score.mean, *score.values, *(score.interval or ())]
    low, high = min(ends), max(ends)
    if low == high:
        high = 1.0
    numbers = text_width(max((cell_texts(row, name)[0] for row in table.rows), key=len), _SMALL) + 0.16
    axes.set_xlim(low, low + (high - low) / (1 - numbers / _PANEL))


def _draw_bar(axes: matplotlib.axes.Axes, index: int, row: Row, name: str, *, best: bool) -> None:
    if name not in row.scores:
        _write(axes, 0.0, index, "–", color=MUTED)
        return
    score = row.scores[name]
    if row.control:
        axes.barh(index, score.mean, height=0.72, color=MUTED, hatch="////", edgecolor="white", linewidth=0)
    else:
        axes.barh(index, score.mean, height=0.72, color=PALETTE[index % len(PALETTE)])
    if score.interval is not None:
        axes.plot(
            score.interval, (index, index), color=INK, linewidth=1.0, marker="|", markersize=5, markeredgewidth=1.0,
            markeredgecolor=INK, markerfacecolor=INK,
        )  # fmt: skip
        axes.plot(
            score.values, [index] * len(score.values), linestyle="", color=INK, marker="o", markersize=3.2,
            markeredgewidth=0.7, markeredgecolor=INK, markerfacecolor="white", zorder=4,
        )  # fmt: skip
    end = max(0.0, *score.values, *(score.interval or ()))
    _write(axes, end, index, cell_texts(row, name)[0], color=INK, weight="bold" if best else "normal")


def _write(axes: matplotlib.axes.Axes, x: float, y: int, text: str, *, color: str, weight: str = "normal") -> None:
    """Writes a text right of a point."""
    axes.annotate(
        text,
        (x, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=_SMALL,
        color=color,
        weight=weight,
    )

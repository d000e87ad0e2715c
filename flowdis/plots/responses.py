"""The response matrix as a picture: which factors each flow moves, and how well probes can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from flowdis.metrics.response_scores import ResponseMatrix
from flowdis.plots.canvas import INK, MUTED, PALETTE, new_figure, text_width

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["response_figure"]

_SIZE, _SMALL = 9.0, 7.5
# In inches: a cell, a row below the matrix and the gap above it, the gaps around names, a line of text, the margin.
_WIDTH, _HEIGHT, _BELOW, _GAP, _PAD, _LINE, _MARGIN = 0.78, 0.42, 0.24, 0.12, 0.1, 0.15, 0.14
# Told apart from greys, which change places on dark grounds, as it is written on colour.
_ON_COLOUR = "#ffffe6"


def response_figure(response: ResponseMatrix) -> matplotlib.figure.Figure:
    """A response matrix: a row per flow, a column per factor, the number in each cell.

    Colour is the distance moved, in full where it is at least one amount of the factor; columns that probes cannot read
    have none. Bold is the largest of a row; the cell of a flow and the factor of its name is framed. Below stand what
    probes read of true motions, of reconstructions that nothing has moved, and how well they read.

    Arguments:
        response: The matrix; its factors are shown in the order of its flows, those without one after them.

    Returns:
        The figure, with one axes.
    """
    order = [*(n for n in response.names if n in response.factors)]
    order += [name for name in response.factors if name not in order]
    columns = [response.factors.index(name) for name in order]
    below = _below(response, order)
    heads, names = [name.replace("_", "\n") for name in order], [name.replace("_", " ") for name in response.names]
    left = max(text_width("\n".join([*names, *below]), _SIZE), 0.4) + _MARGIN + _PAD
    right = max(len(order) * _WIDTH, max(text_width(line, _SMALL) for line in _summary(response)) - left + 2 * _PAD)
    top = _LINE * (1 + max(head.count("\n") for head in heads)) + _PAD
    title = _LINE * (len(_summary(response)) + 1) + 2 * _PAD
    body = _HEIGHT * len(names) + _GAP + _BELOW * len(below)
    width, height = left + right + _MARGIN, title + top + body + _MARGIN
    figure = new_figure(width, height)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(-left, width - left), ylim=(body + _MARGIN, -top - title))
    axes.set_axis_off()
    for column, head in enumerate(heads):
        _write(axes, (column + 0.5) * _WIDTH, -_PAD / 2, head, va="bottom")
    framed = [(row, order.index(name)) for row, name in enumerate(response.names) if name in order]
    read = [name not in response.unread for name in order]
    _cells(axes, response.matrix[:, columns], names, framed, read)
    for row, (name, values) in enumerate(below.items()):
        _row(axes, _HEIGHT * len(names) + _GAP + _BELOW * (row + 0.5), name, values)
    _write(axes, _MARGIN - left, -top - title + _PAD, "responses of factors to flows", size=11.0, ha="left", va="top")
    for row, line in enumerate(_summary(response)):
        at = -top - title + _PAD + _LINE * (row + 1.45)
        _write(axes, _MARGIN - left, at, line, size=_SMALL, ha="left", va="top")
    return figure


def _summary(response: ResponseMatrix) -> list[str]:
    """What stands above: what the numbers are, and the scores beside their controls."""
    controls = {"true motions": response.ceiling_score} if response.moved else {}
    controls |= {name.replace("_", " "): value for name, value in response.controls.items()}
    beside = ", ".join(f"{name} {_number(value)}" for name, value in controls.items())
    scores = f"disentanglement {_number(response.score)} ({beside})"
    more = f"completeness {_number(response.completeness)}"
    if response.on_own is not None:
        own = sum(name in response.factors and name not in response.unread for name in response.names)
        more += f", own factor moved furthest by {round(response.on_own * own)} of {own} flows"
    unread = [name.replace("_", " ") for name in response.unread]
    lines = ["amounts moved in the mean, as each flow runs one amount", scores, more]
    return lines + ([f"not read by the probes, so left out of scores: {', '.join(unread)}"] if unread else [])


def _below(response: ResponseMatrix, order: Sequence[str]) -> dict[str, list[float | None]]:
    """The rows below the matrix, by name: None where there is no number."""

    def row(values: Mapping[str, float]) -> list[float | None]:
        return [values.get(name) for name in order]

    floor = dict(zip(response.factors, response.floor.tolist(), strict=True))
    return {
        "true motion": row(response.ceiling),
        "reconstruction": row(floor),
        "probes' accuracy": row(response.accuracy),
    }


def _cells(
    axes: matplotlib.axes.Axes,
    matrix: Tensor,
    names: Sequence[str],
    framed: Sequence[tuple[int, int]],
    read: Sequence[bool],
) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    for row, values in enumerate(matrix.tolist()):
        largest = max((value for value, known in zip(values, read, strict=True) if known), default=math.inf)
        for column, value in enumerate(values):
            corner = (column * _WIDTH, row * _HEIGHT)
            strength = min(max(value, 0.0), 1.0) if read[column] else 0.0
            fill = (*to_rgb(PALETTE[0]), strength)
            axes.add_patch(Rectangle(corner, _WIDTH, _HEIGHT, facecolor=fill, edgecolor="none"))
            colour = MUTED if not read[column] else _ON_COLOUR if strength > 0.55 else INK
            weight = "bold" if read[column] and value == largest > 0 else "normal"
            middle = (corner[0] + _WIDTH / 2, corner[1] + _HEIGHT / 2)
            _write(axes, *middle, _number(value), color=colour, weight=weight)
    for row, name in enumerate(names):
        _write(axes, -_PAD, (row + 0.5) * _HEIGHT, name, ha="right")
    for row, column in framed:
        corner = (column * _WIDTH + 0.015, row * _HEIGHT + 0.015)
        size = (_WIDTH - 0.03, _HEIGHT - 0.03)
        axes.add_patch(Rectangle(corner, *size, facecolor="none", edgecolor=INK, linewidth=1.4))
    whole = (matrix.shape[1] * _WIDTH, matrix.shape[0] * _HEIGHT)
    axes.add_patch(Rectangle((0, 0), *whole, facecolor="none", edgecolor=MUTED, linewidth=0.8, zorder=0))


def _row(axes: matplotlib.axes.Axes, middle: float, name: str, values: Sequence[float | None]) -> None:
    _write(axes, -_PAD, middle, name, ha="right", color=MUTED)
    for column, value in enumerate(values):
        text = "–" if value is None else _number(value)
        _write(axes, (column + 0.5) * _WIDTH, middle, text, color=MUTED)


def _number(value: float) -> str:
    text = f"{value:.2f}" if math.isfinite(value) else "–"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _write(
    axes: matplotlib.axes.Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float = _SIZE,
    color: str = INK,
    weight: str = "normal",
    ha: str = "center",
    va: str = "center",
) -> None:
    literal = text.replace("$", r"\$")
    axes.text(x, y, literal, fontsize=size, color=color, weight=weight, ha=ha, va=va)

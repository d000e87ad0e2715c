"""What pictures of waves share: phases in colours, the marks of pinwheels, and axes measured in inches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex
from torch import Tensor

from flowdis.plots.canvas import INK, MUTED, cycle_map
from flowdis.waves.pinwheels import Pinwheels

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["DARK", "LIGHT", "bare_axes", "cycle_bar", "mark_pinwheels", "phase_picture", "phase_shades", "sign_key"]

# Not greys, which change places on dark grounds, as marks stand on colours that do not.
LIGHT, DARK = "#ffffe6", "#14142e"

_FAINTEST = 0.12


def phase_shades(field: Complex[Tensor, "*any"], *, turns: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The phase of each value as a place on the colour map, from 0 to 1, and how strong it is, from 0 to 1.

    Strength is the amplitude over its root mean square, in full from there on, and never so faint that nothing is seen.

    Arguments:
        field: The values.
        turns: How many turns of the phase the colours go round in.
    """
    values = field.detach().cpu().numpy()
    places = np.angle(values) / (2 * math.pi * turns) % 1.0
    strength = np.abs(values)
    typical = math.sqrt(float(np.mean(strength**2))) or 1.0
    return places, _FAINTEST + (1 - _FAINTEST) * np.minimum(strength / typical, 1.0)


def phase_picture(field: Complex[Tensor, "H W"]) -> np.ndarray:
    """A map as colours (H, W, 4): the phase in a cycle of hues, weak sites transparent."""
    places, strength = phase_shades(field)
    colours: np.ndarray = cycle_map()(places)
    colours[..., 3] = strength
    return colours


def bare_axes(figure: matplotlib.figure.Figure, box: tuple[float, float, float, float]) -> matplotlib.axes.Axes:
    """Axes without frame or ticks, their left, top, width and height in inches from the figure's upper left corner."""
    width, height = figure.get_size_inches()
    left, top, across, down = box
    axes = figure.add_axes((left / width, 1 - (top + down) / height, across / width, down / height))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def cycle_bar(axes: matplotlib.axes.Axes, labels: Sequence[str], title: str) -> None:
    """Draws once round the colour cycle upwards, with labels evenly spaced from the bottom to the top."""
    axes.imshow(cycle_map()(np.linspace(1, 0, 256))[:, None], aspect="auto", extent=(0, 1, 0, 1))
    axes.yaxis.tick_right()
    axes.set_yticks(np.linspace(0, 1, len(labels)), list(labels), fontsize=7.5, color=INK)
    axes.tick_params(length=2, pad=2, color=MUTED)
    axes.set_title(title, fontsize=8, color=INK, pad=6, loc="left")


def mark_pinwheels(axes: matplotlib.axes.Axes, found: Pinwheels, *, size: float) -> None:
    """Marks the clear pinwheels of one map: light for positive charges, dark for negative ones.

    Arguments:
        axes: Where the map is drawn, a site a unit, its first at 0.
        found: The pinwheels.
        size: The diameter of a mark in points.
    """
    height, width = found.charges.shape[-2:]
    for sign, (face, edge) in ((1, (LIGHT, DARK)), (-1, (DARK, LIGHT))):
        places = found.positions(sign)
        if not len(places):
            continue
        axes.plot(
            places[:, 1].tolist(), places[:, 0].tolist(), "o", markersize=size, markerfacecolor=face,
            markeredgecolor=edge, markeredgewidth=max(0.5, size / 7), linestyle="none", clip_on=False, zorder=4,
        )  # fmt: skip
    ends = 0.5 if found.periodic else 1.5
    axes.set_xlim(-0.5, width - 1 + ends)
    axes.set_ylim(height - 1 + ends, -0.5)


def sign_key(axes: matplotlib.axes.Axes, place: tuple[float, float], counts: tuple[int, int] | None = None) -> None:
    """Says what light and dark marks mean, and how many there are, in a line from a place in axes fractions."""
    from matplotlib.lines import Line2D

    words = ("positive", "negative") if counts is None else (f"{counts[0]} positive", f"{counts[1]} negative")
    marks = [
        Line2D([], [], marker="o", linestyle="none", markersize=6, markerfacecolor=face, markeredgecolor=edge)
        for face, edge in ((LIGHT, DARK), (DARK, LIGHT))
    ]
    axes.legend(
        marks, words, loc="upper left", bbox_to_anchor=place, ncols=2, frameon=False, fontsize=8, labelcolor=INK,
        handletextpad=0.1, columnspacing=1.2, borderaxespad=0.0, borderpad=0.0,
    )  # fmt: skip

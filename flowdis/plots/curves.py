"""Training curves: every term of the bound in nats, and the learning rate below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flowdis.plots.canvas import INK, MUTED, PALETTE, new_figure, quiet_axes, text_width

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["error_curves", "plain_decades", "smoothed", "training_curves"]

_NOT_TERMS = ("step", "seconds", "learning_rate")
_WIDTH, _HEIGHT, _SIZE = 9.0, 4.6, 8.5


def training_curves(history: Sequence[Mapping[str, float]]) -> matplotlib.figure.Figure:
    """The loss and each of its terms over training, smoothed over the raw values, and the learning rate.

    Arguments:
        history: Logged steps, each with "step", and where known "seconds" and "learning_rate"; every other
            entry is drawn as a term in nats per sequence. Terms may be missing from some steps.

    Returns:
        The figure, with axes for the terms and the learning rate, and one for the time where it is known.

    Raises:
        ValueError: if no step was logged, or one has no number.
    """
    if not history or any("step" not in entry for entry in history):
        raise ValueError(f"`history` must hold at least one logged step, each with 'step', got {list(history)[:1]}")
    steps = _column(history, "step")
    # What has a section before its name is no term of the loss, and not in nats.
    logged = dict.fromkeys(name for entry in history for name in entry)
    names = [name for name in logged if name not in _NOT_TERMS and "." not in name]
    names.sort(key=lambda name: name != "loss")
    terms = {name: _column(history, name) for name in names}
    rates = _column(history, "learning_rate")
    texts = [_end_text(name, values) for name, values in terms.items()]
    right = max((text_width(text, _SIZE) for text in texts), default=0.0) + 0.25
    figure = new_figure(_WIDTH, _HEIGHT)
    spec = figure.add_gridspec(
        2, 1, height_ratios=(4, 1), hspace=0.12,
        left=0.8 / _WIDTH, right=1 - right / _WIDTH, top=1 - 0.5 / _HEIGHT, bottom=0.5 / _HEIGHT,
    )  # fmt: skip
    upper = figure.add_subplot(spec[0])
    lower = figure.add_subplot(spec[1], sharex=upper)
    _draw_terms(upper, steps, terms)
    _label_ends(upper, terms, texts)
    _draw_rates(lower, steps, rates)
    if np.isfinite(_column(history, "seconds")).any():
        _time_axis(upper, steps, _column(history, "seconds"))
    return figure


def _column(history: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    return np.array([float(entry.get(name, math.nan)) for entry in history])


def smoothed(values: np.ndarray) -> np.ndarray:
    """A centred mean over about a fortieth of the run, narrower at its ends; gaps stay gaps."""
    half = len(values) // 80
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    index = np.arange(len(values))
    reach = np.minimum(half, np.minimum(index, len(values) - 1 - index))
    first, last = index - reach, index + reach + 1
    count = counts[last] - counts[first]
    means: np.ndarray = np.where(finite, (sums[last] - sums[first]) / np.maximum(count, 1), math.nan)
    return means


def _end_text(name: str, values: np.ndarray) -> str:
    finite = smoothed(values)[np.isfinite(values)]
    end = f"{finite[-1]:,.0f}" if len(finite) and abs(finite[-1]) >= 100 else f"{finite[-1]:.3g}" if len(finite) else ""
    return f"{name.replace('_', ' ')}  {end}".replace("-", "−")


def _colour(index: int, name: str) -> str:
    return INK if name == "loss" else PALETTE[index % len(PALETTE)]


def _draw_terms(axes: matplotlib.axes.Axes, steps: np.ndarray, terms: Mapping[str, np.ndarray]) -> None:
    quiet_axes(axes)
    finite = np.concatenate([values[np.isfinite(values)] for values in terms.values()] or [np.zeros(0)])
    for index, (name, values) in enumerate(terms.items()):
        colour = _colour(index, name)
        marker = "o" if np.isfinite(values).sum() == 1 else ""
        axes.plot(steps, values, color=colour, alpha=0.22, linewidth=0.8)
        axes.plot(
            steps, smoothed(values), color=colour, linewidth=2.4 if name == "loss" else 1.6,
            linestyle="--" if name == "loss" else "-", marker=marker, zorder=3 if name == "loss" else 2,
        )  # fmt: skip
    if len(finite) and finite.min() > 0 and finite.max() > 3 * finite.min():
        axes.set_yscale("log")
        plain_decades(axes)
    elif len(finite) and np.abs(finite).max() > 1000:
        axes.set_yscale("symlog", linthresh=10.0)
    axes.set_ylabel("nats per sequence", fontsize=_SIZE, color=INK)
    axes.tick_params(labelbottom=False)


def plain_decades(axes: matplotlib.axes.Axes) -> None:
    """Marks 1, 2 and 5 of every decade, in plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _label_ends(axes: matplotlib.axes.Axes, terms: Mapping[str, np.ndarray], texts: Sequence[str]) -> None:
    """Writes each term's name and last value right of its curve, apart where curves end close together."""
    ends = {}
    for index, (name, values) in enumerate(terms.items()):
        finite = smoothed(values)[np.isfinite(values)]
        if len(finite):
            ends[index] = (name, axes.transData.transform((0.0, finite[-1]))[1])
    box = axes.get_window_extent()
    places = {key: (place - box.y0) / box.height for key, (_, place) in ends.items()}
    gap = 1.55 * _SIZE / 72 / (box.height / axes.figure.dpi)
    for index, height in _apart(places, gap).items():
        name = ends[index][0]
        axes.annotate(
            texts[index], (1.0, height), xycoords="axes fraction", xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=_SIZE, color=_colour(index, name), annotation_clip=False,
        )  # fmt: skip


def _apart(places: Mapping[int, float], gap: float) -> dict[int, float]:
    """Heights in [0, 1] near the given ones, at least `gap` apart: pushed up from below, then down again."""
    order = sorted(places, key=lambda key: places[key])
    heights: dict[int, float] = {}
    floor = -math.inf
    for key in order:
        heights[key] = floor = max(places[key], floor + gap)
    ceiling = 1.0 + gap
    for key in reversed(order):
        heights[key] = ceiling = min(heights[key], ceiling - gap)
    return heights


def _draw_rates(axes: matplotlib.axes.Axes, steps: np.ndarray, rates: np.ndarray) -> None:
    quiet_axes(axes)
    axes.plot(steps, rates, color=PALETTE[0], linewidth=1.4)
    axes.set_ylim(bottom=0.0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    axes.yaxis.get_offset_text().set(fontsize=7, color=INK)
    axes.set_ylabel("learning\nrate", fontsize=_SIZE, color=INK)
    axes.set_xlabel("step", fontsize=_SIZE, color=INK)


def _time_axis(axes: matplotlib.axes.Axes, steps: np.ndarray, seconds: np.ndarray) -> None:
    """Writes the time above the steps that were taken at round times."""
    known = np.isfinite(seconds)
    steps, seconds = steps[known], seconds[known]
    unit, size = ("minutes", 60.0) if seconds[-1] >= 180 else ("seconds", 1.0)
    total = seconds[-1] / size
    step = next((s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if total / s <= 8), max(total / 8, 1.0))
    marks = np.arange(0, total + 1e-9, step)
    upper = axes.twiny()
    upper.set_xlim(axes.get_xlim())
    upper.set_xticks(np.interp(marks * size, seconds, steps), [f"{mark:g}" for mark in marks])
    upper.tick_params(labelsize=8, color=MUTED, labelcolor=INK, width=0.8)
    for spine in upper.spines.values():
        spine.set_visible(False)
    upper.set_xlabel(f"{unit} of training", fontsize=_SIZE, color=INK)


def error_curves(frames: Mapping[str, Mapping[str, Sequence[float]]]) -> matplotlib.figure.Figure:
    """Errors frame by frame: a panel per transformation, a line per method.

    Arguments:
        frames: By transformation and method ("error" is the model's), the error of each frame t = 1 to T.

    Returns:
        The figure, with one axes per transformation.

    Raises:
        ValueError: if there is no transformation.
    """
    if not frames:
        raise ValueError("`frames` must hold at least one transformation, got none")
    methods = list(dict.fromkeys(name for series in frames.values() for name in series))
    across = min(3, len(frames))
    down = math.ceil(len(frames) / across)
    width, height = 3.1 * across + 0.9, 2.5 * down + 0.55
    figure = new_figure(width, height)
    spec = figure.add_gridspec(
        down, across, wspace=0.22, hspace=0.42,
        left=0.65 / width, right=1 - 0.1 / width, top=1 - 0.62 / height, bottom=0.45 / height,
    )  # fmt: skip
    for index, (name, series) in enumerate(frames.items()):
        axes = figure.add_subplot(spec[index])
        quiet_axes(axes)
        for method, values in series.items():
            axes.plot(range(1, len(values) + 1), values, label=method, **_line(method, methods))
        axes.set_ylim(bottom=0.0)
        axes.set_title(name.replace("_", " "), fontsize=9.5, color=INK, loc="left")
        if index % across == 0:
            axes.set_ylabel("error (pixels)", fontsize=_SIZE, color=INK)
        if index + across >= len(frames):
            axes.set_xlabel("frame t", fontsize=_SIZE, color=INK)
    handles = {
        label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="upper left", ncols=len(handles), frameon=False, fontsize=_SIZE,
        labelcolor=INK, borderaxespad=0.2, columnspacing=1.4, handlelength=1.8,
    )  # fmt: skip
    return figure


def _line(method: str, methods: Sequence[str]) -> dict[str, Any]:
    """How a method's line looks: the model's in full ink, its floor dashed, others in their own colour."""
    if method == "error":
        return {"color": INK, "linewidth": 2.2, "marker": "o", "markersize": 3, "zorder": 4}
    style = {"floor": "--", "black": ":"}.get(method, "-")
    return {"color": PALETTE[methods.index(method) % len(PALETTE)], "linewidth": 1.4, "linestyle": style}

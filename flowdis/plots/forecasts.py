"""Forecasts: films beside the truth, frames in rows, and how errors grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.plots.animations import save_gif
from flowdis.plots.canvas import INK, MUTED, PALETTE, new_figure, quiet_axes, text_width, to_pixels

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["forecast_curves", "forecast_film", "forecast_frames"]

_SIZE, _TILE, _GAP = 8.5, 0.62, 0.05

_Frames = Float[Tensor, "T B C H W"]
_Forecast = Float[Tensor, "after B C H W"]


def forecast_film(
    truth: _Frames, forecasts: Mapping[str, _Forecast], file: str | FilePath, *, seen: int, magnify: int = 3
) -> FilePath:
    """Writes a GIF with a row for each sequence: the truth, then each forecast in the order given.

    Arguments:
        truth: The true frames with those seen first, (F + T, B, C, H, W), in [0, 1].
        forecasts: By name, the frames foretold, (T, B, C, H, W); the frames seen stand before them.
        file: Where to write.
        seen: The number F of frames seen.
        magnify: How many pixels of the file one pixel becomes, across and down.

    Returns:
        The file.

    Raises:
        ValueError: if shapes do not fit each other.
    """
    _check(truth, forecasts, seen)
    columns = [truth] + [torch.cat([truth[:seen], made.to(truth)]) for made in forecasts.values()]
    film = torch.stack(columns, dim=2).flatten(1, 2)
    return save_gif(film, file, seconds=0.1 * len(truth), magnify=magnify, columns=len(columns))


def forecast_frames(
    truth: _Frames, forecasts: Mapping[str, _Forecast], *, seen: int, sequence: int = 0, count: int = 10
) -> matplotlib.figure.Figure:
    """Some frames of one sequence, evenly spread: a row of the truth and one of each forecast.

    Arguments:
        truth: The true frames with those seen first, (F + T, B, C, H, W), in [0, 1].
        forecasts: By name, the frames foretold, (T, B, C, H, W).
        seen: The number F of frames seen.
        sequence: Which sequence to show.
        count: How many frames to show.

    Returns:
        The figure, with one axes per frame.

    Raises:
        ValueError: if shapes do not fit each other, or `count` is not positive.
    """
    _check(truth, forecasts, seen)
    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}")
    steps = torch.linspace(0, len(truth) - seen - 1, min(count, len(truth) - seen)).round().long()
    rows = {"truth": truth[seen:]} | dict(forecasts)
    left = text_width("\n".join(rows), _SIZE) + 0.25
    width, height = left + len(steps) * (_TILE + _GAP) + 0.1, len(rows) * (_TILE + _GAP) + 0.35
    figure = new_figure(width, height)
    for line, (name, made) in enumerate(rows.items()):
        for column, step in enumerate(steps.tolist()):
            x, y = left + column * (_TILE + _GAP), height - 0.3 - line * (_TILE + _GAP) - _TILE
            axes = figure.add_axes((x / width, y / height, _TILE / width, _TILE / height))
            axes.imshow(to_pixels(made[step, sequence]), interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            if line == 0:
                axes.set_title(f"{step + 1}", fontsize=_SIZE, color=INK, pad=3)
            if column == 0:
                axes.text(-0.1, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=_SIZE, color=INK)
    return figure


def forecast_curves(
    errors: Mapping[str, Sequence[float]], *, threshold: float | None = 0.025
) -> matplotlib.figure.Figure:
    """The error of each frame of a forecast, as a share of the frames' mean square; a line for each forecaster.

    Arguments:
        errors: By name, the error of frames 1 to T.
        threshold: The largest error at which a frame counts as right; no line where left out.

    Returns:
        The figure, with one axes.

    Raises:
        ValueError: if there is no forecaster.
    """
    if not errors:
        raise ValueError("`errors` must hold at least one forecaster, got none")
    right = text_width("\n".join(errors), _SIZE) + 0.35
    width, height = 5.3 + right, 3.0
    figure = new_figure(width, height)
    axes = figure.add_axes((0.72 / width, 0.45 / height, 4.5 / width, 2.4 / height))
    quiet_axes(axes)
    for index, (name, values) in enumerate(errors.items()):
        plain = name == "persistence"
        colour, style = (MUTED, "--") if plain else (PALETTE[index % len(PALETTE)], "-")
        axes.plot(range(1, len(values) + 1), values, color=colour, linestyle=style, linewidth=1.6, label=name)
    if threshold is not None:
        axes.axhline(threshold, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlabel("frame after the last one seen", fontsize=_SIZE, color=INK)
    axes.set_ylabel("squared error, share of mean square", fontsize=_SIZE, color=INK)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=_SIZE, labelcolor=INK, handlelength=1.4
    )
    return figure


def _check(truth: Tensor, forecasts: Mapping[str, Tensor], seen: int) -> None:
    if not 0 < seen < len(truth):
        raise ValueError(f"`seen` must leave some of {len(truth)} frames to foretell, got {seen}")
    wanted = (len(truth) - seen, *truth.shape[1:])
    for name, made in forecasts.items():
        if tuple(made.shape) != wanted:
            raise ValueError(f"`forecasts` must have shape {wanted}, got {tuple(made.shape)} for {name}")

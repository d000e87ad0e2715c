"""Strips: a source image, and beside it each frame of an edit under its truth, with the difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_images
from flowdis.paths import Unit
from flowdis.plots.canvas import DPI, INK, MUTED, amount_text, new_figure, text_width, to_pixels
from flowdis.plots.sheets import grid

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.colors
    import matplotlib.figure

__all__ = ["strip"]

_SIZE = 8.0  # points of all labels
_LINE = 24 / DPI  # inches of a line of labels
_EDGE = 12 / DPI  # inches around the figure
_BETWEEN = 18 / DPI  # inches between one image and the next
_SIGNED = ("#a8d8ff", "#2f7fc4", "#000000", "#c8452f", "#ffb8a0")  # from -1 to 1
_LARGEST, _WIDEST = 120, 1560  # pixels of a tile, and of all tiles of a row, at most


@dataclass(frozen=True)
class _Layout:
    """Inches of everything, so that image pixels fall on whole figure pixels wherever images are small."""

    tile: tuple[float, float]  # height, width
    magnified: bool
    gap: float
    labels: float
    values: int
    rows: int
    frames: int
    bar: float
    title: float

    @property
    def interpolation(self) -> str:
        return "nearest" if self.magnified else "antialiased"

    @property
    def left(self) -> float:
        return _EDGE + self.tile[1] + self.labels

    @property
    def width(self) -> float:
        return _whole(self.left + self.across + self.bar + _EDGE)

    @property
    def across(self) -> float:
        return self.frames * self.tile[1] + (self.frames - 1) * self.gap

    @property
    def block(self) -> float:
        return _whole(self.rows * self.tile[0] + (self.rows - 1) * self.gap)

    @property
    def below(self) -> float:
        return _LINE + _EDGE if self.rows > 1 else 0.0


def strip(
    source: Float[Tensor, "*one C H W"],
    truth: Float[Tensor, "T *one C H W"] | None,
    edit: Float[Tensor, "T *one C H W"],
    *,
    values: Mapping[str, Sequence[float] | Tensor] | None = None,
    units: Mapping[str, Unit] | None = None,
    title: str | None = None,
    signed: bool = False,
) -> matplotlib.figure.Figure:
    """A figure of edits: per image its source, and per frame the truth, the edit, and how far apart they are.

    Below each column stands the error, the sum of |edit - truth| over pixels and channels. A pixel's
    difference is that of the channel in which it is largest, as a change of hue may leave the mean over
    channels as it is.

    Arguments:
        source: The images before the edit, with shape (C, H, W) or (N, C, H, W), in [0, 1].
        truth: The truly transformed images, with shape (T, C, H, W) or (T, N, C, H, W); None where unknown.
        edit: The edited images, shaped like `truth`.
        values: What each frame is, per transformation T values in natural units.
        units: The natural units of `values`.
        title: A line above the figure.
        signed: Whether the difference shows its sign (blue below, red above the truth) rather than its size.

    Returns:
        The figure, with two axes per image, and one for the colour bar where there is a truth.

    Raises:
        ValueError: if shapes do not match, images do not lie in [0, 1] or do not have 1, 3 or 4 channels.
    """
    source, truth, edit = _checked(source, truth, edit)
    lines = _value_lines(values or {}, units or {}, edit.shape[0])
    layout = _layout(edit, truth is not None, lines, title)
    count = edit.shape[1]
    head, every = layout.title + layout.values * _LINE + _EDGE, layout.block + layout.below + _BETWEEN
    height = _EDGE + head + count * every - _BETWEEN + _EDGE
    figure = new_figure(layout.width, height)
    for index in range(count):
        top = height - _EDGE - head - index * every
        original = _place(figure, _EDGE, top, layout.tile[1], layout.tile[0])
        original.imshow(to_pixels(source[index]), interpolation=layout.interpolation, aspect="auto")
        block = _place(figure, layout.left, top, layout.across, layout.block)
        frames = None if truth is None else truth[:, index]
        _draw(block, frames, edit[:, index], signed, layout.interpolation)
        if index == 0:
            original.set_title("source", fontsize=_SIZE, color=INK, pad=4)
            _write_values(block, lines, edit.shape[-1])
    if truth is not None:
        _colour_bar(figure, layout, height - _EDGE - head, signed)
    if title:
        figure.text(_EDGE / layout.width, 1 - _EDGE / height, title, fontsize=10, color=INK, va="top")
    return figure


def _checked(source: Tensor, truth: Tensor | None, edit: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
    for name, images in (("source", source), ("truth", truth), ("edit", edit)):
        if images is not None:
            check_images(name, images)
    if source.ndim == 3:
        source, edit = source.unsqueeze(0), edit.unsqueeze(1)
        truth = None if truth is None else truth.unsqueeze(1)
    if source.ndim != 4 or edit.ndim != 5 or edit.shape[1:] != source.shape or 0 in edit.shape:
        shapes = f"{tuple(edit.shape)} for a source of {tuple(source.shape)}"
        raise ValueError(f"`edit` must have shape (T, *source.shape), got {shapes}")
    if truth is not None and truth.shape != edit.shape:
        raise ValueError(f"`truth` must be shaped like `edit`, {tuple(edit.shape)}, got {tuple(truth.shape)}")
    return source, truth, edit


def _value_lines(
    values: Mapping[str, Sequence[float] | Tensor], units: Mapping[str, Unit], frames: int
) -> dict[str, list[str]]:
    lines = {}
    for name, given in values.items():
        numbers = [float(value) for value in given]
        if len(numbers) != frames:
            raise ValueError(f"`values` must have T={frames} numbers for {name!r}, got {len(numbers)}")
        lines[name.replace("_", " ")] = [amount_text(value, units.get(name, Unit())) for value in numbers]
    return lines


def _layout(edit: Tensor, compared: bool, lines: Mapping[str, list[str]], title: str | None) -> _Layout:
    frames, height, width = edit.shape[0], edit.shape[-2], edit.shape[-1]
    room = min(_LARGEST, _WIDEST // frames)
    widest = max((text_width(text, _SIZE) for texts in lines.values() for text in texts), default=0.0)
    size = room / max(height, width)
    # Small images are magnified by a whole number, which leaves room for what stands above them.
    least = (widest + 0.08) * DPI / (width + _gap(width))
    scale = max(int(size), math.ceil(least)) / DPI if size >= 1 else max(size, least) / DPI
    names = ["difference", "truth", *lines] if compared else ["edit", *lines]
    return _Layout(
        tile=(height * scale, width * scale),
        magnified=size >= 1,
        gap=_gap(width) * scale,
        labels=_whole(max(text_width(name, _SIZE) for name in names) + 0.22),
        values=max(1, len(lines)),
        rows=3 if compared else 1,
        frames=frames,
        bar=60 / DPI if compared else 0.0,
        title=39 / DPI if title else 0.0,
    )


def _whole(inches: float) -> float:
    """Rounded up to whole pixels of the figure."""
    return math.ceil(inches * DPI - 1e-6) / DPI


def _gap(width: int) -> int:
    return max(1, round(width / 14))


def _place(
    figure: matplotlib.figure.Figure, left: float, top: float, width: float, height: float
) -> matplotlib.axes.Axes:
    """Bare axes, their left edge and their top at so many inches from the figure's lower left corner."""
    whole_width, whole_height = figure.get_size_inches()
    box = (left / whole_width, (top - height) / whole_height, width / whole_width, height / whole_height)
    axes = figure.add_axes(box)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _draw(axes: matplotlib.axes.Axes, truth: Tensor | None, edit: Tensor, signed: bool, interpolation: str) -> None:
    """Draws the rows of one image as one picture, transparent between the tiles, and writes their names."""
    rows = {"edit": to_pixels(edit)}
    if truth is not None:
        rows = {"truth": to_pixels(truth), **rows, "difference": _difference(truth, edit, signed)}
    height, width = edit.shape[-2:]
    gap = _gap(width)
    tiles = torch.from_numpy(np.stack(list(rows.values()))).movedim(-1, 2)
    sheet = grid(torch.cat([tiles, torch.full_like(tiles[:, :, :1], 255)], dim=2), gap=gap)
    axes.imshow(sheet.movedim(0, -1).numpy(), interpolation=interpolation, aspect="auto")
    middles = [row * (height + gap) + height / 2 - 0.5 for row in range(len(rows))]
    axes.set_yticks(middles, list(rows), fontsize=_SIZE, color=INK)
    axes.tick_params(length=0, pad=5)
    if truth is None:
        return
    bottom = len(rows) * (height + gap) - gap - 0.5
    _write(axes, "error", (-0.5, bottom), (-5, -5), MUTED)
    for frame, error in enumerate((edit - truth).detach().abs().flatten(1).sum(1).tolist()):
        text = f"{error:.3g}" if error < 100 else f"{error:.0f}"
        _write(axes, text, (frame * (width + gap) + width / 2 - 0.5, bottom), (0, -5), MUTED)


def _write(
    axes: matplotlib.axes.Axes,
    text: str,
    place: tuple[float, float],
    offset: tuple[float, float],
    colour: str,
) -> None:
    """Writes outside of axes, at so many points from a place in them: left of it, above it or below."""
    across, up = offset
    axes.annotate(
        text, place, xytext=offset, textcoords="offset points", annotation_clip=False, fontsize=_SIZE,
        color=colour, ha="right" if across < 0 else "center", va="top" if up < 0 else "bottom",
    )  # fmt: skip


def _difference(truth: Tensor, edit: Tensor, signed: bool) -> np.ndarray:
    """The difference (T, H, W, 3) in colours: of the channel in which it is largest."""
    difference = (edit - truth).detach().to(device="cpu", dtype=torch.float32)
    largest = difference.gather(-3, difference.abs().argmax(-3, keepdim=True)).squeeze(-3)
    shown = (largest + 1) / 2 if signed else largest.abs()
    pixels: np.ndarray = _difference_map(signed)(shown.clamp(0, 1).numpy(), bytes=True)[..., :3]
    return pixels


def _difference_map(signed: bool) -> matplotlib.colors.Colormap:
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if not signed:
        return colormaps["inferno"]
    return LinearSegmentedColormap.from_list("flowdis_signed", _SIGNED)


def _write_values(axes: matplotlib.axes.Axes, lines: Mapping[str, list[str]], width: int) -> None:
    step = width + _gap(width)
    for line, (name, texts) in enumerate(reversed(list(lines.items()))):
        above = 4 + line * _LINE * 72
        _write(axes, name, (-0.5, -0.5), (-5, above), MUTED)
        for frame, text in enumerate(texts):
            _write(axes, text, (frame * step + width / 2 - 0.5, -0.5), (0, above), INK)


def _colour_bar(figure: matplotlib.figure.Figure, layout: _Layout, top: float, signed: bool) -> None:
    """A slim bar right of the first image's row of differences."""
    start = top - 2 * (layout.tile[0] + layout.gap)
    left = layout.width - _EDGE - layout.bar + 0.1
    axes = _place(figure, left, start, 0.07, layout.tile[0])
    ramp = _difference_map(signed)(np.linspace(1, 0, 128)[:, None], bytes=True)
    axes.imshow(ramp, aspect="auto", extent=(0, 1, -1 if signed else 0, 1))
    axes.yaxis.tick_right()
    axes.set_yticks([-1, 0, 1] if signed else [0, 1], ["−1", "0", "1"] if signed else ["0", "1"], color=INK)
    axes.tick_params(length=2, pad=2, labelsize=_SIZE - 1, color=MUTED)

"""Waves in space and time: diagrams of a ring or a row, and spectra with the ridge of a dispersion."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Inexact
from torch import Tensor

from flowdis._checks import check_finite
from flowdis.plots.canvas import INK, MUTED, new_figure
from flowdis.plots.wave_parts import DARK, LIGHT, bare_axes, cycle_bar, phase_picture
from flowdis.waves.dispersion import DispersionFit
from flowdis.waves.spectrum import WaveSpectrum, direction_index, pool, signed_direction_index

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import matplotlib.image

__all__ = ["space_time", "wave_spectra"]

_LINE = 0.17  # inches of a line of text
_RIDGE = "#5fd7ff"
_DECADES = 6.0  # of power shown below the strongest
_SIGNED = ("#a8d8ff", "#2f7fc4", "#101014", "#c8452f", "#ffb8a0")


def space_time(
    values: Inexact[Tensor, "T N"],
    *,
    speed: float | None = None,
    title: str | None = None,
) -> matplotlib.figure.Figure:
    """A ring, or a row of a torus, over time: frames to the right, sites upwards; a wave is a slanted stripe.

    Arguments:
        values: Activity, shown by sign and size, or a complex signal, shown by its phase, with shape (T, N).
        speed: A speed in sites per frame, positive to higher sites, drawn from the strongest site of the first frame,
            round and round the ring.
        title: A line above the diagram.

    Returns:
        The figure, with one axes for the diagram and one for the colours.

    Raises:
        ValueError: if a value is not finite, or there is no frame or site.
    """
    check_finite("values", values)
    frames, sites = values.shape
    if not values.numel():
        raise ValueError(f"`values` must have at least one frame and one site, got shape {tuple(values.shape)}")
    tall = 2.3
    wide = min(7.0, max(3.0, tall * frames / sites))
    top, left, below = 0.15 + (0.28 if title else 0.0), 0.55, 0.46 + (_LINE if speed is not None else 0.0)
    figure = new_figure(left + wide + 0.85, top + tall + below)
    axes = bare_axes(figure, (left, top, wide, tall))
    side = bare_axes(figure, (left + wide + 0.15, top + 0.2, 0.1, tall - 0.2))
    if values.is_complex():
        axes.imshow(phase_picture(values.T), aspect="auto", origin="lower", interpolation="nearest")
        cycle_bar(side, ("0", "π/2", "π", "3π/2", "2π"), "phase")
    else:
        _draw_activity(axes, side, values)
    axes.set_xticks(_ticks(frames))
    axes.set_yticks(_ticks(sites))
    axes.tick_params(labelsize=8, color=MUTED, labelcolor=INK, width=0.8, length=3)
    axes.set_xlabel("frame", fontsize=8.5, color=INK)
    axes.set_ylabel("site", fontsize=8.5, color=INK)
    axes.set_xlim(-0.5, frames - 0.5)
    axes.set_ylim(-0.5, sites - 0.5)
    if speed is not None:
        _speed_lines(axes, frames, sites, int(values[0].abs().argmax()), speed)
    if title:
        axes.set_title(title, fontsize=10, color=INK, loc="left", pad=6)
    return figure


def _ticks(count: int) -> list[int]:
    """Whole numbers from 0, four to seven of them."""
    sizes = [size * 10**power for power in range(6) for size in (1, 2, 5)]
    step = next((size for size in sizes if count / size <= 7), count)
    return list(range(0, count, step))


def _draw_activity(axes: matplotlib.axes.Axes, side: matplotlib.axes.Axes, values: Tensor) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("flowdis_activity", _SIGNED)
    shown = values.detach().cpu().double()
    limit = float(shown.abs().max()) or 1.0
    axes.imshow(
        shown.T.numpy(), aspect="auto", origin="lower", interpolation="nearest", cmap=colours, vmin=-limit, vmax=limit
    )
    side.imshow(colours(np.linspace(1, 0, 256))[:, None], aspect="auto", extent=(0, 1, -1, 1))
    side.yaxis.tick_right()
    side.set_yticks([-1, 0, 1], [f"−{limit:.2g}", "0", f"{limit:.2g}"], fontsize=7.5, color=INK)
    side.tick_params(length=2, pad=2, color=MUTED)
    side.set_title("activity", fontsize=8, color=INK, pad=6, loc="left")


def _speed_lines(axes: matplotlib.axes.Axes, frames: int, sites: int, first: int, speed: float) -> None:
    """Dashed lines at the speed, one for each time round, and a word below."""
    time = np.array([0.0, frames - 0.5])
    rounds = math.ceil(abs(speed) * frames / sites) + 1
    for start in first - math.copysign(sites, speed) * np.arange(rounds):
        axes.plot(time, start + speed * time, color=DARK, linewidth=2.2, alpha=0.7, zorder=3)
        axes.plot(time, start + speed * time, color=LIGHT, linewidth=1.0, linestyle=(0, (5, 4)), zorder=4)
    axes.annotate(
        f"dashed: {speed:+.3g} sites a frame".replace("-", "−"), (1, 0), xycoords="axes fraction", xytext=(0, -34),
        textcoords="offset points", ha="right", va="top", fontsize=8, color=MUTED, annotation_clip=False,
    )  # fmt: skip


def wave_spectra(
    spectrum: WaveSpectrum, *, fit: DispersionFit | None = None, title: str | None = None
) -> matplotlib.figure.Figure:
    """The power of each wave number and frequency along each axis, and over it the dispersion of a lattice.

    Power right of the middle goes to higher sites, left of it to lower ones; a standing wave has both alike. Each
    panel is the cut along its axis through the strongest wave vector, which a ring marks, of all batch entries
    together. The line is the fit on that cut; its slope is the group velocity.

    Arguments:
        spectrum: The spectrum.
        fit: A dispersion.
        title: A line above.

    Returns:
        The figure, with one axes per lattice axis, and one for the colours.
    """
    size, top, left, gap = 2.9, 0.34 + (0.26 if title else 0.0), 0.68, 0.6
    panels = spectrum.dimension
    below = 0.46 + 2 * _LINE + 0.04
    figure = new_figure(left + panels * size + (panels - 1) * gap + 0.9, top + size + below)
    names = ("along the ring",) if panels == 1 else ("downwards", "to the right")
    for axis in range(panels):
        axes = bare_axes(figure, (left + axis * (size + gap), top, size, size))
        image = _panel(axes, spectrum, axis, fit)
        axes.set_title(names[axis], fontsize=8.5, color=INK, loc="left", pad=5)
    right = left + panels * size + (panels - 1) * gap
    bar = figure.colorbar(image, cax=bare_axes(figure, (right + 0.12, top, 0.1, size)))
    bar.set_ticks([0, -2, -4, -6], labels=["1", "10⁻²", "10⁻⁴", "10⁻⁶"])
    bar.ax.tick_params(labelsize=7.5, color=MUTED, labelcolor=INK, length=2, pad=2)
    bar.ax.set_title("power", fontsize=8, color=INK, pad=6, loc="left")
    bar.outline.set_visible(False)
    width, height = figure.get_size_inches()
    figure.text(
        left / width, 0.08 / height, _words(spectrum, fit), fontsize=8, color=MUTED, va="bottom", linespacing=1.35
    )
    if title:
        figure.text(left / width, 1 - 0.1 / height, title, fontsize=10, color=INK, va="top")
    return figure


def _panel(
    axes: matplotlib.axes.Axes, spectrum: WaveSpectrum, axis: int, fit: DispersionFit | None
) -> matplotlib.image.AxesImage:
    """Draws one axis of the spectrum, wave numbers in order from -pi to pi."""
    from matplotlib import colormaps

    shape = tuple(len(numbers) for numbers in spectrum.wave_numbers)
    power = pool(spectrum).unflatten(-1, shape)
    main, vector = spectrum.dominant()
    for other in range(len(shape)):
        if other != axis:
            nearest = int((spectrum.wave_numbers[other] - vector[other]).abs().argmin())
            power = power.select(other + 1, nearest)
    shares = torch.fft.fftshift(power, dim=1).cpu().double()
    numbers = torch.fft.fftshift(spectrum.wave_numbers[axis]).cpu().double()
    if len(numbers) % 2 == 0:  # -pi and pi are one wave number, and are drawn at both ends
        shares, numbers = torch.cat([shares, shares[:, :1]], 1), torch.cat([numbers, -numbers[:1]])
    shown = (shares / shares.max().clamp(min=1e-300)).clamp(min=10**-_DECADES).log10()
    half, spacing = float(numbers[1] - numbers[0]) / 2, float(spectrum.frequencies[0])
    ends = float(numbers[0]) - half, float(numbers[-1]) + half
    box = (*ends, spacing / 2, float(spectrum.frequencies[-1]) + spacing / 2)
    image = axes.imshow(
        shown.numpy(), aspect="auto", origin="lower", interpolation="nearest", cmap=colormaps["inferno"],
        vmin=-_DECADES, vmax=0, extent=box,
    )  # fmt: skip
    if fit is not None:
        _ridge(axes, fit, axis, vector)
    axes.plot([vector[axis]], [main], "o", markersize=9, markerfacecolor="none", markeredgecolor=LIGHT, zorder=4)
    axes.set_xlim(*ends)
    axes.set_ylim(0, math.pi)
    marks = (-math.pi, -math.pi / 2, 0, math.pi / 2, math.pi)
    axes.set_xticks([mark for mark in marks if ends[0] <= mark <= ends[1]])
    axes.set_xticklabels([_pi(mark) for mark in axes.get_xticks()])
    axes.set_yticks([0, math.pi / 2, math.pi], ["0", "π/2", "π"])
    axes.tick_params(labelsize=8, color=MUTED, labelcolor=INK, width=0.8, length=3)
    axes.set_facecolor(colormaps["inferno"](0))
    axes.set_xlabel("wave number k (rad per site)", fontsize=8.5, color=INK)
    if axis == 0:
        axes.set_ylabel("frequency ω (rad per frame)", fontsize=8.5, color=INK)
    return image


def _pi(value: float) -> str:
    quarters = round(2 * value / math.pi)
    return {-2: "−π", -1: "−π/2", 0: "0", 1: "π/2", 2: "π"}[quarters]


def _ridge(axes: matplotlib.axes.Axes, fit: DispersionFit, axis: int, vector: tuple[float, ...]) -> None:
    across = torch.linspace(-math.pi, math.pi, 241, dtype=fit.wave_vectors.dtype, device=fit.wave_vectors.device)
    vectors = torch.tensor(vector).to(across).repeat(241, 1)
    vectors[:, axis] = across
    heights = fit.frequency(vectors).cpu()
    axes.plot(across.cpu().tolist(), heights.tolist(), color=_RIDGE, linewidth=1.2, linestyle=(0, (5, 3)), zorder=3)


def _words(spectrum: WaveSpectrum, fit: DispersionFit | None) -> str:
    signed = signed_direction_index(spectrum).reshape(-1, spectrum.dimension).mean(0).tolist()
    index = float(direction_index(spectrum).mean())
    along = "" if len(signed) == 1 else " downwards and to the right"
    parts = [f"direction index {index:.2f}; signed" + along + " " + ", ".join(f"{value:+.2f}" for value in signed)]
    if fit is not None:
        each = "" if len(signed) == 1 else " along each axis"
        parts.append(
            f"dashed: Ω² = {fit.stiffness:.3g} + 4 × {fit.coupling:.3g} sin²(k/2){each}, off by {fit.error:.2%}"
        )
    return "\n".join(parts).replace("-", "−")

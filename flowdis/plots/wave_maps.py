"""Maps of waves: phases frame by frame, velocities of their crests, and preferences with their pinwheels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Complex
from torch import Tensor

from flowdis._checks import check_finite, check_positive
from flowdis.plots.canvas import INK, MUTED, new_figure
from flowdis.plots.wave_parts import DARK, LIGHT, bare_axes, cycle_bar, mark_pinwheels, phase_picture, sign_key
from flowdis.waves.columns import column_spacing
from flowdis.waves.motion import phase_velocity
from flowdis.waves.phase import amplitude_mask
from flowdis.waves.pinwheels import Pinwheels, find_pinwheels

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["phase_maps", "selectivity_map", "velocity_map"]

_EDGE, _GAP, _BAR = 0.12, 0.1, 0.62  # inches around, between maps, and for the colour bar with its labels
_WIDE, _LINE = 10.4, 0.17  # inches of all maps of a row at most, and of a line of text
_PHASES = ("0", "π/2", "π", "3π/2", "2π")


def phase_maps(
    signal: Complex[Tensor, "T H W"],
    *,
    frames: Sequence[int] | None = None,
    pinwheels: bool = True,
    periodic: bool = True,
    least: float = 0.1,
    title: str | None = None,
) -> matplotlib.figure.Figure:
    """Maps of the phase at some frames, in a cycle of colours, weak sites faint, charges marked by their sign.

    A wave goes towards the phases that are yet to come: where colours further round the cycle follow behind it.

    Arguments:
        signal: The analytic or quadrature signal of one lattice, with shape (T, H, W).
        frames: Which frames; eight, evenly spread, where left out.
        pinwheels: Whether charges are marked.
        periodic: Whether the lattice is a torus.
        least: The least amplitude of a plaquette whose charge is marked, as a share of the root mean square.
        title: A line above the maps.

    Returns:
        The figure, with one axes per frame, and one for the colours.

    Raises:
        ValueError: if the signal has another shape or is not finite, or a frame does not exist.
    """
    chosen = _frames(signal, frames)
    height, width = signal.shape[-2:]
    tile = min(1.5, (_WIDE - _GAP * (len(chosen) - 1)) / len(chosen)) * min(1.0, width / height)
    tall = tile * height / width
    top = _EDGE + (0.28 if title else 0.0) + _LINE
    found = find_pinwheels(signal[chosen], periodic=periodic, least=least)
    pinwheels = pinwheels and bool((found.count() > 0).any())
    below = 2 * _LINE if pinwheels else _EDGE
    across = len(chosen) * tile + (len(chosen) - 1) * _GAP
    figure = new_figure(2 * _EDGE + across + 0.15 + _BAR, top + max(tall, 0.9) + below)
    for place, frame in enumerate(chosen):
        axes = bare_axes(figure, (_EDGE + place * (tile + _GAP), top, tile, tall))
        axes.imshow(phase_picture(signal[frame]), interpolation="nearest")
        axes.set_title(f"frame {frame}", fontsize=8, color=INK, pad=3)
        if pinwheels:
            mark_pinwheels(axes, found[place], size=min(5.0, max(3.0, 72 * tile / width)))
        if pinwheels and place == 0:
            sign_key(axes, (0.0, -0.07 / tall))
    cycle_bar(bare_axes(figure, (_EDGE + across + 0.15, top, 0.1, max(tall, 0.9))), _PHASES, "phase")
    if title:
        _heading(figure, title)
    return figure


def _frames(signal: Tensor, frames: Sequence[int] | None) -> list[int]:
    check_finite("signal", signal)
    count = len(signal)
    if frames is None:
        return torch.linspace(0, count - 1, min(8, count)).round().long().tolist()
    chosen = [int(frame) for frame in frames]
    if not chosen or min(chosen) < 0 or max(chosen) >= count:
        raise ValueError(f"`frames` must be numbers from 0 to {count - 1}, got {chosen}")
    return chosen


def _heading(figure: matplotlib.figure.Figure, title: str) -> None:
    width, height = figure.get_size_inches()
    figure.text(_EDGE / width, 1 - _EDGE / height, title, fontsize=10, color=INK, va="top")


def velocity_map(
    signal: Complex[Tensor, "T H W"],
    *,
    frame: int | None = None,
    arrows: int = 12,
    periodic: bool = True,
    least: float = 0.1,
    title: str | None = None,
) -> matplotlib.figure.Figure:
    """The velocity of the crests at one frame, as arrows over the map of the phase.

    Arrows point where the wave goes. Long ones are fast waves (omega / |k|, not k, whose arrows are long where waves
    are slow); as nearly synchronous places are faster than anything, arrows are cut at twice the median speed.

    Arguments:
        signal: The analytic or quadrature signal of one lattice, with shape (T, H, W).
        frame: Which frame; the middle one where left out.
        arrows: How many arrows along the longer axis, at most.
        periodic: Whether the lattice is a torus.
        least: The least amplitude of a site with an arrow, as a share of the root mean square.
        title: A line above the map.

    Returns:
        The figure, with one axes for the map and one for the colours.

    Raises:
        ValueError: if the signal has another shape, fewer than two frames, or is not finite, or the frame does not
            exist.
    """
    check_positive("arrows", arrows)
    (chosen,) = _frames(signal, [len(signal) // 2 if frame is None else frame])
    velocity = phase_velocity(signal.angle(), periodic=periodic)[chosen].cpu()
    strong = amplitude_mask(signal, least=least)[chosen].cpu()
    height, width = signal.shape[-2:]
    tile = 4.2 * min(1.0, width / height)
    tall, top = tile * height / width, _EDGE + (0.3 if title else 0.0)
    figure = new_figure(2 * _EDGE + tile + 0.15 + _BAR, top + tall + 2.6 * _LINE + _EDGE)
    axes = bare_axes(figure, (_EDGE, top, tile, tall))
    axes.imshow(phase_picture(signal[chosen]), interpolation="nearest")
    every = math.ceil(max(height, width) / arrows)
    rows, columns = torch.meshgrid(
        torch.arange(every // 2, height, every), torch.arange(every // 2, width, every), indexing="ij"
    )
    rows, columns = rows[strong[rows, columns]], columns[strong[rows, columns]]
    drawn = velocity[rows, columns].double()
    speed = drawn.norm(dim=-1)
    typical = float(speed[speed > 0].median()) if bool((speed > 0).any()) else 0.0
    drawn = drawn * (2 * typical / speed.clamp(min=1e-300)).clamp(max=1)[:, None]
    # An arrow of typical speed is three quarters as long as arrows are apart.
    scale = typical / (0.75 * every) or 1.0
    drawn_arrows = axes.quiver(
        columns.tolist(), rows.tolist(), drawn[:, 1].tolist(), drawn[:, 0].tolist(), angles="xy", scale_units="xy",
        scale=scale, pivot="middle", color=DARK, edgecolor=LIGHT, linewidth=0.5, width=0.007, headwidth=3.6,
        headlength=4.2, headaxislength=3.8, minlength=0.5, zorder=3, clip_on=False,
    )  # fmt: skip
    drawn_arrows.set_in_layout(False)  # its extent is in sites, not in inches
    words = f"Frame {chosen}: velocities of crests. Long arrows are fast waves:\n"
    words += f"the median is {_figure(typical)} sites a frame, and arrows are cut at twice that."
    axes.annotate(
        words, (0, 0), xycoords="axes fraction", xytext=(0, -6), textcoords="offset points", fontsize=8,
        color=MUTED, va="top", annotation_clip=False, linespacing=1.35,
    )  # fmt: skip
    cycle_bar(bare_axes(figure, (_EDGE + tile + 0.15, top + 0.2, 0.12, tall - 0.2)), _PHASES, "phase")
    if title:
        _heading(figure, title)
    return figure


def _figure(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def selectivity_map(
    harmonic: Complex[Tensor, "H W"],
    *,
    order: int = 2,
    periodic: bool = True,
    least: float = 0.0,
    title: str | None = None,
) -> matplotlib.figure.Figure:
    """A map of preferences in a cycle of colours, sites of weak preference faint, pinwheels marked by their sign.

    Below stand how many pinwheels there are of each sign and in total (of all, clear or not), and their density per
    square of the column wavelength beside that of Gaussian maps.

    Arguments:
        harmonic: The harmonic of each site's tuning curve, with shape (H, W), as `tuning_harmonic` gives it.
        order: Which harmonic it is: 2 for orientation, 1 for direction.
        periodic: Whether the map is a torus.
        least: The least strength of a plaquette whose pinwheel is marked, as a share of the root mean square.
        title: A line above the map.

    Returns:
        The figure, with one axes for the map and one for the colours.

    Raises:
        ValueError: if the map has another shape, is not finite, or a number is out of range.
    """
    found = find_pinwheels(harmonic, order=order, periodic=periodic, least=least)
    height, width = harmonic.shape
    tile = 4.2 * min(1.0, width / height)
    tall, top = tile * height / width, _EDGE + (0.3 if title else 0.0)
    figure = new_figure(2 * _EDGE + tile + 0.15 + _BAR, top + tall + 4 * _LINE + _EDGE)
    axes = bare_axes(figure, (_EDGE, top, tile, tall))
    axes.imshow(phase_picture(harmonic), interpolation="nearest")
    mark_pinwheels(axes, found, size=min(7.0, max(2.0, 72 * tile / width)))
    sign_key(axes, (0.0, -0.08 / tall), (int(found.count(1)), int(found.count(-1))))
    axes.annotate(
        _density_words(found, harmonic), (0, 0), xycoords="axes fraction", xytext=(0, -20),
        textcoords="offset points", fontsize=8, color=MUTED, va="top", annotation_clip=False, linespacing=1.35,
    )  # fmt: skip
    degrees = [f"{360 / order * part / 4:.3g}°" for part in range(5)]
    name = {1: "direction", 2: "orientation"}.get(order, "preference")
    cycle_bar(bare_axes(figure, (_EDGE + tile + 0.15, top + 0.2, 0.12, tall - 0.2)), degrees, name)
    if title:
        _heading(figure, title)
    return figure


def _density_words(found: Pinwheels, harmonic: Tensor) -> str:
    total = int(found.total)
    try:
        spacing = column_spacing(harmonic, periodic=found.periodic)
    except ValueError:
        return f"Total of all charges {total:+d}." if total else "Total of all charges 0."
    length = float(spacing.wavelength)
    expected = float(spacing.gaussian_density) * length**2
    return (
        f"Total of all charges {total if total == 0 else f'{total:+d}'}. Column wavelength {length:.1f} sites.\n"
        f"{float(found.density(length)):.2f} per wavelength squared; Gaussian maps of this spectrum {expected:.2f}."
    ).replace("-", "−")

"""What all pictures share: figures without global state, colours for any ground, numbers in natural units."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_images
from flowdis.data.known import TRANSFORMS, Transformation
from flowdis.paths import Unit

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.colors
    import matplotlib.figure

__all__ = [
    "DPI",
    "INK",
    "MUTED",
    "PALETTE",
    "amount_text",
    "axis_text",
    "cycle_map",
    "figure_png",
    "natural_span",
    "new_figure",
    "quiet_axes",
    "text_width",
    "to_pixels",
]

DPI = 150
INK, MUTED = "#24292f", "#777777"
# Told apart by readers with any colour vision, and about equally clear on white and on near-black.
PALETTE = (
    "#3a86c8",
    "#dd7a22",
    "#2c9c72",
    "#c9568f",
    "#8a70d6",
    "#a3841c",
    "#3aa6a6",
    "#c0524a",
    "#6f7f94",
    "#7aa23a",
)

_SIGNED = {"pixel": " px", "slope": ""}
_PLURALS = {"degree": "degrees", "pixel": "pixels", "amount": "amounts"}


def new_figure(width: float, height: float) -> matplotlib.figure.Figure:
    """An empty figure of so many inches, with a canvas of its own: no window and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def quiet_axes(axes: matplotlib.axes.Axes) -> None:
    """Leaves only the left and lower edge of axes, thin, with small numbers and a faint grid."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=MUTED, linewidth=0.8)
    axes.tick_params(labelsize=8, color=MUTED, labelcolor=INK, width=0.8)
    axes.grid(color="#888888", alpha=0.22, linewidth=0.6)
    axes.set_axisbelow(True)


def text_width(text: str, size: float) -> float:
    """The width in inches of the longest line of a text in the default font at `size` points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(size=size)
    widths = [TextPath((0, 0), line, prop=font).get_extents().width for line in text.split("\n") if line.strip()]
    return max(widths, default=0.0) / 72


def to_pixels(images: Float[Tensor, "*batch C H W"]) -> np.ndarray:
    """Bytes (*, H, W, 3) that show images (*, C, H, W) in [0, 1]: grey, RGB, or RGB with opacity over black.

    Raises:
        ValueError: if the images do not lie in [0, 1] or have other than 1, 3 or 4 channels.
    """
    check_images("images", images)
    channels = images.shape[-3]
    if channels not in (1, 3, 4):
        raise ValueError(f"`images` must have 1, 3 or 4 channels to be shown, got {channels}")
    shown = images.detach().to(device="cpu", dtype=torch.float32)
    if channels == 4:
        shown = shown[..., :3, :, :] * shown[..., 3:, :, :]
    shown = shown.expand(*shown.shape[:-3], 3, *shown.shape[-2:])
    array: np.ndarray = (shown.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).contiguous().numpy()
    return array


def amount_text(value: float, unit: Unit) -> str:
    """A value as a person writes it.

    Example:
        >>> amount_text(-45.0, Unit("degree")), amount_text(1.3, Unit("factor", 2.0, logarithmic=True))
        ('−45°', '×1.30')
    """
    if unit.name == "degree":
        text = f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
        text = ("0" if text == "-0" else text) + "°"
    elif unit.name == "factor":
        text = f"×{value:.2f}"
    elif unit.name in _SIGNED:
        text = ("0" if abs(value) < 5e-4 else f"{value:+.2g}") + _SIGNED[unit.name]
    else:
        text = f"{value:.3g}" + (f" {unit.name}" if unit.name != "amount" else "")
    return text.replace("-", "−")


def axis_text(name: str, unit: Unit) -> str:
    """What to write beside an axis or a colour bar.

    Example:
        >>> axis_text("translate_x", Unit("pixel"))
        'translate x (pixels)'
    """
    return f"{name.replace('_', ' ')} ({_PLURALS.get(unit.name, unit.name)})"


def natural_span(name: str, unit: Unit, known: Mapping[str, Transformation] = TRANSFORMS) -> tuple[float, float, bool]:
    """The lowest and highest value that a transformation is shown at, and whether they are the same pose.

    Once round for what runs in a circle, the range of training for the other known ones, from the middle of their
    range to its ends for factors of a data set, one amount either way for a user's own.
    """
    kind = known.get(name)
    if kind is None or (kind.unit.name, kind.unit.logarithmic) != (unit.name, unit.logarithmic):
        return float(unit.to_value(-1.0)), float(unit.to_value(1.0)), False
    if kind.period is not None:
        return 0.0, kind.period, True
    low, high = kind.range
    if kind.kind == "factor":
        half = math.sqrt(high / low) if unit.logarithmic else (high - low) / 2
        low, high = (1 / half, half) if unit.logarithmic else (-half, half)
    return low, high, False


def cycle_map() -> matplotlib.colors.ListedColormap:
    """A colour map that ends where it starts, of even lightness: no angle fades into the ground."""
    from matplotlib.colors import ListedColormap

    turns = np.linspace(0, 2 * math.pi, 257)[:-1] + 0.5
    return ListedColormap(_from_oklch(0.68, 0.145, turns), name="flowdis_cycle")


def _from_oklch(lightness: float, chroma: float, hue: np.ndarray) -> np.ndarray:
    """Red, green and blue (N, 3) of colours in Ottosson's perceptual space, clipped to what screens show."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_linear @ cones**3, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: np.ndarray = curved.T.clip(0, 1)
    return colours


def figure_png(figure: matplotlib.figure.Figure, *, ground: bool = True, dark: bool = False) -> bytes:
    """A figure as the bytes of a PNG file.

    Arguments:
        figure: The figure; it is left as it was.
        ground: Whether it has its background, or is transparent there.
        dark: Whether greys, black and white of its text and lines change places, to be read on a dark ground.
    """
    stream = io.BytesIO()
    if dark:
        _invert(figure)
    try:
        figure.savefig(stream, format="png", transparent=not ground)
    finally:
        if dark:
            _invert(figure)
    return stream.getvalue()


def _invert(figure: matplotlib.figure.Figure) -> None:
    """Swaps light and dark of all greys among text, lines and backgrounds, not images. Its own inverse."""
    from matplotlib.colors import to_rgba

    for artist in figure.findobj():
        for part in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            read, write = getattr(artist, f"get_{part}", None), getattr(artist, f"set_{part}", None)
            if read is None or write is None:
                continue
            colour = read()
            if colour is None or (isinstance(colour, str) and colour in ("none", "auto")):
                continue
            shape = np.shape(colour)
            if shape and not isinstance(colour, str) and len(shape) > 1:
                if shape[0] != 1:
                    continue
                colour = colour[0]
            red, green, blue, alpha = to_rgba(colour)
            if max(red, green, blue) - min(red, green, blue) < 0.06:
                write((1 - red, 1 - green, 1 - blue, alpha))

"""Latent portraits: what each flow looks like where the codes are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_images, check_positive
from flowdis.data.known import TRANSFORMS, Transformation
from flowdis.dynamics import transport
from flowdis.models import LatentFlow
from flowdis.paths import Flow, Path
from flowdis.plots.canvas import (
    DPI,
    INK,
    MUTED,
    PALETTE,
    amount_text,
    axis_text,
    cycle_map,
    natural_span,
    new_figure,
    quiet_axes,
    to_pixels,
)

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.collections
    import matplotlib.colors
    import matplotlib.figure

__all__ = ["latent_portrait"]

_STEPS = 65  # points of a drawn orbit; 64 pieces fit the steps of the solver, a power of two
_PANEL, _HEIGHT = 4.1, 4.6  # inches
_PICTURE = 21  # points


@dataclass(frozen=True, eq=False)
class _Plane:
    """A plane in latent space: a point, its axes (2, D), and the shares of the motion along them."""

    mean: Tensor
    axes: Tensor
    shares: tuple[float, float]

    def __call__(self, z: Tensor) -> Tensor:
        """The coordinates (*, 2) of points (*, D) in the plane."""
        return (z - self.mean) @ self.axes.T


@torch.no_grad()
def latent_portrait(
    model: LatentFlow,
    images: Float[Tensor, "N C H W"],
    *,
    labels: Int[Tensor, "N"] | None = None,
    orbits: int = 6,
    arrows: int = 48,
    columns: int = 3,
    known: Mapping[str, Transformation] = TRANSFORMS,
) -> matplotlib.figure.Figure:
    """One panel per flow: the codes, the flow's velocity at some of them, and whole orbits of a few.

    Each panel is the plane in which its own orbits move most (their two principal axes, each orbit seen from
    its own centre), so that a turn is seen as one. Curves take their colour from the value at each point, in
    the flow's natural unit; a ring marks the image's own code, and the small pictures are decoded from points
    along the orbit that reaches farthest. The codes of all images lie behind.

    Arguments:
        model: The model.
        images: The images, with shape (N, C, H, W), in [0, 1].
        labels: Their classes, with shape (N), which colour the codes; grey where left out.
        orbits: How many orbits are drawn, of images evenly spread over the batch.
        arrows: At how many codes the velocity is drawn.
        columns: Panels in a row, at most.
        known: The transformations by name, which say how far each is shown.

    Returns:
        The figure, with two axes per flow: its panel and its colour bar.

    Raises:
        ValueError: if the images do not fit the model, or a number is not positive.
    """
    check_images("images", images, model.image_shape)
    for name, number in (("orbits", orbits), ("arrows", arrows), ("columns", columns)):
        check_positive(name, number)
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"`labels` must have shape ({len(images)},), got {tuple(labels.shape)}")
    codes = model.encode(images.to(device=model.device, dtype=model.dtype)).mean
    across = min(columns, len(model.names))
    down = math.ceil(len(model.names) / across)
    figure = new_figure(_PANEL * across, _HEIGHT * down)
    for index, flow in enumerate(model.flows()):
        box = figure.add_gridspec(down, across, wspace=0.3, hspace=0.3, **_margins(across, down))[index]
        span = natural_span(flow.name, flow.unit, known)
        _panel(figure.add_subplot(box), model, flow, span, codes, labels, orbits, arrows)
    return figure


def _margins(across: int, down: int) -> dict[str, float]:
    width, height = _PANEL * across, _HEIGHT * down
    return {"left": 0.68 / width, "right": 1 - 0.2 / width, "top": 1 - 0.4 / height, "bottom": 0.4 / height}


def _spread(count: int, total: int, device: torch.device) -> Tensor:
    """`count` indices evenly spread over `total`, or all of them where there are fewer."""
    return torch.linspace(0, total - 1, min(count, total), device=device).round().long()


def _panel(
    axes: matplotlib.axes.Axes,
    model: LatentFlow,
    flow: Flow,
    span: tuple[float, float, bool],
    codes: Tensor,
    labels: Tensor | None,
    orbits: int,
    arrows: int,
) -> None:
    low, high, closed = span
    chosen = codes[_spread(orbits, len(codes), codes.device)]
    first, last = float(flow.unit.to_amount(low)), float(flow.unit.to_amount(high))
    start = _moved(model, flow.by_amount(first), chosen)[-1]
    times = torch.linspace(0, 1, _STEPS, dtype=torch.float64)
    path = _moved(model, flow.by_amount(last - first), start, frames=times)
    plane = _plane(path)
    curves = plane(path).cpu()
    shown = plane(codes).cpu()
    _scatter(axes, shown, labels)
    _arrows(axes, model, flow, codes[_spread(arrows, len(codes), codes.device)], plane, curves)
    amounts = torch.linspace(first, last, _STEPS, dtype=torch.float64)
    lines = _orbits(axes, curves, amounts, closed)
    axes.scatter(*_xy(plane(chosen)), s=26, facecolors="none", edgecolors=INK, linewidths=1.1, zorder=5)
    _frame(axes, curves, shown)
    _thumbnails(axes, model, path, curves, closed)
    _finish(axes, lines, flow, plane, (first, last))


def _moved(model: LatentFlow, path: Path, z: Tensor, frames: Tensor | None = None) -> Tensor:
    """Codes (T, N, D) along a path, without noise."""
    solver = model.config.solver
    return transport(model.fields, path, z, dynamics=model.noiseless, frames=frames, solver=solver).z


def _plane(path: Tensor) -> _Plane:
    """The plane in which orbits (T, M, D) move most, each seen from its own centre."""
    motion = (path - path.mean(0)).flatten(0, 1).double()
    _, sizes, rows = torch.linalg.svd(motion, full_matrices=False)
    rows = torch.cat([rows, rows.new_zeros(max(0, 2 - len(rows)), rows.shape[-1])])[:2]
    # The signs of principal axes are free: the largest entry is made positive, so that a picture repeats.
    signs = rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()
    variances = torch.nn.functional.pad(sizes.square(), (0, 2))[:2] / sizes.square().sum().clamp(min=1e-30)
    shares = (float(variances[0]), float(variances[1]))
    return _Plane(path.mean((0, 1)), (rows * torch.where(signs == 0, 1, signs)).to(path), shares)


def _xy(points: Tensor) -> tuple[list[float], list[float]]:
    across, up = points.cpu().T.tolist()
    return across, up


def _scatter(axes: matplotlib.axes.Axes, shown: Tensor, labels: Tensor | None) -> None:
    colours = MUTED if labels is None else [PALETTE[int(label) % len(PALETTE)] for label in labels]
    axes.scatter(*_xy(shown), s=7, c=colours, alpha=0.45, linewidths=0, zorder=1)


def _arrows(
    axes: matplotlib.axes.Axes, model: LatentFlow, flow: Flow, z: Tensor, plane: _Plane, curves: Tensor
) -> None:
    """Arrows of the velocity's part in the plane, the longest of them a ninth of the orbits' extent."""
    velocity = (model.fields[flow.name](z, 0.0) @ plane.axes.T).cpu()
    extent = float((curves.amax((0, 1)) - curves.amin((0, 1))).max())
    longest = float(velocity.norm(dim=-1).quantile(0.95))
    scale = 9 * longest / extent if longest > 0 and extent > 0 else 1.0
    across, up = _xy(plane(z))
    axes.quiver(
        across, up, *_xy(velocity), angles="xy", scale_units="xy", scale=scale, color=INK, alpha=0.75,
        width=0.0042, headwidth=4, headlength=4.5, headaxislength=4, zorder=3,
    )  # fmt: skip


def _orbits(
    axes: matplotlib.axes.Axes, curves: Tensor, amounts: Tensor, closed: bool
) -> matplotlib.collections.LineCollection:
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    pieces = torch.stack([curves[:-1], curves[1:]], dim=2).transpose(0, 1).flatten(0, 1).tolist()
    middles = ((amounts[:-1] + amounts[1:]) / 2).repeat(curves.shape[1]).numpy()
    colours = cycle_map() if closed else colormaps["plasma"]
    lines = LineCollection(pieces, cmap=colours, linewidths=2.0, capstyle="round", zorder=4)
    lines.set_array(middles)
    lines.set_clim(float(amounts[0]), float(amounts[-1]))
    axes.add_collection(lines)
    return lines


def _frame(axes: matplotlib.axes.Axes, curves: Tensor, shown: Tensor) -> None:
    """Equal scales, and limits that hold every orbit and nearly all codes, with room for pictures."""
    low = torch.minimum(curves.amin((0, 1)), shown.quantile(0.02, dim=0))
    high = torch.maximum(curves.amax((0, 1)), shown.quantile(0.98, dim=0))
    middle, half = (low + high) / 2, max(0.68 * float((high - low).max()), 1e-3)
    axes.set_xlim(float(middle[0]) - half, float(middle[0]) + half)
    axes.set_ylim(float(middle[1]) - half, float(middle[1]) + half)
    axes.set_aspect("equal")


def _thumbnails(axes: matplotlib.axes.Axes, model: LatentFlow, path: Tensor, curves: Tensor, closed: bool) -> None:
    """Pictures decoded along the orbit that spans the most, set a little outside of it."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    extent = (curves - curves.mean(0)).square().sum((0, 2))
    widest = int(extent.argmax())
    count = 8 if closed else 5
    places = torch.linspace(0, _STEPS - 1, count + 1 if closed else count).round().long()[:count]
    pictures = to_pixels(model.decode(path[places.to(path.device), widest]))
    centre = curves[:, widest].mean(0)
    axes.apply_aspect()
    taken: list[Tensor] = []
    for place, picture in zip(places.tolist(), pictures, strict=True):
        point = curves[place, widest]
        outward = point - centre
        outward = 20 * outward / outward.norm().clamp(min=1e-9)
        seat = torch.tensor(axes.transData.transform(point.tolist())) * 72 / DPI + outward
        if any(float((seat - other).abs().max()) < _PICTURE + 3 for other in taken):
            continue
        taken.append(seat)
        box = AnnotationBbox(
            OffsetImage(picture, zoom=_PICTURE / max(picture.shape[:2]), interpolation="nearest"),
            tuple(point.tolist()), xybox=tuple(outward.tolist()), boxcoords="offset points",
            pad=0.02, bboxprops={"edgecolor": MUTED, "linewidth": 0.6, "facecolor": "none"},
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6}, zorder=6,
        )  # fmt: skip
        axes.add_artist(box)


def _finish(
    axes: matplotlib.axes.Axes,
    lines: matplotlib.collections.LineCollection,
    flow: Flow,
    plane: _Plane,
    ends: tuple[float, float],
) -> None:
    quiet_axes(axes)
    axes.set_title(flow.name.replace("_", " "), fontsize=11, color=INK, loc="left")
    axes.set_xlabel(f"principal axis 1 ({plane.shares[0]:.0%} of motion)", fontsize=8, color=INK)
    axes.set_ylabel(f"principal axis 2 ({plane.shares[1]:.0%})", fontsize=8, color=INK)
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    bar = figure.colorbar(lines, ax=axes, orientation="horizontal", fraction=0.035, pad=0.15, aspect=38)
    ticks = torch.linspace(*ends, 5, dtype=torch.float64)
    bar.set_ticks(ticks.tolist(), labels=[amount_text(float(v), flow.unit) for v in flow.unit.to_value(ticks)])
    bar.ax.tick_params(labelsize=8, color=MUTED, labelcolor=INK, length=2)
    bar.set_label(axis_text(flow.name, flow.unit), fontsize=8, color=INK)
    bar.outline.set_visible(False)

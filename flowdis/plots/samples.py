"""Samples of a model on one sheet: images, what becomes of them encoded and decoded, and an edit by each flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_images
from flowdis.dynamics import FlowError
from flowdis.editing import decode, edit, encode
from flowdis.models import LatentFlow
from flowdis.plots.canvas import INK, amount_text, new_figure, text_width, to_pixels

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["sample_sheet"]

_TILE, _GAP, _EDGE, _SIZE = 0.62, 0.05, 0.12, 8.0  # inches, inches, inches, points


def sample_sheet(model: LatentFlow, images: Float[Tensor, "N C H W"]) -> matplotlib.figure.Figure:
    """A row of images, one of their reconstructions, and one of edits for each flow, by one amount.

    A flow that cannot be integrated yet has no row.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images, in [0, 1].

    Returns:
        The figure.

    Raises:
        ValueError: if there are no images, or they do not fit the model.
    """
    check_images("images", images, model.image_shape)
    if len(images) == 0:
        raise ValueError("`images` must be at least one, got none")
    rows = {"image": images, "reconstruction": decode(model, encode(model, images)).cpu()}
    for flow in model.flows():
        told = f"{flow.name.replace('_', ' ')} {amount_text(float(flow.unit.to_value(1.0)), flow.unit)}"
        try:
            rows[told] = edit(model, images, flow.by_amount(1.0)).cpu()
        except FlowError:
            continue
    left = _EDGE + max(text_width(name, _SIZE) for name in rows) + 0.1
    height_of = _TILE * images.shape[-2] / images.shape[-1]
    width = left + len(images) * (_TILE + _GAP) - _GAP + _EDGE
    height = 2 * _EDGE + len(rows) * (height_of + _GAP) - _GAP
    figure = new_figure(width, height)
    for row, (name, shown) in enumerate(rows.items()):
        bottom = height - _EDGE - row * (height_of + _GAP) - height_of
        middle = (bottom + height_of / 2) / height
        figure.text((left - 0.1) / width, middle, name, fontsize=_SIZE, color=INK, ha="right", va="center")
        for column, pixels in enumerate(to_pixels(shown)):
            place = (left + column * (_TILE + _GAP)) / width, bottom / height, _TILE / width, height_of / height
            axes = figure.add_axes(place)
            axes.imshow(pixels, aspect="auto", interpolation="antialiased")
            axes.set_axis_off()
    return figure

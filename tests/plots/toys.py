"""Small models and images to draw."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from flowdis.data import units_of
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.paths import Unit

__all__ = ["clipped", "stills", "texts", "tiny_model"]


def tiny_model(
    names: Sequence[str] = ("rotate", "hue"), *, channels: int = 3, units: dict[str, Unit] | None = None
) -> LatentFlow:
    config = LatentFlowConfig((channels, 8, 8), units or units_of(names), dim=4, channels=(4,), decoder_hidden=8)
    return LatentFlow(config, generator=torch.Generator().manual_seed(0)).eval()


def stills(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def written(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in written(figure)]


def clipped(figure: Figure) -> bool:
    """Whether anything that is drawn sticks out of the figure."""
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return bool(min(drawn.x0, drawn.y0) < -1e-6 or drawn.x1 > width + 1e-6 or drawn.y1 > height + 1e-6)

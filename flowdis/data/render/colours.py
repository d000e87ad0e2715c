"""Colours of a hue."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["pure_colours"]


def pure_colours(hues: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3"]:
    r"""The colours of full saturation and value: red, yellow, green, cyan, blue, magenta at every 60 degrees.

    With h the hue in units of 60 degrees and [.] clamping to [0, 1], the channels, each a shift of the others, are

    .. math:: R = [|h - 3| - 1], \quad G = [2 - |h - 2|], \quad B = [2 - |h - 4|], \qquad 0 \le h < 6.

    Arguments:
        hues: The hues in degrees, of any size.

    Returns:
        Red, green and blue, each in [0, 1].

    Example:
        >>> pure_colours(torch.tensor([0.0, 60.0, -120.0])).tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    turned = hues.remainder(360)
    red = (turned - 180).abs() - 60
    green = 120 - (turned - 120).abs()
    blue = 120 - (turned - 240).abs()
    return (torch.stack([red, green, blue], -1) / 60).clamp(0, 1)

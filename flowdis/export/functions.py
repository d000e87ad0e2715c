"""The three functions that are exported: images to codes, codes along a segment of a path, codes to images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis.dynamics import Overdamped
from flowdis.fields.base import Mix
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["DecodeFunction", "EncodeFunction", "FlowFunction", "flow_error"]

_Images = Float[Tensor, "B C H W"]
_Codes = Float[Tensor, "B D"]
_Amounts = Float[Tensor, "B K"]


class EncodeFunction(nn.Module):
    """Images (B, C, H, W) in [0, 1] to their mean codes (B, D).

    Arguments:
        model: The model.
    """

    def __init__(self, model: LatentFlow) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: _Images) -> _Codes:
        """The mean codes."""
        return self.model.encode(images).mean


class FlowFunction(nn.Module):
    r"""Codes (B, D) along one segment of a path with amounts (B, K), by a fixed number of Runge-Kutta steps.

    Each of n steps of length h = 1 / n is that of the classical method of order four, so that the error falls like
    :math:`n^{-4}`; it grows with the amount. Clocks are at 0 where the segment begins. A path of several segments is as
    many calls in turn.

    Arguments:
        model: The model.
        steps: The number n of steps.

    Raises:
        ValueError: if the codes of the model move with inertia or noise, or `steps` is not positive.
    """

    def __init__(self, model: LatentFlow, steps: int) -> None:
        super().__init__()
        check_positive("steps", steps)
        dynamics = model.dynamics
        if not isinstance(dynamics, Overdamped) or dynamics.temperature > 0:
            raise ValueError(f"`model` must move codes without inertia and noise to be exported, got {dynamics}")
        self.fields, self.steps = model.fields, steps

    def forward(self, codes: _Codes, amounts: _Amounts) -> _Codes:
        """The codes at the end of the segment."""
        field = self.fields.bind(Mix(amounts, torch.zeros_like(amounts)))
        step, z = 1.0 / self.steps, codes
        for index in range(self.steps):
            start = index * step
            first = field(z, start)
            second = field(z + 0.5 * step * first, start + 0.5 * step)
            third = field(z + 0.5 * step * second, start + 0.5 * step)
            fourth = field(z + step * third, start + step)
            z = z + step / 6 * (first + 2 * second + 2 * third + fourth)
        return z


class DecodeFunction(nn.Module):
    """Codes (B, D) to images (B, C, H, W) in [0, 1].

    Arguments:
        model: The model.
    """

    def __init__(self, model: LatentFlow) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: _Codes) -> _Images:
        """The mean images."""
        return self.model.decode(codes)


@torch.no_grad()
def flow_error(model: LatentFlow, images: _Images, amount: float, *, steps: int) -> dict[str, tuple[float, float]]:
    """How far a fixed number of steps takes codes from where the model's own solver takes them.

    Arguments:
        model: The model.
        images: Images in [0, 1], with shape (B, C, H, W).
        amount: How far each flow goes, in amounts; the other way too.
        steps: The number of steps.

    Returns:
        For each transformation the greatest distance in a latent, and in a pixel of what is decoded.
    """
    z = model.encode(images.to(model.log_diffusion)).mean
    function, found = FlowFunction(model, steps), {}
    for index, name in enumerate(model.names):
        worst = [0.0, 0.0]
        for way in (amount, -amount):
            amounts = z.new_zeros(len(z), len(model.names))
            amounts[:, index] = way
            there, truth = function(z, amounts), model.transport(Path(model.names, amounts.unsqueeze(0)), z).z[-1]
            pixels = model.decode(there) - model.decode(truth)
            worst = [max(old, float(new.abs().max())) for old, new in zip(worst, (there - truth, pixels), strict=True)]
        found[name] = (worst[0], worst[1])
    return found

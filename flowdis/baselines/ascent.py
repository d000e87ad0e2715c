"""Gradient ascent on a property of decoded images: the plain way that guided flows are to be compared with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowdis.fields import AutogradField
from flowdis.fields.guided import Property, VanishingGradientError
from flowdis.models import LatentFlow
from flowdis.models.guided import decoded_property
from flowdis.models.sharing import with_fields
from flowdis.paths import Unit

__all__ = ["ScaledProperty", "ascend"]


class ScaledProperty(nn.Module):
    """A property of codes as a potential for `AutogradField`; the property's modules stay the caller's.

    Arguments:
        value: The property.
        scale: What it is multiplied by.
    """

    def __init__(self, value: Property, scale: float) -> None:
        super().__init__()
        self.value, self.scale = (value,), scale  # in a tuple, so that a module is no part of this one

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        """The scaled property (N) of codes (N, D), at any time."""
        return self.scale * self.value[0](z)


def ascend(
    model: LatentFlow,
    properties: Mapping[str, Property],
    codes: Float[Tensor, "N D"],
    *,
    units: Mapping[str, str] | None = None,
) -> LatentFlow:
    r"""A model whose flows climb the gradients of properties of decoded images, at one rate for all codes.

    .. math:: v = g / \langle |g|^2 \rangle,

    the mean over the given codes, on which a small amount raises the property by that much on average. Nothing more is
    promised: it rises faster where it is steeper, and drags others along.

    Arguments:
        model: The model, whose encoder and decoder are shared.
        properties: As of `guide`.
        codes: Usual codes, with shape (N, D).
        units: As of `guide`.

    Raises:
        ValueError: if there is no property.
        VanishingGradientError: if a property has no gradient at any of the codes.
    """
    if not properties:
        raise ValueError("`properties` must name at least one, got none")
    climbing: list[nn.Module] = []
    for name, value in properties.items():
        of_codes = decoded_property(model, value)
        squares = _gradients(of_codes, codes.to(model.log_diffusion)).square().sum(-1)
        if not bool(squares.mean() > 0):
            raise VanishingGradientError(f"the gradient of {name!r} vanishes at all codes")
        climbing.append(ScaledProperty(of_codes, 1 / float(squares.mean())))
    bank = AutogradField(tuple(properties), model.dim, climbing, kind="potential")
    given = units or {}
    return with_fields(model, bank, {name: Unit(given.get(name, name)) for name in properties})


def _gradients(value: Property, codes: Tensor) -> Tensor:
    with torch.enable_grad():
        points = codes.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(points).sum(), points)
    return gradient

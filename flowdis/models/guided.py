"""Flows of any differentiable property of what a model decodes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._types import Images
from flowdis.fields.guided import GuidedField, Property
from flowdis.models.latent_flow import LatentFlow
from flowdis.models.sharing import with_fields
from flowdis.paths import Unit

__all__ = ["aggregate_covariance", "decoded_property", "guide"]


def decoded_property(model: LatentFlow, value: Property) -> Property:
    """The property of codes (N, D) that is a property of what they decode to, (N, C, H, W) to (N)."""

    def of_codes(codes: Tensor) -> Tensor:
        return value(model.decode(codes))

    return of_codes


def guide(
    model: LatentFlow,
    properties: Mapping[str, Property],
    *,
    units: Mapping[str, str] | None = None,
    metric: Float[Tensor, "D D"] | None = None,
    hold: bool = True,
    fastest: float = 1e6,
) -> LatentFlow:
    """A model of the same encoder and decoder, whose flows raise properties of the decoded images by what is asked.

    Arguments:
        model: The model, whose encoder and decoder are shared, not copied.
        properties: For each flow a differentiable function of decoded images (N, C, H, W) to numbers (N): a
            classifier's logit, a predictor's number, any function of your own.
        units: The names of the properties' units, of which an amount is 1; the properties' own names where left out.
        metric: The metric of `GuidedField` (D, D), such as `aggregate_covariance`, which keeps edits to directions that
            codes vary in; the identity where left out.
        hold: Whether the other properties are held while one rises.
        fastest: The speed above which a gradient counts as vanished; see `GuidedField`.

    Returns:
        The new model. Saved, it is loaded with `fields=` of the properties again, as functions are not written.

    Raises:
        ValueError: if there is no property, `units` are of others, or `metric` does not fit.
        VanishingGradientError: when an edit comes to where a property cannot be moved.

    Example:
        >>> from flowdis.models.config import LatentFlowConfig
        >>> model = LatentFlow(LatentFlowConfig((1, 8, 8), {"turn": Unit()}, dim=4))
        >>> (light,) = guide(model, {"light": lambda images: images.mean((-3, -2, -1))}).flows()
        >>> light(0.1).amounts.tolist()
        [[0.1]]
    """
    if not properties:
        raise ValueError("`properties` must name at least one, got none")
    given = units or {}
    for name in given:
        if name not in properties:
            raise ValueError(f"`units` must be of {', '.join(properties)}, got one of {name!r}")
    functions = [decoded_property(model, value) for value in properties.values()]
    bank = GuidedField(tuple(properties), model.dim, functions, metric=metric, hold=hold, fastest=fastest)
    return with_fields(model, bank, {name: Unit(given.get(name, name)) for name in properties})


@torch.no_grad()
def aggregate_covariance(model: LatentFlow, images: Images, *, batch_size: int = 250) -> Float[Tensor, "D D"]:
    r"""The covariance (D, D) of codes sampled from the aggregate posterior of images (N, C, H, W).

    .. math:: \operatorname{Cov}_x[\mu(x)] + E_x[\operatorname{diag} \sigma^2(x)]

    Raises:
        ValueError: if there are fewer than two images.
    """
    if images.ndim != 4 or len(images) < 2:
        raise ValueError(f"`images` must have shape (N, C, H, W) with N >= 2, got {tuple(images.shape)}")
    parts = [model.encode(part.to(model.log_diffusion)) for part in images.split(batch_size)]
    means = torch.cat([part.mean for part in parts])
    variances = torch.cat([(2 * part.log_std).exp() for part in parts]).mean(0)
    return means.mT.cov() + variances.diag()

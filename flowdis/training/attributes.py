"""Flows of attributes, learned from single labelled images: no sequence, and no image is decoded to learn them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_choice, check_finite, check_images, check_positive
from flowdis._types import Images
from flowdis.baselines.directions import classifier_normals, mean_differences
from flowdis.fields import FieldBank
from flowdis.models import LatentFlow
from flowdis.models.sharing import with_fields
from flowdis.paths import Unit
from flowdis.training.calibration import Measure, calibrated, decoded_attributes, regressed_attributes
from flowdis.training.matching import AttributeConfig, match_attributes

__all__ = ["AttributeFlows", "fit_attribute_flows"]

_PARTS = 6  # amounts in a period: a chord of a sixth of a circle is near its arc

_Stills = Float[Tensor, "N C H W"]
_Labels = Int[Tensor, "labelled"]  # with a name of its own, so that a wrong number is told as a value


@dataclass(frozen=True, eq=False)
class AttributeFlows:
    """Three models of the same encoder and decoder, whose flows are attributes in the same units.

    Arguments:
        flow: Flows matched to couplings.
        mean_difference: Constant directions between means.
        classifier_normal: Constant directions normal to linear classifiers, or regressors.
        errors: The mean matching error of each of the attributes' pairs, relative to that of fields of zero.
    """

    flow: LatentFlow
    mean_difference: LatentFlow
    classifier_normal: LatentFlow
    errors: Mapping[str, float]

    def models(self) -> dict[str, LatentFlow]:
        """The three models by name."""
        return {name: getattr(self, name) for name in ("flow", "mean_difference", "classifier_normal")}


def fit_attribute_flows(
    model: LatentFlow,
    images: _Stills,
    attributes: Mapping[str, Tensor],
    *,
    labels: _Labels | None = None,
    units: Mapping[str, str] | None = None,
    periods: Mapping[str, float] | None = None,
    measure: Measure | None = None,
    config: AttributeConfig | None = None,
    quiet: bool = True,
) -> AttributeFlows:
    r"""Learns flows that change one attribute of an image and leave the others, from single labelled images.

    Codes of different images are paired so that one attribute differs, by :math:`\delta`, and the others hardly do; a
    field is then matched to the straight paths between them, :math:`v(z_t) \approx (z_1 - z_0) / \delta`, so that an
    amount of :math:`\delta` takes the codes of one value to those of the other. What the others still differ by is put
    down to their own fields. See `match_attributes`, which does it with codes of anything.

    An amount is a standard deviation of the attribute, or for one of two values the step between them; values are in
    the attribute's own unit: `thickness(+1.5)`. What an amount is worth is measured at the end and put into the unit:
    by `measure` on decoded edits, or where it is left out, by a regression of the attributes on codes.

    Arguments:
        model: The model, whose encoder and decoder stay as they are, and are shared.
        images: The images in [0, 1], with shape (N, C, H, W).
        attributes: For each attribute its values (N): bools or two values, whole numbers of an order, or any numbers.
        labels: What must not change, such as the class of a digit, with shape (N); only images of one label are paired.
        units: The names of the attributes' natural units.
        periods: By attribute, after how much it comes back to where it was, such as 360 for a hue in degrees; those
            that are not named never do. An amount of such a one is a sixth of its period.
        measure: What measures attributes, images (B, C, H, W) to a mapping of names to values (B).
        config: The settings.
        quiet: Whether to show no progress bar.

    Returns:
        The model with the flows, and two models with the directions that most people use, with the same units.

    Raises:
        ImportError: if POT is not installed: `pip install flowdis[attributes]`.
        TypeError: if the images are not floating-point.
        ValueError: if shapes do not match, a value is not finite, an attribute does not vary, or `units` or `measure`
            does not fit.

    References:
        Lipman et al. 2023, Flow Matching, arXiv 2210.02747; Pooladian et al. 2023, arXiv 2304.14772, for the couplings.
    """
    config, periods = config or AttributeConfig(), periods or {}
    values, natural = _checked(images, attributes, labels, units, periods, model)
    names = tuple(natural)
    codes = _codes(model, images)
    sizes = torch.tensor([natural[name].size for name in names], dtype=values.dtype)
    scaled = ((values - values.mean(0)) / sizes).to(codes)
    lengths = torch.tensor([periods.get(name, math.inf) for name in names], dtype=values.dtype) / sizes
    generator = torch.Generator().manual_seed(config.seed)
    matched = match_attributes(
        names, codes, scaled, groups=labels, periods=lengths, config=config, generator=generator, quiet=quiet
    )
    banks: dict[str, FieldBank] = {
        "flow": matched.bank,
        "mean_difference": mean_differences(names, codes, scaled),
        "classifier_normal": classifier_normals(names, codes, scaled),
    }
    some = torch.randperm(len(codes), generator=generator)[: config.calibrated]
    if measure is None:
        read = regressed_attributes(codes, scaled, periods=lengths)
    else:
        read = decoded_attributes(with_fields(model, matched.bank, natural), measure, values.mean(0), sizes)
    made = {
        name: calibrated(with_fields(model, fields, natural), codes[some], scaled[some], read, periods=lengths)
        for name, fields in banks.items()
    }
    return AttributeFlows(**made, errors=matched.errors)


def _checked(
    images: Tensor,
    attributes: Mapping[str, Tensor],
    labels: Tensor | None,
    units: Mapping[str, str] | None,
    periods: Mapping[str, float],
    model: LatentFlow,
) -> tuple[Tensor, dict[str, Unit]]:
    """The attributes (N, K), and the unit of each, whose size is what an amount is worth."""
    check_images("images", images, model.image_shape)
    count = len(images)
    if not attributes:
        raise ValueError("`attributes` must name at least one, got none")
    for name in units or {}:
        check_choice("units", name, tuple(attributes))
    for name, period in periods.items():
        check_positive(f"periods[{check_choice('periods', name, tuple(attributes))!r}]", period)
    if labels is not None and labels.shape != (count,):
        raise ValueError(f"`labels` must have shape ({count},), got {tuple(labels.shape)}")
    columns, natural = [], {}
    for name, given in attributes.items():
        column = torch.as_tensor(given).double()
        if column.shape != (count,):
            raise ValueError(f"`attributes` must have shape ({count},), got {tuple(column.shape)} for {name!r}")
        check_finite(f"attributes[{name!r}]", column)
        levels = column.unique()
        if len(levels) < 2:
            raise ValueError(f"`attributes` must differ between images, got a single value of {name!r}")
        size = levels[1] - levels[0] if len(levels) == 2 else column.std()
        size = periods[name] / _PARTS if name in periods else size
        columns.append(column)
        natural[name] = Unit((units or {}).get(name, name), float(size))
    return torch.stack(columns, -1), natural


@torch.no_grad()
def _codes(model: LatentFlow, images: Images, batch_size: int = 250) -> Tensor:
    like = model.log_diffusion
    return torch.cat([model.encode(part.to(like)).mean for part in images.split(batch_size)])

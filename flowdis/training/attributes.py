"""Flows of attributes, learned from single labelled images: no sequence, and no image is decoded to learn them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from flowdis._checks import check_choice, check_finite, check_images, check_positive
from flowdis._types import Images
from flowdis.baselines.directions import classifier_normals, mean_differences
from flowdis.fields import FIELDS, FieldBank
from flowdis.models import LatentFlow
from flowdis.models.sharing import with_fields
from flowdis.objectives.flow_matching import matching_error
from flowdis.paths import Unit
from flowdis.training.calibration import Measure, calibrated, decoded_attributes, regressed_attributes
from flowdis.training.couplings import CodePairs, couple_codes

__all__ = ["AttributeConfig", "AttributeFlows", "fit_attribute_flows"]

_Stills = Float[Tensor, "N C H W"]
_Labels = Int[Tensor, "N"]


@dataclass(frozen=True)
class AttributeConfig:
    """How flows of attributes are fitted.

    Arguments:
        field: The kind of velocity field, a name in `FIELDS`.
        field_options: Keyword arguments of that kind, beside names and dim.
        steps: Steps of AdamW.
        pairs: Pairs of codes per step.
        learning_rate: Its highest learning rate, which falls to zero.
        weight_decay: Its decoupled weight decay.
        coupled: How many codes are coupled at a time by optimal transport.
        rounds: How often all codes are coupled, for each attribute.
        reach: How far the attribute differs between coupled codes, in its standard deviations.
        tolerance: How far other attributes may, in theirs, before the coupling brings them together.
        hold: The weight of attributes in the cost of the coupling, beside codes of unit spread.
        calibrated: How many codes are edited to measure what an amount is worth.
        seed: The seed of weights, couplings and batches.

    Raises:
        ValueError: if a choice is unknown or a number is out of range.
    """

    field: str = "helmholtz"
    field_options: Mapping[str, Any] = dataclass_field(default_factory=lambda: {"hidden": 128})
    steps: int = 1500
    pairs: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    coupled: int = 512
    rounds: int = 8
    reach: float = 1.0
    tolerance: float = 0.25
    hold: float = 4.0
    calibrated: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("field", self.field, tuple(FIELDS))
        for name in ("steps", "pairs", "learning_rate", "coupled", "rounds", "reach", "tolerance", "calibrated"):
            check_positive(name, getattr(self, name))
        for name in ("weight_decay", "hold"):
            check_positive(name, getattr(self, name), zero=True)


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
    measure: Measure | None = None,
    config: AttributeConfig | None = None,
    quiet: bool = True,
) -> AttributeFlows:
    r"""Learns flows that change one attribute of an image and leave the others, from single labelled images.

    Codes of different images are paired so that one attribute differs, by :math:`\delta`, and the others hardly do; a
    field is then matched to the straight paths between them, :math:`v(z_t) \approx (z_1 - z_0) / \delta`, so that an
    amount of :math:`\delta` takes the codes of one value to those of the other. See `couple_codes` and
    `matching_error`.

    An amount is a standard deviation of the attribute, or for one of two values the step between them; values are in
    the attribute's own unit: `thickness(+1.5)`. What an amount is worth is measured at the end and put into the unit:
    by `measure` on decoded edits, or where it is left out, by a regression of the attributes on codes.

    Arguments:
        model: The model, whose encoder and decoder stay as they are, and are shared.
        images: The images in [0, 1], with shape (N, C, H, W).
        attributes: For each attribute its values (N): bools or two values, whole numbers of an order, or any numbers.
        labels: What must not change, such as the class of a digit, with shape (N); only images of one label are paired.
        units: The names of the attributes' natural units.
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
    config = config or AttributeConfig()
    values, natural = _checked(images, attributes, labels, units, model)
    names = tuple(natural)
    codes = _codes(model, images)
    sizes = torch.tensor([natural[name].size for name in names], dtype=values.dtype)
    scaled = ((values - values.mean(0)) / sizes).to(codes)
    generator = torch.Generator().manual_seed(config.seed)
    pairs = couple_codes(
        codes.cpu(),
        scaled.cpu(),
        groups=None if labels is None else labels.cpu(),
        batch_size=config.coupled,
        rounds=config.rounds,
        reach=config.reach,
        tolerance=config.tolerance,
        hold=config.hold,
        generator=generator,
    )
    kind: Callable[..., FieldBank] = FIELDS[config.field]
    bank = kind(names, model.dim, generator=generator, **config.field_options).to(codes)
    errors = _match(bank, codes, scaled, pairs, config, generator, quiet)
    banks = {
        "flow": bank,
        "mean_difference": mean_differences(names, codes, scaled),
        "classifier_normal": classifier_normals(names, codes, scaled),
    }
    some = torch.randperm(len(codes), generator=generator)[: config.calibrated]
    if measure is None:
        read = regressed_attributes(codes, scaled)
    else:
        read = decoded_attributes(with_fields(model, bank, natural), measure, values.mean(0), sizes)
    made = {
        name: calibrated(with_fields(model, fields, natural), codes[some], scaled[some], read)
        for name, fields in banks.items()
    }
    return AttributeFlows(**made, errors=errors)


def _checked(
    images: Tensor,
    attributes: Mapping[str, Tensor],
    labels: Tensor | None,
    units: Mapping[str, str] | None,
    model: LatentFlow,
) -> tuple[Tensor, dict[str, Unit]]:
    """The attributes (N, K), and the unit of each, whose size is what an amount is worth."""
    check_images("images", images, model.image_shape)
    count = len(images)
    if not attributes:
        raise ValueError("`attributes` must name at least one, got none")
    for argument, names in (("units", units or {}),):
        for name in names:
            check_choice(argument, name, tuple(attributes))
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
        columns.append(column)
        natural[name] = Unit((units or {}).get(name, name), float(size))
    return torch.stack(columns, -1), natural


@torch.no_grad()
def _codes(model: LatentFlow, images: Images, batch_size: int = 250) -> Tensor:
    like = model.log_diffusion
    return torch.cat([model.encode(part.to(like)).mean for part in images.split(batch_size)])


def _match(
    bank: FieldBank,
    codes: Tensor,
    attributes: Tensor,
    pairs: CodePairs,
    config: AttributeConfig,
    generator: torch.Generator,
    quiet: bool,
) -> dict[str, float]:
    """Matches the bank to the pairs, and says how large the error is left for each attribute, relative to no motion."""
    scale = codes.std(0).clamp(min=1e-12)
    optimizer = torch.optim.AdamW(bank.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    count = len(bank.names)
    left, moved = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    for step in tqdm(range(config.steps), desc="matching", disable=quiet):
        rate = config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50)
        drawn = torch.randint(len(pairs), (config.pairs,), generator=generator)
        start, end, which = pairs.start[drawn], pairs.end[drawn], pairs.attribute[drawn]
        gaps = torch.gather(attributes[end] - attributes[start], 1, which.to(codes.device).unsqueeze(1))
        amounts = gaps * nn.functional.one_hot(which.to(codes.device), count).to(gaps)
        times = torch.rand(config.pairs, generator=generator).to(codes)
        error = matching_error(bank, codes[start], codes[end], amounts, times, scale=scale)
        optimizer.zero_grad(set_to_none=True)
        error.mean().backward()
        optimizer.step()
        if 10 * step >= 9 * config.steps:
            still = ((codes[end] - codes[start]) / scale).square().sum(-1)
            left.index_add_(0, which, error.detach().double().cpu())
            moved.index_add_(0, which, still.double().cpu())
    return {name: float(ratio) for name, ratio in zip(bank.names, left / moved, strict=True)}

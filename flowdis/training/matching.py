"""Fields of attributes matched to single labelled codes, whatever they are codes of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from flowdis._checks import check_choice, check_finite, check_floating, check_last, check_positive
from flowdis.fields import FIELDS, FieldBank
from flowdis.objectives.flow_matching import matching_error
from flowdis.training.couplings import Coupling, couple_codes, differences

__all__ = ["AttributeConfig", "MatchedFields", "match_attributes"]

_Codes = Float[Tensor, "N D"]
_Attributes = Float[Tensor, "N K"]
_Groups = Int[Tensor, "N"]

_CHECKED = 2048  # pairs of each attribute, on which the error is told


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
        hold: The weight of attributes in the cost of the coupling, beside codes of unit spread: larger where attributes
            are strongly correlated, since a weak one lets codes choose what is near them rather than what is right.
        calibrated: How many codes are edited at the end to measure what an amount is worth.
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
class MatchedFields:
    """Fields, and how well they match.

    Arguments:
        bank: The K fields, an amount of 1 for 1 of each attribute.
        errors: The mean matching error of the pairs of each attribute, relative to that of standing still.
    """

    bank: FieldBank
    errors: Mapping[str, float]


def match_attributes(
    names: Sequence[str],
    codes: _Codes,
    attributes: _Attributes,
    *,
    groups: _Groups | None = None,
    periods: Float[Tensor, "K"] | None = None,
    config: AttributeConfig | None = None,
    generator: torch.Generator | None = None,
    quiet: bool = True,
) -> MatchedFields:
    r"""Fields that change one attribute of a code and leave the others: what `fit_attribute_flows` does with codes.

    Codes are paired so that one attribute differs, and the others hardly do; then a mix of the fields by all that a
    pair differs by is matched to the straight path between its codes. See `couple_codes` and `matching_error`.

    Arguments:
        names: The K attributes.
        codes: The codes, with shape (N, D), each entry of about unit spread: fields start with speeds for such.
        attributes: Their attributes, with shape (N, K), in units in which a usual difference is about 1.
        groups: What must not change, with shape (N): only codes of one group are paired.
        periods: The periods of attributes that come back to where they were (K), in the same units, infinite for the
            others; pairs differ by the short way round.
        config: The settings.
        generator: Where all randomness comes from, on the CPU; of the settings' seed where left out.
        quiet: Whether to show no progress bar.

    Raises:
        ImportError: if POT is not installed.
        ValueError: if shapes do not match, a value is not finite, or an attribute does not differ within a group.
    """
    config = config or AttributeConfig()
    check_last("attributes", attributes, len(names), f"K={len(names)} ({', '.join(names)})")
    check_finite("codes", check_floating("codes", codes))
    check_finite("attributes", attributes)
    generator = generator or torch.Generator().manual_seed(config.seed)
    pairs = couple_codes(
        codes.cpu(),
        attributes.cpu(),
        groups=None if groups is None else groups.cpu(),
        periods=periods,
        batch_size=config.coupled,
        rounds=config.rounds,
        reach=config.reach,
        tolerance=config.tolerance,
        hold=config.hold,
        generator=generator,
    )
    for index, name in enumerate(names):
        if not bool((pairs.attribute == index).any()):
            raise ValueError(f"`attributes` must differ within at least one group, got one value in each of {name!r}")
    kind: Callable[..., FieldBank] = FIELDS[config.field]
    bank = kind(names, codes.shape[-1], generator=generator, **config.field_options).to(codes)
    scale = codes.std(0).clamp(min=1e-12)
    _descend(bank, codes, attributes, periods, pairs, scale, config, generator, quiet)
    return MatchedFields(bank, _errors(bank, codes, attributes, periods, pairs, scale, generator))


def _descend(
    bank: FieldBank,
    codes: Tensor,
    attributes: Tensor,
    periods: Tensor | None,
    pairs: Coupling,
    scale: Tensor,
    config: AttributeConfig,
    generator: torch.Generator,
    quiet: bool,
) -> None:
    optimizer = torch.optim.AdamW(bank.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    for step in tqdm(range(config.steps), desc="matching", disable=quiet):
        rate = config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50)
        drawn = torch.randint(len(pairs), (config.pairs,), generator=generator)
        error = _error(bank, codes, attributes, periods, pairs, drawn, scale, generator)
        optimizer.zero_grad(set_to_none=True)
        error.mean().backward()
        optimizer.step()


@torch.no_grad()
def _errors(
    bank: FieldBank,
    codes: Tensor,
    attributes: Tensor,
    periods: Tensor | None,
    pairs: Coupling,
    scale: Tensor,
    generator: torch.Generator,
) -> dict[str, float]:
    """How large the error is left for each attribute, relative to no motion."""
    errors = {}
    for index, name in enumerate(bank.names):
        own = (pairs.attribute == index).nonzero()[:, 0]
        drawn = own[torch.randperm(len(own), generator=generator)[:_CHECKED]]
        left = _error(bank, codes, attributes, periods, pairs, drawn, scale, generator)
        still = ((codes[pairs.end[drawn]] - codes[pairs.start[drawn]]) / scale).square().sum(-1)
        errors[name] = float(left.mean() / still.mean())
    return errors


def _error(
    bank: FieldBank,
    codes: Tensor,
    attributes: Tensor,
    periods: Tensor | None,
    pairs: Coupling,
    drawn: Tensor,
    scale: Tensor,
    generator: torch.Generator,
) -> Tensor:
    start, end = pairs.start[drawn], pairs.end[drawn]
    # With what the others still differ by: left out, the fields of correlated attributes would lean on each other.
    amounts = differences(attributes[end], attributes[start], periods)
    times = torch.rand(len(drawn), generator=generator).to(codes)
    return matching_error(bank, codes[start], codes[end], amounts, times, scale=scale)

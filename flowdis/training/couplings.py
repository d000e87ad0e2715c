"""Pairs of single codes that differ in one attribute, and in as little else as optimal transport can find."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_positive

__all__ = ["Coupling", "couple_codes", "differences"]

_Codes = Float[Tensor, "N D"]
_Attributes = Float[Tensor, "N K"]
_Groups = Int[Tensor, "N"]


@dataclass(frozen=True, eq=False)
class Coupling:
    """Pairs of codes, by where they stand.

    Arguments:
        start: The indices of codes before, with shape (P).
        end: The indices of codes after, with shape (P).
        attribute: Which attribute is meant to change from one to the other, with shape (P).
    """

    start: Int[Tensor, "P"]
    end: Int[Tensor, "P"]
    attribute: Int[Tensor, "P"]

    def __len__(self) -> int:
        return len(self.start)


def differences(end: Tensor, start: Tensor, periods: Tensor | None = None) -> Tensor:
    """By how much attributes differ, `end` less `start` (*, K): the short way round those that have a period.

    Arguments:
        end: The attributes after, with shape (*, K).
        start: The attributes before, with shape (*, K), or broadcast with `end`.
        periods: The periods (K), infinite for attributes without; none have one where left out.

    Example:
        >>> differences(torch.tensor([350.0, 8.0]), torch.tensor([10.0, 2.0]), torch.tensor([360.0, torch.inf]))
        tensor([-20.,   6.])
    """
    gaps = end - start
    if periods is None:
        return gaps
    periods = periods.to(gaps)
    turns = (gaps / periods).round()  # 0 where there is no period
    return torch.where(periods.isinf(), gaps, gaps - turns * periods)


def couple_codes(
    codes: _Codes,
    attributes: _Attributes,
    *,
    periods: Float[Tensor, "K"] | None = None,
    groups: _Groups | None = None,
    batch_size: int = 512,
    rounds: int = 8,
    reach: float = 1.0,
    tolerance: float = 0.25,
    hold: float = 4.0,
    generator: torch.Generator,
) -> Coupling:
    r"""Pairs codes at different values of one attribute at a time, the others nearly equal.

    Of each minibatch of codes, each is first given a partner at random, whose attribute k differs by up to about
    `reach` and whose others differ by about `tolerance`: so both ends have the same distribution of all that is not k.
    Then partners are exchanged within the minibatch, to the coupling that costs least,

    .. math:: c_{ij} = |z_i - z_j'|^2 / D
            + h^2 \big( (\delta_{ij} - \delta_i)^2 + \textstyle\sum_{l \ne k} (a_{il} - a'_{jl})^2 \big),

    with codes in units of their own standard deviations, attributes in units given, and :math:`\delta_i` what the first
    partner of i differed by.

    Arguments:
        codes: The codes, with shape (N, D).
        attributes: Their attributes in comparable units, with shape (N, K).
        periods: Their periods (K), infinite for those without; none have one where left out. See `differences`.
        groups: What must not change, such as a class, with shape (N): only codes of one group are paired.
        batch_size: How many codes are coupled at a time.
        rounds: How often all codes are paired, for each attribute.
        reach: The standard deviation of the difference of the attribute that changes.
        tolerance: That of the others', before partners are exchanged.
        hold: The weight h of attributes.
        generator: Where all randomness comes from, on the CPU.

    Returns:
        The pairs. Codes whose attribute no code of their group differs in have none.

    Raises:
        ImportError: if POT is not installed.
        ValueError: if a number is not positive, or no attribute differs within a group.

    Reference: Pooladian et al. 2023, Multisample Flow Matching, arXiv 2304.14772.
    """
    for name, number in (("batch_size", batch_size), ("rounds", rounds), ("reach", reach), ("tolerance", tolerance)):
        check_positive(name, number)
    check_positive("hold", hold, zero=True)
    count, dim = codes.shape
    whitened = (codes - codes.mean(0)) / codes.std(0).clamp(min=1e-12) / math.sqrt(dim)
    members = [torch.arange(count)] if groups is None else [(groups == g).nonzero()[:, 0] for g in groups.unique()]
    pairs: list[tuple[Tensor, Tensor, int]] = []
    for index in range(attributes.shape[1]):
        for group in members:
            for _ in range(rounds):
                for starts in group[torch.randperm(len(group), generator=generator)].split(batch_size):
                    kept, ends = _partners(attributes, starts, group, index, reach, tolerance, periods, generator)
                    if len(kept):
                        order = _exchange(whitened, attributes, kept, ends, index, hold, periods)
                        pairs.append((kept, ends[order], index))
    if not pairs:
        raise ValueError("`attributes` must differ within at least one group, got none that do")
    return _joined(pairs)


def _partners(
    attributes: Tensor,
    starts: Tensor,
    pool: Tensor,
    index: int,
    reach: float,
    tolerance: float,
    periods: Tensor | None,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The starts that have partners in the pool, and one for each, drawn at random."""
    gaps = differences(attributes[starts].unsqueeze(1), attributes[pool], periods)
    widths = torch.full((attributes.shape[1],), tolerance, dtype=gaps.dtype)
    widths[index] = reach
    scores = -0.5 * (gaps / widths).square().sum(-1)
    scores = scores.masked_fill(gaps[..., index] == 0, -math.inf)
    has = torch.isfinite(scores).any(1)
    if not bool(has.any()):
        return starts[:0], starts[:0]
    # In float64, as partners in the tails are to be drawn by their weights, not by rounding.
    weights = torch.softmax(scores[has].double(), dim=1)
    return starts[has], pool[torch.multinomial(weights, 1, generator=generator)[:, 0]]


def _exchange(
    whitened: Tensor,
    attributes: Tensor,
    starts: Tensor,
    ends: Tensor,
    index: int,
    hold: float,
    periods: Tensor | None,
) -> Tensor:
    """Which of the ends goes to each of the starts, at the least cost."""
    wanted = attributes[starts]
    wanted[:, index] = attributes[ends, index]
    cost = torch.cdist(whitened[starts], whitened[ends]).square()
    cost = cost + hold**2 * differences(wanted.unsqueeze(1), attributes[ends], periods).square().sum(-1)
    return _assignment(cost)


def _assignment(cost: Tensor) -> Tensor:
    try:
        import ot
    except ModuleNotFoundError as error:
        raise ImportError("attribute flows need POT: pip install flowdis[attributes]") from error
    # With as many ends as starts, all of the same weight, the optimal plan is a permutation.
    plan = ot.emd([], [], cost.double().cpu().numpy(), numItermax=1_000_000)
    return torch.from_numpy(plan).argmax(1)


def _joined(pairs: Sequence[tuple[Tensor, Tensor, int]]) -> Coupling:
    which = torch.cat([torch.full_like(starts, index) for starts, _, index in pairs])
    return Coupling(torch.cat([p[0] for p in pairs]), torch.cat([p[1] for p in pairs]), which)

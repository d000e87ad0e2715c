"""The evidence lower bound of sequences whose amounts nobody tells: inferred, and paid for by their divergences."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis.data.batch import SequenceBatch
from flowdis.dynamics import Solver
from flowdis.models import LatentFlow
from flowdis.models.amount_posteriors import (
    CategoricalPosterior,
    LaplacePrior,
    SpikeChain,
    SpikeSlabPosterior,
    collapse,
)
from flowdis.objectives.base import Bound, Draw, Objective, ramp
from flowdis.objectives.flow_bound import Weights, bound

__all__ = ["SparseBound", "WeakBound", "how_far"]

_EXAMINED = 500  # sequences, at the end of a training


@dataclass(frozen=True)
class WeakBound(Objective):
    r"""The negative bound of sequences of which it is known how far they move, and not which transformation moves them.

    .. math:: E_{q(k | x)} \big[ \mathcal L(x \mid A = k \cdot a) \big] + KL\big( q(k | x) \| 1 / K \big)

    with a the told amounts, 1 for a whole sequence of unit speed, and k relaxed by a temperature that falls over
    training. The divergence is that of each sequence.

    Two terms more lead there, and are no part of the bound. Both are weighed in standard deviations over the batch of
    the reconstruction, so that they suit any images and any likelihood. The divergence of the batch's mean keeps one
    flow from taking all. The entropy of each sequence's posterior, less and less as the temperature falls, keeps it
    from being sure before the flows differ (deterministic annealing).

    Arguments:
        weights: The weights of the bound's terms.
        solver_steps: Steps per segment, as of `FlowBound`.
        kl: The weight of the divergence.
        balance: The weight of the divergence, from the uniform, of the batch's mean probabilities, in standard
            deviations.
        entropy: The weight at first of the posterior's entropy, in standard deviations.
        temperatures: The first temperature and the last.
        annealed: The share of the budget over which it falls, exponentially, and `entropy`, evenly, to nothing.

    Raises:
        ValueError: if a number is out of range.

    Reference: Rose 1998, Deterministic annealing for clustering, compression, classification, regression, and related
    optimization problems.
    """

    weights: Weights = field(default_factory=Weights)
    solver_steps: int = 8
    kl: float = 1.0
    balance: float = 1.0
    entropy: float = 1.0
    temperatures: tuple[float, float] = (1.0, 0.3)
    annealed: float = 0.5

    def __post_init__(self) -> None:
        _check_numbers(self, ("kl", "balance", "entropy", "annealed"))

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`."""
        _check_supervision(model, "weak")

    def __call__(
        self,
        model: LatentFlow,
        batch: SequenceBatch,
        *,
        parts: nn.Module | None = None,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Bound:
        """See `Objective.__call__`."""
        posterior: CategoricalPosterior = _inferring(model)(batch.frames)
        row = posterior.relaxed(_temperature(self.temperatures, self.annealed, progress), generator)
        amounts = how_far(batch).to(row) * row
        moved = SequenceBatch(model.names, batch.frames, batch.times, amounts, batch.length)
        result = bound(model, moved, weights=self.weights, solver=Solver(steps=self.solver_steps), generator=generator)
        divergence, imbalance = posterior.kl(), posterior.imbalance()
        terms = {**result.terms, "kl_amounts": divergence, "balance": imbalance.expand_as(divergence)}
        entropy = self.entropy * (1 - ramp(self.annealed, progress))
        led = _spread(result) * (entropy * divergence.mean() + self.balance * imbalance)
        return Bound(terms, result.loss + self.kl * divergence.mean() + led, images=result.images)

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        """Warns of flows that are never used, or used alike."""
        _warn_of_collapse(model, draw)


@dataclass(frozen=True)
class SparseBound(Objective):
    r"""The negative bound of sequences of which nothing is known: which transformations move, when, and how fast.

    .. math:: E_{q(y, g | x)} \big[ \mathcal L(x \mid A_s = y_s g_s) \big]
        + KL\big( q(y | x) \| p(y) \big) + E_{q(y | x)} KL\big( q(g | x) \| p(g) \big)

    with spikes y of a Markov prior that keeps its state, and slabs g of a Laplace prior about the usual speed, inferred
    for every step from the frames around it. Sequences are seen whole. As in `WeakBound`, balance keeps flows from
    never being used, and entropy from being chosen before they differ. Weigh energy too where transformations close, as
    turns do: a flow of nearly a whole turn backwards shows the same frames, at speeds that differ less.

    Arguments:
        weights: The weights of the bound's terms.
        solver_steps: Steps per segment, as of `FlowBound`.
        chain: The prior of spikes.
        slab: The prior of slabs.
        kl_spikes: The weight of the spikes' divergence.
        kl_slabs: The weight of the slabs' divergence.
        balance: The weight of the divergence, from the uniform, of each flow's share of all that is on in the batch,
            in standard deviations over the batch of the reconstruction.
        entropy: The weight at first of the entropy, in the mean over steps, of each flow's share of what is on, in
            the same standard deviations.
        temperatures: The first temperature of relaxed spikes, and the last.
        annealed: The share of the budget over which it falls, exponentially, and `entropy`, evenly, to nothing.
        hard: Whether spikes are rounded in training too, with the gradient of the relaxed ones.
        warm: The share of the budget over which slabs come into play; at first all speeds are the usual one, so that
            which transformations move is settled before how fast.
        steps: How many steps of longer recordings are seen at a time; whole sequences where left out.

    Raises:
        ValueError: if a number is out of range.

    Reference: Song, Keller, Yue, Perona and Welling 2024, arXiv 2410.05564.
    """

    weights: Weights = field(default_factory=Weights)
    solver_steps: int = 1
    chain: SpikeChain = SpikeChain()
    slab: LaplacePrior = LaplacePrior()
    kl_spikes: float = 1.0
    kl_slabs: float = 1.0
    balance: float = 0.3
    entropy: float = 1.0
    temperatures: tuple[float, float] = (1.0, 0.3)
    annealed: float = 0.5
    hard: bool = False
    warm: float = 0.2
    steps: int | None = None

    def __post_init__(self) -> None:
        _check_numbers(self, ("kl_spikes", "kl_slabs", "balance", "entropy", "annealed", "warm"))
        if self.steps is not None:
            check_positive("steps", self.steps)

    def frames(self, wanted: int) -> int | None:
        """All of its steps, whatever the settings ask for, as amounts are those of neighbouring frames."""
        return self.steps

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`."""
        _check_supervision(model, "none")

    def __call__(
        self,
        model: LatentFlow,
        batch: SequenceBatch,
        *,
        parts: nn.Module | None = None,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Bound:
        """See `Objective.__call__`."""
        if len(batch.frames) != batch.length + 1:
            seen = f"{len(batch.frames)} of {batch.length + 1}"
            raise ValueError(f"`batch` must hold all frames of its sequences, got {seen}")
        posterior: SpikeSlabPosterior = _inferring(model)(batch.frames)
        spikes = posterior.spikes(_temperature(self.temperatures, self.annealed, progress), generator, hard=self.hard)
        free = ramp(self.warm, progress)
        speeds = self.slab.mean + free * (posterior.slabs(generator) - self.slab.mean)
        times = torch.arange(len(batch.frames)).to(batch.frames)
        moved = SequenceBatch(model.names, batch.frames, times, spikes * speeds, batch.length)
        result = bound(model, moved, weights=self.weights, solver=Solver(steps=self.solver_steps), generator=generator)
        terms = {
            **result.terms,
            "kl_spikes": posterior.kl_spikes(self.chain),
            "kl_slabs": posterior.kl_slabs(self.slab),
        }
        amounts = self.kl_spikes * terms["kl_spikes"] + free * self.kl_slabs * terms["kl_slabs"]
        imbalance = posterior.imbalance()
        terms["balance"] = imbalance.expand_as(amounts)
        entropy = self.entropy * (1 - ramp(self.annealed, progress))
        led = _spread(result) * (entropy * posterior.certainty().mean() + self.balance * imbalance)
        return Bound(terms, result.loss + amounts.mean() + led, images=result.images)

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        """Warns of flows that are never used, or used alike."""
        _warn_of_collapse(model, draw)


def how_far(batch: SequenceBatch) -> Tensor:
    """How far each sequence moves in each segment, (S, B, 1): the amounts of the one transformation that moves it.

    Raises:
        ValueError: if more than one transformation moves a sequence, so that there is no one amount.
    """
    several = (batch.amounts != 0).any(0).sum(-1) > 1
    if bool(several.any()):
        which = int(several.nonzero()[0])
        raise ValueError(
            f"`batch` must move each sequence in one transformation, as weak supervision asks: several move "
            f"sequence {which}"
        )
    return batch.amounts.sum(-1, keepdim=True)


@torch.no_grad()
def _warn_of_collapse(model: LatentFlow, draw: Draw) -> None:
    batch = draw(_EXAMINED)
    probabilities = _inferring(model)(batch.frames).probabilities.flatten(0, -2)
    told = collapse(probabilities, model.names)
    if told is not None:
        advice = "train longer, give the balance term or the spikes' divergence more weight, or ask for fewer flows"
        warnings.warn(f"flows that were to be found have collapsed; {told}; {advice}", stacklevel=5)


def _temperature(temperatures: tuple[float, float], annealed: float, progress: float) -> float:
    first, last = temperatures
    return float(first * (last / first) ** ramp(annealed, progress))


def _spread(result: Bound) -> Tensor:
    """The standard deviation in nats, over the batch, of the reconstruction: 0 for one sequence."""
    return result.terms["reconstruction"].detach().std(correction=0)


def _inferring(model: LatentFlow) -> nn.Module:
    assert model.amounts is not None
    return model.amounts


def _check_supervision(model: Any, wanted: str) -> None:
    if not isinstance(model, LatentFlow) or model.config.supervision != wanted:
        got = model.config.supervision if isinstance(model, LatentFlow) else type(model).__name__
        raise ValueError(f"`model` must be a latent flow of supervision {wanted!r}, got {got!r}")


def _check_numbers(objective: WeakBound | SparseBound, names: tuple[str, ...]) -> None:
    for name in names:
        check_positive(name, getattr(objective, name), zero=True)
    check_positive("solver_steps", objective.solver_steps)
    for temperature in objective.temperatures:
        check_positive("temperatures", temperature)

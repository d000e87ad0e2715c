"""Posteriors over amounts, and the priors that they are held to: which transformation moves, and how fast.

Supervised training is told the amounts of a path. Where nobody tells, they are inferred from frames:

- one of K transformations moves a whole sequence: a categorical posterior, relaxed for gradients;
- at every step each of K transformations is on or off (a spike) and runs at some speed (a slab).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flowdis._checks import check_positive

__all__ = ["CategoricalPosterior", "LaplacePrior", "SpikeChain", "SpikeSlabPosterior", "collapse"]

_Rows = Float[Tensor, "*batch K"]
_Steps = Float[Tensor, "S *batch K"]
_Sample = Float[Tensor, "*batch"]

_UNUSED, _ALIKE = 0.01, 0.05  # the mean and the standard deviation of probabilities


@dataclass(frozen=True, eq=False)
class CategoricalPosterior:
    """q(k | frames): which one of K transformations moves each sequence.

    Arguments:
        logits: Unnormalised log-probabilities, with shape (*, K).
    """

    logits: _Rows

    @property
    def probabilities(self) -> _Rows:
        """The probabilities, with shape (*, K)."""
        return self.logits.softmax(-1)

    def relaxed(self, temperature: float, generator: torch.Generator | None = None) -> _Rows:
        """A reparameterised sample (*, K) of the relaxed categorical (Gumbel-softmax), rows of sum 1.

        Arguments:
            temperature: How far from one-hot; towards 0 samples become one-hot rows drawn from the probabilities.
            generator: The source of the noise.

        Raises:
            ValueError: if the temperature is not positive.

        Reference: Maddison, Mnih and Teh 2017, arXiv 1611.00712; Jang, Gu and Poole 2017, arXiv 1611.01144.
        """
        check_positive("temperature", temperature)
        gumbel = -(-_uniform(self.logits, generator).log()).log()
        return ((self.logits.log_softmax(-1) + gumbel) / temperature).softmax(-1)

    def sharp(self) -> _Rows:
        """The one-hot rows (*, K) of the most probable transformations."""
        chosen = functional.one_hot(self.logits.argmax(-1), self.logits.shape[-1])
        return chosen.to(self.logits)

    def kl(self) -> _Sample:
        """KL(q || uniform) in nats, with shape (*): of each sample, not of the batch's mean."""
        return math.log(self.logits.shape[-1]) - _entropy(self.logits.log_softmax(-1))

    def imbalance(self) -> Float[Tensor, ""]:
        """KL in nats of the batch's mean probabilities from the uniform: 0 where all K are used alike."""
        return _imbalance(self.logits.log_softmax(-1))


@dataclass(frozen=True)
class SpikeChain:
    """The prior of spikes: each of K switches is a Markov chain of its own that tends to stay as it is.

    From step to step a switch keeps its state with probability `keep`, and is otherwise drawn anew, on with
    probability `on`, which is also its chance at the first step, and so at every one.

    Arguments:
        on: The probability of being on, in (0, 1).
        keep: The probability of keeping the state, in [0, 1).

    Raises:
        ValueError: if a probability is out of range.
    """

    on: float = 0.3
    keep: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.on < 1:
            raise ValueError(f"`on` must lie in (0, 1), got {self.on}")
        if not 0 <= self.keep < 1:
            raise ValueError(f"`keep` must lie in [0, 1), got {self.keep}")

    def after(self, state: int) -> float:
        """The probability of being on after a state, 0 or 1."""
        return self.keep * state + (1 - self.keep) * self.on


@dataclass(frozen=True)
class LaplacePrior:
    """The prior of slabs: speeds with density exp(-|g - mean| / scale) / (2 scale), which may tend to stay.

    Where `drift` is finite, a speed is drawn anew at the first of the steps in which a transformation moves, and at
    each one after has the density exp(-|g - g'| / drift) / (2 drift) about the speed g' of the step before.

    Arguments:
        mean: The usual speed, in amounts per step.
        scale: The mean distance from it.
        drift: The mean change from step to step; infinite where speeds of all steps are drawn anew.

    Raises:
        ValueError: if `mean` is not finite, or `scale` or `drift` is not positive.
    """

    mean: float = 1.0
    scale: float = 0.3
    drift: float = math.inf

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise ValueError(f"`mean` must be finite, got {self.mean}")
        check_positive("scale", self.scale)
        if not self.drift > 0:
            raise ValueError(f"`drift` must be a number > 0, or infinite, got {self.drift}")


@dataclass(frozen=True, eq=False)
class SpikeSlabPosterior:
    r"""q(y, g | frames): at each of S steps, which of K transformations are on, and how fast they run.

    The amounts of step s are :math:`y_s g_s`, with y_s in {0, 1}^K of independent Bernoulli and g_s of independent
    Laplace posteriors, given the frames. A slab whose spike is off moves nothing; it keeps to its prior and costs
    nothing.

    Arguments:
        logits: The log-odds of being on, with shape (S, *, K).
        mean: The mean speeds, with shape (S, *, K).
        log_scale: The logarithms of the slabs' scales, with shape (S, *, K).

    Reference: Song, Keller, Yue, Perona and Welling 2024, arXiv 2410.05564.
    """

    logits: _Steps
    mean: _Steps
    log_scale: _Steps

    @property
    def probabilities(self) -> _Steps:
        """The probabilities of being on, with shape (S, *, K)."""
        return self.logits.sigmoid()

    def spikes(self, temperature: float, generator: torch.Generator | None = None, *, hard: bool = False) -> _Steps:
        """A reparameterised sample (S, *, K) of relaxed switches (binary concrete), within [0, 1].

        Arguments:
            temperature: How far from 0 and 1.
            generator: The source of the noise.
            hard: Whether to round the sample, with the gradient of the relaxed one (straight-through).

        Raises:
            ValueError: if the temperature is not positive.

        Reference: Maddison, Mnih and Teh 2017, arXiv 1611.00712, appendix B.
        """
        check_positive("temperature", temperature)
        drawn = _uniform(self.logits, generator)
        relaxed = ((self.logits + drawn.log() - (-drawn).log1p()) / temperature).sigmoid()
        return relaxed + ((relaxed > 0.5).to(relaxed) - relaxed).detach() if hard else relaxed

    def slabs(self, generator: torch.Generator | None = None) -> _Steps:
        """A reparameterised sample (S, *, K) of the speeds."""
        centred = 2 * _uniform(self.mean, generator) - 1
        return self.mean - self.log_scale.exp() * centred.sign() * (-centred.abs()).log1p()

    def sharp(self) -> _Steps:
        """The amounts (S, *, K) of switches that are on with a probability above a half, at their mean speeds."""
        return torch.where(self.logits > 0, self.mean, torch.zeros_like(self.mean))

    def imbalance(self) -> Float[Tensor, ""]:
        """KL in nats, from the uniform, of each flow's share of all that is on: 0 where all K are used alike."""
        return _imbalance(functional.logsigmoid(self.logits))

    def certainty(self) -> _Sample:
        """KL in nats, from the uniform, of each flow's share of what is on at a step, with shape (*): mean over steps.

        From 0, where nothing says which flow moves, to log K, where one does.
        """
        share = functional.logsigmoid(self.logits).log_softmax(-1)
        return (math.log(share.shape[-1]) - _entropy(share)).mean(0)

    def kl_spikes(self, prior: SpikeChain) -> _Sample:
        r"""KL(q(y) || p(y)) in nats, with shape (*), exact: a sum over steps and transformations.

        .. math:: \sum_k \Big[ KL(q(y_1) \| p(y_1)) + \sum_{s > 1} E_{q(y_{s-1})} KL(q(y_s) \| p(y_s | y_{s-1})) \Big]
        """
        entropy = _switch_entropy(self.logits, self.probabilities)
        first = _cross_entropy(self.probabilities[0], prior.on)
        cost = first - entropy.sum(0)
        if len(self.logits) > 1:
            before, after = self.probabilities[:-1], self.probabilities[1:]
            stayed_off, stayed_on = (_cross_entropy(after, prior.after(state)) for state in (0, 1))
            cost = cost + ((1 - before) * stayed_off + before * stayed_on).sum(0)
        return cost.sum(-1)

    def kl_slabs(self, prior: LaplacePrior) -> _Sample:
        r"""The KL of the slabs that are on from their prior, in nats, with shape (*), in closed form.

        .. math:: KL(\text{Laplace}(m, b) \| \text{Laplace}(\mu, \beta)) = \log\frac\beta b
            + \frac{E|g - \mu|}\beta - 1, \qquad E|g - \mu| = |m - \mu| + b e^{-|m - \mu| / b}

        weighted by the probability that the spike is on, and summed over steps and transformations. Where it was on at
        the step before too, the speed g' there takes the place of the usual one and `drift` that of beta, with the
        expectation over both; see `_mean_distance`.
        """
        scale = self.log_scale.exp()
        apart = _mean_distance((self.mean - prior.mean).abs(), scale, torch.zeros_like(scale))
        anew = math.log(prior.scale) - self.log_scale + apart / prior.scale - 1
        if len(self.mean) == 1 or math.isinf(prior.drift):
            return (self.probabilities * anew).sum((0, -1))
        changed = _mean_distance((self.mean[1:] - self.mean[:-1]).abs(), scale[1:], scale[:-1])
        kept = math.log(prior.drift) - self.log_scale[1:] + changed / prior.drift - 1
        before = self.probabilities[:-1]
        later = (1 - before) * anew[1:] + before * kept
        return (self.probabilities * torch.cat([anew[:1], later])).sum((0, -1))


def collapse(probabilities: Tensor, names: Sequence[str]) -> str | None:
    """What is wrong with inferred amounts that tell nothing; None where they do.

    Arguments:
        probabilities: With which each of K flows is used, in each of N steps or sequences, with shape (N, K).
        names: The names of the K flows.

    Returns:
        Which flows are used in less than a hundredth of all, or that all are used alike, whatever is seen: each with
        probabilities of a standard deviation below 0.05.
    """
    unused = [name for name, share in zip(names, probabilities.mean(0).tolist(), strict=True) if share < _UNUSED]
    if unused:
        return f"never used: {', '.join(unused)}"
    if len(names) > 1 and bool((probabilities.std(0) < _ALIKE).all()):
        return f"used alike, whatever is seen: {', '.join(names)}"
    return None


def _mean_distance(apart: Tensor, one: Tensor, other: Tensor) -> Tensor:
    r"""E|X - Y| of independent Laplace variables of scales b and c >= 0, b > 0, whose means are d >= 0 apart.

    .. math:: d + \frac{b^3 e^{-d / b} - c^3 e^{-d / c}}{b^2 - c^2}, \qquad
        d + \tfrac12 (3 b + d) e^{-d / b} \quad \text{where } b = c
    """
    alike = (one - other).abs() < 0.01 * one
    # Kept off 0 in either branch, so that gradients of the one that is not taken are finite.
    gap = torch.where(alike, torch.ones_like(one), one.square() - other.square())
    positive = other.clamp(min=torch.finfo(other.dtype).tiny ** 0.25)
    cubes = one.pow(3) * (-apart / one).exp() - positive.pow(3) * (-apart / positive).exp()
    middle = 0.5 * (one + other)
    return apart + torch.where(alike, 0.5 * (3 * middle + apart) * (-apart / middle).exp(), cubes / gap)


def _entropy(log_probabilities: Tensor) -> Tensor:
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def _imbalance(log_probabilities: Tensor) -> Tensor:
    """KL in nats, from the uniform, of each of K shares (*, K) of all probability."""
    used = log_probabilities.reshape(-1, log_probabilities.shape[-1]).logsumexp(0)
    return math.log(len(used)) - _entropy(used.log_softmax(-1))


def _switch_entropy(logits: Tensor, probabilities: Tensor) -> Tensor:
    """The entropy in nats of switches of known log-odds, also where they are as good as certain."""
    return -(probabilities * functional.logsigmoid(logits) + (1 - probabilities) * functional.logsigmoid(-logits))


def _cross_entropy(probabilities: Tensor, on: float) -> Tensor:
    """The expected -log p in nats of switches under Bernoulli(on)."""
    return -(probabilities * math.log(on) + (1 - probabilities) * math.log1p(-on))


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers strictly within (0, 1), shaped like `like`."""
    device = like.device if generator is None else generator.device
    tiny = torch.finfo(like.dtype).eps
    drawn = torch.rand(like.shape, dtype=like.dtype, device=device, generator=generator)
    return drawn.to(like.device).clamp(tiny, 1 - tiny)

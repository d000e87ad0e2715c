"""The SlowVAE: from frame to frame, latents stay where they are or jump, one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from flowdis._checks import check_positive
from flowdis._types import Scalar
from flowdis.baselines.fitted import FITTED, check_fittable, fit_flows
from flowdis.data.batch import SequenceBatch
from flowdis.models import LatentFlow, Posterior
from flowdis.objectives import Bound, Draw, Objective

__all__ = ["SlowVAE", "laplace_kl"]


def laplace_kl(before: Posterior, after: Posterior, rate: float) -> Scalar:
    r"""The expected divergence of a posterior from a Laplace density about the posterior of the frame before.

    .. math:: E_{q(z)} KL(q(z') \| p(z' | z)) = \sum_d \Big[ -H(q(z'_d)) - \log \tfrac{\lambda}{2}
        + \lambda E |z'_d - z_d| \Big]

    in closed form, for the difference of two Gaussians is one, N(m, s^2), and
    :math:`E |d| = s \sqrt{2 / \pi} \, e^{-m^2 / 2 s^2} + m \operatorname{erf}(m / \sqrt 2 s)`.

    Arguments:
        before: The posterior of the frame before, with shape (*, D).
        after: The posterior of the frame after, with shape (*, D).
        rate: The Laplace density's rate lambda.

    Returns:
        The divergence in nats, with shape (*), a sum over latents.

    Raises:
        ValueError: if `rate` is not positive.
    """
    check_positive("rate", rate)
    mean = after.mean - before.mean
    std = ((2 * after.log_std).exp() + (2 * before.log_std).exp()).sqrt()
    ratio = mean / (math.sqrt(2) * std)
    apart = std * math.sqrt(2 / math.pi) * torch.exp(-ratio.square()) + mean * torch.erf(ratio)
    entropy = after.log_std + 0.5 * math.log(2 * math.pi * math.e)
    return (rate * apart - entropy - math.log(rate / 2)).sum(-1)


@dataclass(frozen=True)
class SlowVAE(Objective):
    r"""The SlowVAE, on pairs of frames: frame 0 and a later one.

    .. math:: -E_q[\log p(x | z) + \log p(x' | z')] + KL(q(z | x) \| N(0, I))
        + \gamma \, E_{q(z)} KL(q(z' | x') \| \operatorname{Laplace}(z, 1 / \lambda))

    Flows are fitted to the codes afterwards.

    Arguments:
        rate: The rate lambda of the transitions.
        gamma: The weight of their divergence.

    Raises:
        ValueError: if a number is out of range.

    Reference: Klindt et al. 2020, arXiv 2007.10930. The expectation over z is exact here; the published
        code takes z at its mean, and both directions of time.
    """

    rate: float = 6.0
    gamma: float = 10.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_positive("gamma", self.gamma, zero=True)

    def frames(self, wanted: int) -> int | None:
        """One beside frame 0."""
        return 1

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`."""
        check_fittable(model)

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
        if len(batch.frames) != 2:
            raise ValueError(f"`batch` must hold pairs of frames, got {len(batch.frames)} frames a sequence")
        posterior = model.encode(batch.frames)
        z = posterior.sample(generator)
        (mean, mean_after), (spread, spread_after) = posterior.mean, posterior.log_std
        before, after = Posterior(mean, spread), Posterior(mean_after, spread_after)
        terms = {
            "reconstruction": -model.log_likelihood(batch.frames, z).sum(0),
            "kl": before.kl(),
            "kl_transition": laplace_kl(before, after, self.rate),
        }
        loss = terms["reconstruction"] + terms["kl"] + self.gamma * terms["kl_transition"]
        return Bound(terms, loss.mean(), images=2)

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        """Fits the flows."""
        fit_flows(model, draw(FITTED))

"""The evidence lower bound of a latent path, term by term, in nats per sequence.

Every term is kept per sample until the one final mean. The model is

    p(x_{0:T}, z_0 | A) = p(z_0) prod_t p(x_t | z_t(z_0, A)),    q(z_0 | x_0) = N(mu(x_0), diag sigma^2(x_0)),

with z_t the flow of z_0 along the path A. For underdamped dynamics it is the model whose momentum starts in
N(launch velocity, spread^2 I), drawn with z_0, and `kl_path` compares densities of latent and momentum.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis._types import FrameAmounts, FrameLatents, Latent
from flowdis.data.batch import SequenceBatch
from flowdis.dynamics import Solver, Underdamped
from flowdis.models import LatentFlow, gaussian_log_density
from flowdis.objectives.base import Bound, Objective
from flowdis.objectives.regularisers import energy, hamilton_jacobi, start_speed

__all__ = ["FlowBound", "Weights", "bound", "kl_path", "log_momentum_prior", "log_prior"]


@dataclass(frozen=True)
class Weights:
    """How much each term counts; 1 for the first three is the bound, the others are regularisers.

    Arguments:
        reconstruction: Of the negative log-likelihood of the frames.
        kl_initial: Of the divergence of the first code's posterior from N(0, I).
        kl_path: Of the transported density against the diffused prior.
        energy: Of the kinetic energy of the path, the dynamic optimal transport cost.
        hamilton_jacobi: Of the squared Hamilton-Jacobi residual of clocked potentials.
        start_speed: Of the squared speed that clocked potentials start with.

    Raises:
        ValueError: if a weight is negative or not finite.
    """

    reconstruction: float = 1.0
    kl_initial: float = 1.0
    kl_path: float = 1.0
    energy: float = 0.0
    hamilton_jacobi: float = 0.0
    start_speed: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            check_positive(item.name, getattr(self, item.name), zero=True)


def log_prior(z: FrameLatents, lengths: FrameAmounts, log_diffusion: Tensor) -> Tensor:
    r"""The log-density in nats of the prior of a latent path, with shape (T, *).

    N(0, I), diffused at rate d_k along each transformation, whatever its direction:

    .. math:: p_s = N\big(0, (1 + 2 \textstyle\int \sum_k |A_k| d_k) I\big).

    Arguments:
        z: The latents, with shape (T, *, D).
        lengths: The path's magnitudes run so far, with shape (T, *, K).
        log_diffusion: The logarithms of the rates d_k, with shape (K,).
    """
    variance = 1 + 2 * (lengths * log_diffusion.exp()).sum(-1)
    return gaussian_log_density(z, 0.0, 0.5 * variance.log().unsqueeze(-1).expand_as(z))


def log_momentum_prior(momentum: FrameLatents, log_std: Tensor) -> Tensor:
    """The log-density in nats of the prior of momenta, N(0, sigma^2 I) at every time, with shape (T, *).

    Arguments:
        momentum: The momenta, with shape (T, *, D).
        log_std: The logarithm of sigma, with shape ().
    """
    return gaussian_log_density(momentum, 0.0, log_std.expand_as(momentum))


def kl_path(log_q: Tensor, log_p: Tensor) -> Tensor:
    """The mean over frames of log q_t(z_t) - log p_t(z_t), (T, *) to (*): one sample's estimate of a divergence.

    The prior must not ride the posterior's own flow: a divergence does not change under a common
    deterministic flow, and the term would be empty. A divergence of latent and momentum is at least that of the latent.
    """
    return (log_q - log_p).mean(0)


def bound(
    model: LatentFlow,
    batch: SequenceBatch,
    *,
    weights: Weights | None = None,
    solver: Solver | None = None,
    generator: torch.Generator | None = None,
) -> Bound:
    """The negative evidence lower bound of sequences whose amounts are known.

    Where the batch holds x_0 and F - 1 of the frames 1 to T, drawn at random, the likelihoods of these are
    rescaled by T / (F - 1), which keeps the bound unbiased.

    Arguments:
        model: The model.
        batch: The sequences.
        weights: The terms' weights; 1, 1, 1, 0, 0 where left out.
        solver: The numerical method of the transport; the model's own where left out.
        generator: The source of the posterior's samples.

    Returns:
        The terms and the loss.
    """
    weights = Weights() if weights is None else weights
    posterior = model.encode(batch.first)
    z_0: Latent = posterior.sample(generator)
    log_q = posterior.log_density(z_0) if weights.kl_path > 0 else None
    path = batch.path.to(z_0)
    trajectory = model.transport(path, z_0, frames=batch.times, log_q=log_q, solver=solver, generator=generator)
    likelihood = model.log_likelihood(batch.frames, trajectory.z)
    terms = {
        "reconstruction": -torch.einsum("t,tb->b", batch.weights.to(z_0), likelihood),
        "kl_initial": posterior.kl(),
    }
    z, times = trajectory.z[1:], batch.times[1:]
    if trajectory.log_q is not None:
        log_p = log_prior(z, path.elapsed(times, absolute=True), model.log_diffusion)
        dynamics, log_std = model.dynamics, model.motion.log_momentum
        if isinstance(dynamics, Underdamped) and log_std is not None:
            log_p = log_p + log_momentum_prior(dynamics.momentum(trajectory.states[1:]), log_std)
        terms["kl_path"] = kl_path(trajectory.log_q[1:], log_p)
    if weights.energy > 0:
        terms["energy"] = energy(model, path, trajectory.states[1:], times)
    if weights.hamilton_jacobi > 0:
        terms["hamilton_jacobi"] = hamilton_jacobi(model, path, z, times)
    if weights.start_speed > 0:
        terms["start_speed"] = start_speed(model, path, z_0)
    total = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum(0)
    return Bound(terms, total.mean(), images=batch.length + 1)


@dataclass(frozen=True)
class FlowBound(Objective):
    """The negative evidence lower bound of sequences whose amounts are known; see `bound`.

    Arguments:
        weights: The weights of its terms.
        solver_steps: Runge-Kutta steps per segment, or for underdamped dynamics four times as many of splitting.

    Raises:
        ValueError: if `solver_steps` is not positive.
    """

    weights: Weights = field(default_factory=Weights)
    solver_steps: int = 8

    def __post_init__(self) -> None:
        check_positive("solver_steps", self.solver_steps)

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
        solver = Solver(steps=self.solver_steps)
        return bound(model, batch, weights=self.weights, solver=solver, generator=generator)

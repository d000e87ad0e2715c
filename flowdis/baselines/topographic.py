"""The topographic variational autoencoder: codes that roll along rings, one site from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from flowdis.data.batch import SequenceBatch
from flowdis.fields import LinearField
from flowdis.models import LatentFlow
from flowdis.models.topographic import TopographicEncoder, ring_generator
from flowdis.objectives import Bound, Draw, Objective

__all__ = ["TopographicVAE", "roll_flows"]

_SEQUENCES = 100  # from which the size of a step of each transformation is read


@dataclass(frozen=True)
class TopographicVAE(Objective):
    r"""The topographic VAE, on whole sequences that take even steps.

    .. math:: \sum_l \Big[ -E_q[\log p(x_l | t_l)] + KL(q(z_l | x_l) \| N(0, I)) + KL(q(u_l | x_l) \| N(0, I)) \Big]

    with the codes t of `TopographicEncoder`. The window does not wrap from the last frame to the first unless
    sequences are closed: what lies outside is what the roll makes of the first and the last frame. Its flows are the
    roll itself, one site per step, the same for all transformations, which the model does not tell apart.

    Arguments:
        closed: Whether every sequence is a cycle, whose frame after the last is the first again.

    Reference: Keller and Welling 2021, Topographic VAEs learn equivariant capsules, arXiv 2109.01394.
    """

    closed: bool = False

    def frames(self, wanted: int) -> int | None:
        """All of them."""
        return None

    def check(self, model: LatentFlow) -> None:
        """See `Objective.check`."""
        _encoder(model)

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
        encoder = _encoder(model)
        if len(batch.frames) != batch.length + 1:
            raise ValueError(f"`batch` must hold all {batch.length + 1} frames, got {len(batch.frames)} of them")
        _steps(batch)
        z, u = encoder.z(batch.frames), encoder.u(batch.frames)
        codes = encoder.codes(z.sample(generator), u.sample(generator), closed=self.closed)
        terms = {
            "reconstruction": -model.log_likelihood(batch.frames, codes).sum(0),
            "kl_z": z.kl().sum(0),
            "kl_u": u.kl().sum(0),
        }
        return Bound(terms, torch.stack(list(terms.values())).sum(0).mean(), images=len(batch.frames))

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        """Makes the roll the flow of every transformation."""
        roll_flows(model, draw(_SEQUENCES))


@torch.no_grad()
def roll_flows(model: LatentFlow, batch: SequenceBatch) -> None:
    """Sets the model's linear fields to the roll of its rings by one site per step of the sequences.

    Arguments:
        model: A model with a topographic encoder and linear fields, which are replaced.
        batch: Training sequences, which say how large a step of each transformation is.

    Raises:
        ValueError: if the model is another one, or the sequences leave a transformation out or go both ways.
    """
    encoder = _encoder(model)
    sites = 1 / _steps(batch)
    if not bool(sites.isfinite().all()):
        resting = [name for name, rate in zip(batch.names, sites, strict=True) if not bool(rate.isfinite())]
        raise ValueError(f"`batch` must move every transformation, got none that moves {', '.join(resting)}")
    capsules = torch.eye(model.dim // encoder.ring, dtype=torch.float64)
    roll = torch.kron(capsules, ring_generator(encoder.ring)).to(model.device)
    matrix = sites.double().to(roll)[:, None, None] * roll
    model.fields.load_state_dict({"matrix": matrix.to(model.dtype)})


def _encoder(model: LatentFlow) -> TopographicEncoder:
    if not isinstance(model.encoder, TopographicEncoder):
        got = type(model.encoder).__name__
        raise ValueError(f"`encoder` must be topographic for codes that roll along rings, got {got}")
    if not isinstance(model.fields, LinearField):
        raise ValueError(f"`field` must be linear, which a roll is, got {type(model.fields).__name__}")
    return model.encoder


def _steps(batch: SequenceBatch) -> torch.Tensor:
    """The mean amount (K) of the steps that move each transformation; NaN where none does."""
    steps = batch.path.elapsed(batch.times).diff(dim=0).flatten(0, -2)
    both = [name for name, column in zip(batch.names, steps.mT, strict=True) if bool(column.min() < 0 < column.max())]
    if both:
        raise ValueError(f"`batch` must move {both[0]} one way only, by even steps, as codes roll one way, got both")
    return steps.sum(0) / steps.ne(0).sum(0)

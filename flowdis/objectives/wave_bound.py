"""The evidence lower bound of a sequence that runs on from one latent state, in nats per sequence."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flowdis._checks import check_positive
from flowdis.data.batch import SequenceBatch
from flowdis.dynamics.lattice import Lattice
from flowdis.models.posterior import gaussian_log_density
from flowdis.models.wave_machine import WaveMachine
from flowdis.objectives.base import Bound, Objective

__all__ = ["WaveBound", "sequence_log_likelihood"]

_Frames = Float[Tensor, "T B C H W"]


@dataclass(frozen=True)
class WaveBound(Objective):
    r"""The negative evidence lower bound of sequences, with one posterior and one divergence for each.

    .. math:: -\sum_t E_{q(s | x)} \big[ \log p(x_t | s_t) \big] + KL\big( q(s | x) \| N(0, I) \big)

    with :math:`s_t` where the latents run from s with eyes closed, t from the frame that s is the state of to the last.
    Decoding a few frames of each sequence, one drawn in each of as many equal spans of time and weighted by their
    length, leaves the bound unbiased.

    Arguments:
        length: Frames of a sequence, those that the encoder reads included.
        decoded: How many frames of each sequence are decoded per step; all where left out.
        ramp: The share of the budget over which sequences grow from few frames to all of them; a long run from an
            untrained state teaches nothing.
        shortest: How many frames after those that the encoder reads sequences have at first.
        kl: The weight of the divergence; 1 is the bound.

    Raises:
        ValueError: if a number is out of range.
    """

    length: int = 70
    decoded: int | None = 4
    ramp: float = 0.5
    shortest: int = 4
    kl: float = 1.0

    def __post_init__(self) -> None:
        for name in ("length", "shortest"):
            check_positive(name, getattr(self, name))
        for name in ("ramp", "kl"):
            check_positive(name, getattr(self, name), zero=True)
        if self.decoded is not None:
            check_positive("decoded", self.decoded)

    def frames(self, wanted: int) -> int | None:
        """All frames of its length beside the first, whatever the settings ask for."""
        return self.length - 1

    def check(self, model: nn.Module) -> None:
        """See `Objective.check`."""
        if not isinstance(model, WaveMachine):
            raise ValueError(f"`model` must be a wave machine, got {type(model).__name__}")
        if self.length <= model.config.anchor or self.length < model.config.frames:
            raise ValueError(
                f"`length` must be at least the {model.config.frames} frames that the encoder reads, got {self.length}"
            )

    def horizon(self, progress: float, read: int) -> int:
        """How many frames sequences have at a share of the budget, of which the encoder reads so many."""
        shortest = min(self.length, read + self.shortest)
        share = min(1.0, progress / self.ramp) if self.ramp else 1.0
        return shortest + round(share * (self.length - shortest))

    def monitor(self, model: nn.Module) -> dict[str, float]:
        """The stability of a lattice whose waves do not mix, as "stability.growth" and so on: `Lattice.stability`."""
        dynamics = getattr(model, "dynamics", None)
        if not isinstance(dynamics, Lattice) or not dynamics.coupling.local:
            return {}
        return {f"stability.{name}": value for name, value in asdict(dynamics.stability()).items()}

    def __call__(
        self,
        model: WaveMachine,
        batch: SequenceBatch,
        *,
        parts: nn.Module | None = None,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Bound:
        """See `Objective.__call__`."""
        config, frames = model.config, batch.frames
        if len(frames) < self.length:
            raise ValueError(f"`batch` must hold {self.length} frames of each sequence, got {len(frames)}")
        seen = frames[config.anchor : self.horizon(progress, config.frames)]
        posterior = model.encode(frames[: config.frames])
        latents = posterior.sample(generator)
        if self.decoded is None or self.decoded >= len(seen):
            likelihood = model.log_likelihood(seen, model.run(latents, len(seen))).sum(0)
        else:
            times = _drawn_times(len(seen), self.decoded, frames.shape[1], generator).to(frames.device)
            rows = torch.arange(frames.shape[1], device=frames.device)
            drawn = model.log_likelihood(seen[times, rows], model.run(latents, len(seen), picked=times))
            likelihood = len(seen) * drawn.mean(0)
        terms = {"reconstruction": -likelihood, "kl": posterior.kl()}
        return Bound(terms, (terms["reconstruction"] + self.kl * terms["kl"]).mean(), images=len(seen))


def _drawn_times(count: int, decoded: int, batch: int, generator: torch.Generator | None) -> Int[Tensor, "D B"]:
    """One of `count` frames in each of `decoded` equal spans of them, every frame with the same chance."""
    device = None if generator is None else generator.device
    within = torch.rand(decoded, batch, dtype=torch.float64, device=device, generator=generator)
    spans = torch.arange(decoded, dtype=torch.float64, device=device)[:, None]
    return ((spans + within) * (count / decoded)).long().clamp(max=count - 1)


@torch.no_grad()
def sequence_log_likelihood(
    model: WaveMachine, frames: _Frames, *, samples: int = 16, generator: torch.Generator | None = None
) -> Float[Tensor, "B"]:
    r"""The importance-weighted bound on the log-likelihood in nats of whole sequences, one weight for each sequence.

    .. math:: \log \frac1n \sum_i \frac{p(x | s_i) \, p(s_i)}{q(s_i | x)}, \qquad s_i \sim q(s | x)

    It rises with n from the evidence lower bound to the log-likelihood of the frames from the posterior's one on.

    Arguments:
        model: The model.
        frames: The sequences, with shape (T, B, C, H, W), of which the encoder reads the first few.
        samples: The number n of samples.
        generator: Their source.

    Raises:
        ValueError: if `samples` is not positive, or sequences are shorter than what the encoder reads.

    Reference: Burda, Grosse and Salakhutdinov 2016, arXiv 1509.00519.
    """
    check_positive("samples", samples)
    config = model.config
    if len(frames) < config.frames:
        raise ValueError(f"`frames` must be at least the {config.frames} that the encoder reads, got {len(frames)}")
    posterior, seen = model.encode(frames[: config.frames]), frames[config.anchor :]
    weights = []
    for _ in range(samples):
        latents = posterior.sample(generator)
        likelihood = model.log_likelihood(seen, model.run(latents, len(seen))).sum(0)
        weights.append(likelihood + gaussian_log_density(latents, 0.0, 0.0) - posterior.log_density(latents))
    return torch.stack(weights).logsumexp(0) - math.log(samples)

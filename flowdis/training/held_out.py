"""The loss on sequences that a model is not trained on: always the same ones, at their full motion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from flowdis.data.batch import CodePairs, SequenceBatch
from flowdis.objectives import Objective

__all__ = ["HELD_OUT", "HeldOut", "Sampler", "held_out_loss"]

HELD_OUT = "held_out.loss"
"""Its name in the history."""

_SEQUENCES = 64


@runtime_checkable
class Sampler(Protocol):
    """Anything that draws batches of sequences, such as `TransformSequences`."""

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch | CodePairs:
        """Draws `batch_size` sequences, amounts multiplied by `speed`, all randomness from `generator`."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """How a training does on held-out sequences.

    Arguments:
        last: The loss at its end, in nats per sequence.
        best: The lowest loss there was.
        best_step: After how many steps.
    """

    last: float
    best: float
    best_step: int


@torch.no_grad()
def held_out_loss(
    model: Any, sequences: Sampler, objective: Objective, *, parts: nn.Module | None, frames: int, seed: int
) -> float:
    """The loss of a model on the same sequences each time, as at the end of training; nothing is changed or drawn from.

    Arguments:
        model: The model.
        sequences: What draws held-out sequences.
        objective: What training lowers.
        parts: What the objective learns beside the model.
        frames: How many frames of each sequence are asked for.
        seed: The seed of the sequences and of posterior samples.

    Returns:
        The loss in nats per sequence, infinite where it is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    batch = sequences.sample(_SEQUENCES, generator=generator, frames=objective.frames(frames))
    training = model.training
    model.eval()
    try:
        loss = float(objective(model, batch, parts=parts, generator=generator, progress=1.0).loss)
    finally:
        model.train(training)
    return loss if math.isfinite(loss) else math.inf

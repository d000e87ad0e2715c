"""What an objective is: numbers that turn a model and a batch of sequences into a loss, term by term."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowdis.data.batch import SequenceBatch

__all__ = ["Bound", "Draw", "Objective", "ramp"]

Draw = Callable[[int], SequenceBatch]


@dataclass(frozen=True, eq=False)
class Bound:
    """The negative bound and its parts.

    Arguments:
        terms: Each term before its weight, per sample, with shape (B,), in nats.
        loss: The weighted sum, averaged over the batch; a scalar in nats per sequence.
        images: How many images of a sequence the loss stands for.
        parts_loss: What the objective's own parts lower, a scalar, with no gradient for the model; None where there
            are no parts.
    """

    terms: Mapping[str, Tensor]
    loss: Tensor
    images: int = 1
    parts_loss: Tensor | None = None

    def means(self) -> dict[str, float]:
        """Each term's mean over the batch, as plain numbers."""
        return {name: float(term.detach().mean()) for name, term in self.terms.items()}


class Objective(ABC):
    """What training lowers: numbers only, so that one objective serves any model of its kind and any run.

    What it learns beside the model, such as a discriminator, are its parts: made anew for each run, kept by the
    trainer, and lowered by an optimiser of their own.
    """

    def frames(self, wanted: int) -> int | None:
        """How many of the frames 1 to T it sees of each sequence, beside frame 0; None for all of them.

        Arguments:
            wanted: How many the settings of the training ask for.
        """
        return wanted

    def check(self, model: Any) -> None:
        """Checks, before training, that a model is of the kind that the objective trains.

        Raises:
            ValueError: if it is not.
        """
        return None

    def parts(self, model: Any, generator: torch.Generator) -> nn.Module | None:
        """New parts for a model, their weights drawn from `generator`; None where it has none."""
        return None

    def optimizer(self, parts: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of its parts."""
        return torch.optim.Adam(parts.parameters())

    @abstractmethod
    def __call__(
        self,
        model: Any,
        batch: Any,
        *,
        parts: nn.Module | None = None,
        generator: torch.Generator | None = None,
        progress: float = 1.0,
    ) -> Bound:
        """The loss of a batch.

        Arguments:
            model: The model.
            batch: The sequences, with as many frames as `frames` says, or pairs of codes, whichever it is for.
            parts: What `parts` made.
            generator: The source of posterior samples.
            progress: The share of the training's budget that is used up, in [0, 1], for schedules.

        Returns:
            The terms and the loss.

        Raises:
            ValueError: if the model, the parts or the batch do not suit the objective.
        """

    def monitor(self, model: Any) -> dict[str, float]:
        """What else to log of a model while it is trained, by "section.name"; nothing by default."""
        return {}

    def finish(self, model: Any, draw: Draw) -> None:
        """Sets what training leaves open, such as flows that are fitted to codes; nothing by default.

        Arguments:
            model: The trained model.
            draw: Draws so many whole sequences, the same ones whenever training ends.
        """
        return None


def ramp(share: float, progress: float) -> float:
    """How far something has come that goes from 0 to 1 over the first share of the budget; 1 where the share is 0."""
    return min(1.0, progress / share) if share else 1.0

"""What was found: for each flow of a model, what it does alone, how often it is used, and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.data.batch import SequenceBatch
from flowdis.metrics.amounts import USED, AmountScores, inferred_amounts, match_amounts
from flowdis.metrics.batches import codes, placed
from flowdis.models import LatentFlow
from flowdis.models.amount_posteriors import collapse
from flowdis.paths import Flow

__all__ = ["Explanation", "FlowExplanation", "explain"]


@dataclass(frozen=True, eq=False)
class FlowExplanation:
    """One flow.

    Arguments:
        flow: The flow, by which it can be run.
        film: It alone, from frames of the sequences on, with shape (T, B, C, H, W), over `amounts`.
        amounts: The amounts at the film's frames, with shape (T).
        usage: The share of steps, or under weak supervision of sequences, in which it is on.
        speed: The mean amount of a step in which it is on; 0 where it never is.
        spread: The standard deviation of these amounts.
        responses: By transformation, where it is known what moved, the correlation of the inferred amounts with the
            true ones.
    """

    flow: Flow
    film: Float[Tensor, "T B C H W"]
    amounts: Float[Tensor, "T"]
    usage: float
    speed: float
    spread: float
    responses: Mapping[str, float]

    @property
    def used(self) -> bool:
        """Whether it is on in a hundredth of the steps or more."""
        return self.usage >= USED


@dataclass(frozen=True, eq=False)
class Explanation:
    """All flows of a model, and how they are used together.

    Arguments:
        flows: Each flow, in the order of the model.
        scores: Inferred amounts beside true ones, where it is known what moved.
        collapse: What is wrong with amounts that tell nothing; None where they do.
    """

    flows: tuple[FlowExplanation, ...]
    scores: AmountScores | None
    collapse: str | None

    @property
    def unused(self) -> tuple[str, ...]:
        """The names of flows that are on in less than a hundredth of the steps."""
        return tuple(found.flow.name for found in self.flows if not found.used)

    def to_json(self) -> dict[str, Any]:
        """All but the films."""
        flows = {
            found.flow.name: {
                "usage": found.usage,
                "speed": found.speed,
                "spread": found.spread,
                "responses": dict(found.responses),
            }
            for found in self.flows
        }
        scores = {} if self.scores is None else {"amounts": self.scores.to_json()}
        return {"flows": flows, "unused": list(self.unused), "collapse": self.collapse, **scores}


@torch.no_grad()
def explain(
    model: LatentFlow,
    sequences: SequenceBatch | Sequence[SequenceBatch],
    *,
    frames: int = 9,
    shown: int = 3,
    amount: float | None = None,
) -> Explanation:
    """What each flow of a model that infers amounts does, alone, and in sequences.

    Arguments:
        model: The model.
        sequences: Whole sequences, in one batch or several; where they name what moved them, other than "time", flows
            are compared with that.
        frames: How many frames each film has.
        shown: How many images each film starts from: the first ones of the sequences.
        amount: How far a film runs; three times the distance that a flow usually moves a whole sequence where left
            out, or 1 where it is never used.

    Raises:
        ValueError: if the model infers no amounts, there are no sequences, or a number is not positive.
    """
    for name, number in (("frames", frames - 1), ("shown", shown)):
        check_positive(name, number)
    batches = [sequences] if isinstance(sequences, SequenceBatch) else list(sequences)
    if not batches:
        raise ValueError("`sequences` must hold at least one batch, got none")
    inferred, true, belongs = inferred_amounts(model, batches)
    names = batches[0].names
    scores = None
    if names != ("time",):
        told = true.to(inferred.device)
        scores = match_amounts(inferred, told, flows=model.names, names=names, sequences=belongs)
    z = codes(model, batches[0].first[:shown])
    steps = 1 if model.config.supervision == "weak" else batches[0].length
    found = []
    for k, flow in enumerate(model.flows()):
        on = inferred[:, k][inferred[:, k] != 0].double()
        usual = float(on.mean()) if len(on) else 0.0
        reach = amount or 3 * steps * usual or 1.0
        film = model.decode(model.transport(flow.by_amount(reach), z, frames=torch.linspace(0, 1, frames)).z)
        responses = {} if scores is None else dict(zip(names, scores.table[k], strict=True))
        found.append(
            FlowExplanation(
                flow=flow,
                film=film,
                amounts=torch.linspace(0, reach, frames, dtype=torch.float64),
                usage=len(on) / len(inferred),
                speed=usual,
                spread=float(on.std(correction=0)) if len(on) else 0.0,
                responses=responses,
            )
        )
    assert model.amounts is not None
    posteriors = [model.amounts(placed(model, batch.frames)).probabilities.flatten(0, -2) for batch in batches]
    return Explanation(tuple(found), scores, collapse(torch.cat(posteriors), model.config.field_names))

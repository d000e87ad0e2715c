"""A model that infers amounts, judged on sequences of which it is known what moved them."""

from __future__ import annotations

from typing import Any

import torch

from flowdis.data.sequences import TransformSequences
from flowdis.metrics.amounts import amount_scores, inferred_sequences, matched
from flowdis.metrics.equivariance import equivariance_error
from flowdis.models import LatentFlow

__all__ = ["evaluate_amounts"]


def evaluate_amounts(
    model: LatentFlow,
    sequences: TransformSequences,
    *,
    batch_size: int = 250,
    generator: torch.Generator | None = None,
) -> tuple[dict[str, Any], LatentFlow]:
    """How well amounts are inferred and predict the frames that they are inferred from.

    Arguments:
        model: A model that infers amounts.
        sequences: Test sequences, each of which is drawn once, without augmentation.
        batch_size: Sequences at a time.
        generator: The source of their motions; one of seed 0 where left out.

    Returns:
        `AmountScores.to_json()` with `predicted` beside: `error`, `identity` and `floor` of the later frames,
        transported from the first by the inferred amounts, in squared pixels summed over an image and the frames. And
        the model, its flows named by what they are matched to.

    Raises:
        ValueError: if the model infers no amounts, or `batch_size` is not positive.
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    batches = list(sequences.batches(batch_size, generator=generator))
    inferred = [inferred_sequences(model, batch) for batch in batches]
    scores = amount_scores(model, batches, inferred)
    errors = equivariance_error(model, {"inferred": inferred})["inferred"]
    predicted = {name: errors.total(name) for name in ("error", "identity", "floor")}
    return scores.to_json() | {"predicted": predicted}, matched(model, scores, sequences.units or {})

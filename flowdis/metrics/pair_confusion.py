"""Which flow lies between two images, by a small network that learns from few of them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from flowdis._checks import check_finite
from flowdis.metrics.networks import small_network, train_network
from flowdis.metrics.seeds import draw_seed

__all__ = ["learned_pairs", "moved_flows", "pair_confusion"]

_Differences = Float[Tensor, "P C H W"]
_Labels = Int[Tensor, "P"]
_Counts = Int[Tensor, "K K"]


def moved_flows(amounts: Float[Tensor, "P K"]) -> _Labels:
    """Which flow each row of amounts moves, with shape (P,).

    Arguments:
        amounts: One amount per flow, of which each row has exactly one that is not 0, with shape (P, K).

    Raises:
        ValueError: if a row moves no flow or several, naming the row, or an amount is not finite.

    Example:
        >>> moved_flows(torch.tensor([[0.0, -1.0], [1.0, 0.0]])).tolist()
        [1, 0]
    """
    moving = check_finite("amounts", amounts) != 0
    counts = moving.sum(-1)
    wrong = (counts != 1).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"`amounts` must move exactly one flow in each row, got {int(counts[row])} in row {row}")
    return moving.long().argmax(-1)


def pair_confusion(
    differences: _Differences,
    labels: Int[Tensor, "L"],
    count: int,
    *,
    seed: int,
    train_share: float = 0.01,
    steps: int = 100,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
) -> _Counts:
    """Trains a network to name the flow of a pair on a share of the pairs, and lets it name those of the others.

    Arguments:
        differences: The image after minus the image before, with shape (P, C, H, W).
        labels: Which flow lies between them, 0 to K - 1, with shape (P,); `moved_flows` has them.
        count: The number K of flows.
        seed: The seed of the split, of the weights and of the batches.
        train_share: The share of the pairs that is learned from.
        steps: Steps of the optimiser.
        batch_size: Pairs in a step.
        learning_rate: Of AdamW, at the start.

    Returns:
        How many test pairs of each flow (rows) are taken for each flow (columns), with shape (K, K).

    Raises:
        ValueError: if shapes do not match, a label is out of range, or the share leaves less than one pair per flow to
            learn from, or none to test on.
    """
    check_finite("differences", differences)
    if len(labels) != len(differences):
        raise ValueError(f"`labels` must be as many as `differences`, got {len(labels)} and {len(differences)}")
    learned = learned_pairs(len(labels), count, train_share)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= count:
        raise ValueError(f"`labels` must lie in 0 to {count - 1}, got values from {low} to {high}")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator).to(differences.device)
    labels = labels.to(differences.device)
    inputs, aims = differences[order[:learned]], labels[order[:learned]]
    size = inputs.square().mean().sqrt()
    scale = 1 / torch.where(size > 0, size, 1.0)  # flows that go far are no easier to learn than others
    network = small_network(differences.shape[1:], count, seed=draw_seed(generator)).to(differences)

    def loss(chosen: Tensor) -> Tensor:
        chosen = chosen.to(inputs.device)
        return functional.cross_entropy(network(inputs[chosen] * scale), aims[chosen])

    train_network(
        network, loss, learned, steps=steps, batch_size=batch_size, learning_rate=learning_rate, generator=generator
    )
    with torch.no_grad():
        named = torch.cat([network(differences[part] * scale).argmax(-1) for part in order[learned:].split(500)])
    cells = labels[order[learned:]] * count + named
    return torch.bincount(cells, minlength=count * count).reshape(count, count).cpu()


def learned_pairs(pairs: int, count: int, train_share: float) -> int:
    """How many pairs are learned from.

    Arguments:
        pairs: How many there are.
        count: The number K of flows.
        train_share: The share of the pairs that is learned from.

    Raises:
        ValueError: if there are no two flows, less than one pair per flow to learn from, or none to test on.
    """
    if count < 2:
        raise ValueError(f"`count` must be at least 2 flows to be told apart, got {count}")
    learned = round(train_share * pairs) if 0 < train_share < 1 else 0
    if not count <= learned < pairs:
        raise ValueError(
            f"`train_share` must leave at least {count} pairs to learn from, one per flow, and one to test on, "
            f"got {train_share} of {pairs} pairs"
        )
    return learned

r"""Variation predictability: can a small network tell from two images which of the flows lies between them?

Pairs are an image decoded before and after flow k, k and the direction drawn at random. A network sees the difference
of the two, learns to name k on a hundredth of the pairs and is tested on the others: flows that each do one thing,
the same everywhere, are learned from few pairs. The score is the share of test pairs named rightly; chance is 1/K.

It is no proof of disentanglement: any flows that differ enough are told apart, untrained ones among them, which
therefore stand beside the score.

Published scores (Zhu et al. 2020, Learning disentangled representations with latent variation predictability, arXiv
2007.12865) are of 40,000 pairs, so of 400 to learn from, and of Adam at 5e-4 with batches of 32, in later work for
300 epochs. Here a quarter of the pairs and a faster rate, which falls to 0, make it a matter of seconds. Scores rise
with the number of pairs that are learned from: only those with the same `pairs` and `train_share` are to be compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from flowdis._checks import check_finite, check_positive
from flowdis.dynamics import Dynamics
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, check_stills, codes, slices
from flowdis.metrics.degenerate import degenerate_flows
from flowdis.metrics.networks import shrink, small_network, train_network
from flowdis.metrics.seeds import draw_seed
from flowdis.metrics.single_flows import single_flow_ends
from flowdis.models import LatentFlow

__all__ = ["VariationPredictability", "moved_flows", "pair_confusion", "variation_predictability"]

_Differences = Float[Tensor, "P C H W"]
_Labels = Int[Tensor, "P"]
_Counts = Int[Tensor, "K K"]
_Shares = Float[Tensor, "K K"]

# Codes that the lengths of random flows are set by, and runs of controls, which nobody needs the spread of.
_MEASURED, _CONTROL_RUNS = 200, 2


@dataclass(frozen=True, eq=False)
class VariationPredictability:
    """The share of test pairs whose flow is named rightly.

    Arguments:
        names: The K flows.
        runs: The share in each run, with a split and a network of its own.
        confusion: The share of each flow's test pairs (rows) that are taken for each flow (columns), the mean over
            runs, zeros where it has none, with shape (K, K).
        controls: The scores of other flows on the same codes: "static", "random" and those passed in.
        amount: The amount that each flow runs, either way.
        pairs: The number of pairs.
        learned: How many of them a network learns from.
    """

    names: tuple[str, ...]
    runs: tuple[float, ...]
    confusion: _Shares
    controls: Mapping[str, float]
    amount: float
    pairs: int
    learned: int

    @property
    def score(self) -> float:
        """The mean over runs."""
        return statistics.fmean(self.runs)

    @property
    def spread(self) -> float:
        """The standard deviation over runs, 0 of a single one."""
        return statistics.stdev(self.runs) if len(self.runs) > 1 else 0.0

    @property
    def chance(self) -> float:
        """The score of guessing, 1/K."""
        return 1 / len(self.names)

    def to_json(self) -> dict[str, Any]:
        """The score beside chance and controls, and what it is made of."""
        return {
            "score": self.score,
            "spread": self.spread,
            "chance": self.chance,
            "controls": dict(self.controls),
            "runs": list(self.runs),
            "names": list(self.names),
            "confusion": self.confusion.tolist(),
            "amount": self.amount,
            "pairs": self.pairs,
            "learned": self.learned,
        }


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
    learned = _learned(len(labels), count, train_share)
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


def _learned(pairs: int, count: int, train_share: float) -> int:
    """How many pairs are learned from."""
    if count < 2:
        raise ValueError(f"`count` must be at least 2 flows to be told apart, got {count}")
    learned = round(train_share * pairs) if 0 < train_share < 1 else 0
    if not count <= learned < pairs:
        raise ValueError(
            f"`train_share` must leave at least {count} pairs to learn from, one per flow, and one to test on, "
            f"got {train_share} of {pairs} pairs"
        )
    return learned


@torch.no_grad()
def variation_predictability(
    model: LatentFlow,
    images: Stills,
    *,
    generator: torch.Generator,
    amount: float = 1.0,
    pairs: int = 10_000,
    train_share: float = 0.01,
    seeds: int = 5,
    steps: int = 100,
    controls: Mapping[str, FieldBank] | None = None,
    batch_size: int = 250,
) -> VariationPredictability:
    """How well a small network tells the model's flows apart by the difference that they make.

    Differences are averaged over blocks of pixels until no side is longer than 32.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images that flows start from, in any pose, with shape (N, C, H, W), in [0, 1].
        generator: The source of pairs, splits, networks and random flows.
        amount: The amount that each flow runs, either way.
        pairs: The number of pairs; 40,000 in published work.
        train_share: The share of the pairs that is learned from.
        seeds: The number of runs, each with a split and a network of its own.
        steps: Steps of the optimiser in each run, with 32 pairs each.
        controls: By name, other flows on the same codes, scored beside "static" and "random" ones.
        batch_size: How many images are worked on at a time.

    Returns:
        The score, beside those of flows that do not move and of untrained flows that move codes as far as the model's
        do, each of at most two runs.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if the images do not fit the model, it has a single flow, or there are too few pairs.
        FlowError: if a flow cannot be integrated.
    """
    check_stills("images", images, model)
    check_positive("amount", amount)
    check_positive("seeds", seeds)
    learned = _learned(pairs, len(model.names), train_share)
    picked, flows, amounts = _draw(len(images), len(model.names), pairs, amount, generator)
    shown, place = picked.unique(return_inverse=True)
    z = torch.cat([codes(model, images[shown[piece].to(images.device)]) for piece in slices(len(shown), batch_size)])
    banks = degenerate_flows(model, z[:_MEASURED], generator=generator, amount=amount) | dict(controls or {})
    run_seeds = [draw_seed(generator) for _ in range(seeds)]

    def confusions(bank: FieldBank, runs: int) -> Tensor:
        dynamics = model.noiseless if bank is model.fields else None
        seen = _differences(model, bank, z, place, flows, amounts, batch_size, dynamics)
        found = [
            pair_confusion(seen, flows, len(model.names), seed=seed, train_share=train_share, steps=steps)
            for seed in run_seeds[:runs]
        ]
        return torch.stack(found).double()

    own = confusions(model.fields, seeds)
    shares = own.sum(0) / own.sum((0, 2)).clamp(min=1).unsqueeze(-1)
    scores = {name: float(_accuracies(confusions(bank, _CONTROL_RUNS)).mean()) for name, bank in banks.items()}
    return VariationPredictability(
        model.names, tuple(_accuracies(own).tolist()), shares, scores, amount, pairs, learned
    )


def _draw(
    images: int, count: int, pairs: int, amount: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """For each pair the numbers of its image and of its flow, and the amount that this runs, each (P)."""
    device = generator.device
    picked = torch.randint(images, (pairs,), generator=generator, device=device).cpu()
    flows = torch.randint(count, (pairs,), generator=generator, device=device).cpu()
    signs = 2 * torch.randint(2, (pairs,), generator=generator, device=device).cpu() - 1
    return picked, flows, amount * signs.double()


def _differences(
    model: LatentFlow,
    bank: FieldBank,
    z: Tensor,
    place: Tensor,
    flows: Tensor,
    amounts: Tensor,
    batch_size: int,
    dynamics: Dynamics | None = None,
) -> _Differences:
    """The decoded image at the end of each pair's flow, minus the one at its start, shrunk, in float32."""
    starts = z[place.to(z.device)]
    ends = single_flow_ends(bank, starts, flows, amounts, dynamics=dynamics, batch_size=batch_size)
    before = torch.cat([shrink(model.decode(z[piece])).float() for piece in slices(len(z), batch_size)])
    differences = before.new_zeros(len(place), *before.shape[1:])
    for piece in slices(len(place), batch_size):
        if not torch.equal(ends[piece], starts[piece]):  # what does not move makes no difference
            shown = shrink(model.decode(ends[piece])).float()
            differences[piece] = shown - before[place[piece].to(z.device)]
    return differences


def _accuracies(confusions: Float[Tensor, "R K K"]) -> Float[Tensor, "R"]:
    return confusions.diagonal(dim1=-2, dim2=-1).sum(-1) / confusions.sum((-2, -1))

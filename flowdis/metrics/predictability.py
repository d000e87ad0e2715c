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
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite, check_floating, check_last, check_positive
from flowdis.dynamics import Dynamics
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Stills, check_stills, codes, placed, slices
from flowdis.metrics.degenerate import degenerate_flows
from flowdis.metrics.networks import shrink
from flowdis.metrics.pair_confusion import learned_pairs, moved_flows, pair_confusion
from flowdis.metrics.seeds import draw_seed
from flowdis.metrics.single_flows import single_flow_ends
from flowdis.models import LatentFlow

__all__ = [
    "VariationPredictability",
    "code_predictability",
    "moved_flows",
    "pair_confusion",
    "variation_predictability",
]

_Differences = Float[Tensor, "P C H W"]
_Codes = Float[Tensor, "N D"]
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
    z = torch.cat([codes(model, images[piece]) for piece in slices(len(images), batch_size)])
    return code_predictability(
        model,
        z,
        generator=generator,
        amount=amount,
        pairs=pairs,
        train_share=train_share,
        seeds=seeds,
        steps=steps,
        controls=controls,
        batch_size=batch_size,
    )


@torch.no_grad()
def code_predictability(
    model: LatentFlow,
    z: _Codes,
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
    """The same of flows that start from codes (N, D), for a generator whose codes are drawn rather than encoded.

    Arguments and results are those of `variation_predictability`.

    Raises:
        TypeError: if the codes are not floating-point.
        ValueError: if they are not the model's or not finite, it has a single flow, or there are too few pairs.
        FlowError: if a flow cannot be integrated.
    """
    check_finite("z", check_last("z", check_floating("z", z), model.dim, f"D={model.dim} latents"))
    check_positive("amount", amount)
    check_positive("seeds", seeds)
    learned = learned_pairs(pairs, len(model.names), train_share)
    picked, flows, amounts = _draw(len(z), len(model.names), pairs, amount, generator)
    shown, place = picked.unique(return_inverse=True)
    z = placed(model, z[shown.to(z.device)])
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

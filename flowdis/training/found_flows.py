"""How good found flows are: told apart on codes that were not trained on, how strong, where they lead, how alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flowdis._checks import check_positive
from flowdis._types import Latent
from flowdis.training.discovery import Discovered
from flowdis.training.discovery_objective import CodeFlows
from flowdis.training.discovery_terms import density_cost, image_strengths

__all__ = ["FlowReport", "report_flows", "traversals"]


@dataclass(frozen=True, eq=False)
class FlowReport:
    """What each of K flows does, over pairs of images that were not trained on.

    Arguments:
        names: The flows.
        confusion: The share of each flow's pairs (rows) that the reader takes for each flow (columns), (K, K).
        correlations: Of each flow, the correlation of the amounts that the reader reads with those that were run.
        strengths: By how much an amount of 1 changes images: the root mean square, in units of the distance of two
            independent images, (K,).
        divergences: How far an amount carries codes from where codes live, in nats, (K,).
        overlaps: The mean cosine of what two flows do to the same image, (K, K).
    """

    names: tuple[str, ...]
    confusion: Float[Tensor, "K K"]
    correlations: Float[Tensor, "K"]
    strengths: Float[Tensor, "K"]
    divergences: Float[Tensor, "K"]
    overlaps: Float[Tensor, "K K"]

    @property
    def accuracy(self) -> float:
        """The share of pairs that the reader names rightly, the mean over flows."""
        return float(self.confusion.diagonal().mean())

    def to_json(self) -> dict[str, Any]:
        """All of it as plain numbers."""
        flows = {
            name: {
                "accuracy": float(self.confusion[k, k]),
                "amount_correlation": float(self.correlations[k]),
                "strength": float(self.strengths[k]),
                "divergence": float(self.divergences[k]),
            }
            for k, name in enumerate(self.names)
        }
        return {"accuracy": self.accuracy, "flows": flows, "overlaps": self.overlaps.tolist()}


@torch.no_grad()
def report_flows(found: Discovered, *, generator: torch.Generator, pairs: int = 200) -> FlowReport:
    """Measures what was found on new codes.

    Arguments:
        found: What was found.
        generator: The source of codes and amounts.
        pairs: How many pairs of images each flow is measured on.

    Raises:
        ValueError: if `pairs` is less than 2.
    """
    check_positive("pairs", pairs - 1)
    model, reader = found.model, found.reader
    batch = CodeFlows(model, found.density).sample(pairs, generator=generator)
    size = batch.amounts[0].sum(-1)
    start = found.density.log_density(batch.codes)
    rows, read, strengths, divergences, changes = [], [], [], [], []
    for k, flow in enumerate(model.flows()):
        moved = model.transport(flow.by_amount(size), batch.codes, log_q=start)
        assert moved.log_q is not None
        after = model.decode(moved.z[-1])
        logits, amounts = reader(batch.first, after)
        rows.append(torch.bincount(logits.argmax(-1), minlength=len(model.names)) / pairs)
        read.append(torch.corrcoef(torch.stack([amounts[:, k], size]))[0, 1])
        which = torch.full_like(logits[:, 0], k).long()
        strengths.append(image_strengths(batch.first, after, which, size, k + 1)[k].sqrt())
        divergences.append(density_cost(found.density, moved.z[-1], moved.log_q[-1]).mean())
        changes.append(functional.normalize((after - batch.first).flatten(1), dim=1) * size.sign().unsqueeze(1))
    overlaps = torch.einsum("knp,lnp->kln", torch.stack(changes), torch.stack(changes)).mean(-1)
    return FlowReport(
        model.names,
        torch.stack(rows).cpu(),
        torch.stack(read).cpu(),
        torch.stack(strengths).cpu(),
        torch.stack(divergences).cpu(),
        overlaps.cpu(),
    )


@torch.no_grad()
def traversals(
    found: Discovered, z: Latent, *, span: float = 2.0, frames: int = 9
) -> Float[Tensor, "K frames B C H W"]:
    """Each flow alone from given codes, from an amount of -span to span.

    Arguments:
        found: What was found.
        z: The codes in the middle, with shape (B, D).
        span: How far either way.
        frames: How many images of each, an odd number.

    Raises:
        ValueError: if `span` is not positive or `frames` is not odd.
    """
    check_positive("span", span)
    if frames < 3 or frames % 2 == 0:
        raise ValueError(f"`frames` must be odd and at least 3, got {frames}")
    model, half = found.model, frames // 2
    films = []
    for flow in model.flows():
        back, on = (model.transport(flow.by_amount(end), z, frames=half).z for end in (-span, span))
        films.append(model.decode(torch.cat([back.flip(0), z.unsqueeze(0), on])))
    return torch.stack(films)

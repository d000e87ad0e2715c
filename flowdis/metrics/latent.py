"""Equivariance in the latents: how much of the way between two codes a flow goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from flowdis.fields import FieldBank
from flowdis.metrics.batches import Sequences, codes, flow_ends, pieces
from flowdis.models import LatentFlow

__all__ = ["LatentRatio", "latent_equivariance_ratio"]


@dataclass(frozen=True)
class LatentRatio:
    """The squared distance left after the flow, relative to that before it: 0 is exact, 1 as good as no flow.

    Arguments:
        ratio: Of the model's flow.
        controls: Of other fields on the same codes, by name.
    """

    ratio: float
    controls: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, float]:
        """The ratios by name."""
        return {"ratio": self.ratio, **self.controls}


@torch.no_grad()
def latent_equivariance_ratio(
    model: LatentFlow,
    sequences: Sequences,
    *,
    controls: Mapping[str, FieldBank] | None = None,
    batch_size: int = 250,
    generator: torch.Generator | None = None,
) -> dict[str, LatentRatio]:
    r"""The latent equivariance ratio of each transformation, over images and frames.

    .. math:: E |\phi_t(z_0) - z_t|^2 \,/\, E |z_0 - z_t|^2, \qquad z_t = \mathrm{encode}(x_t)

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        sequences: By name, the sequences of one transformation: a batch, or an iterable of batches.
        controls: By name, other fields on the same codes, as `fit_controls` makes them.
        batch_size: How many sequences are worked on at a time.
        generator: The source of noise, for a model whose dynamics has a temperature.

    Returns:
        The ratios, by the sequences' names.

    Raises:
        ValueError: if the sequences do not fit the model, or the codes under a name do not move at all.
        FlowError: if a flow cannot be integrated.
    """
    banks = {} if controls is None else controls
    ratios = {}
    for name, batches in sequences.items():
        left, whole = dict.fromkeys(["ratio", *banks], 0.0), 0.0
        for batch in pieces(model, batches, batch_size):
            z, goal = codes(model, batch.first), codes(model, batch.frames).double()
            own, others = flow_ends(model, banks, batch.path, z, frames=batch.times, generator=generator)
            whole += float((z - goal).square().sum())
            for key, end in {"ratio": own, **others}.items():
                left[key] += float((end - goal).square().sum())
        if whole == 0:
            raise ValueError(f"`sequences[{name!r}]` must move the codes, got codes that stay where they are")
        shares = {key: value / whole for key, value in left.items()}
        ratios[name] = LatentRatio(shares.pop("ratio"), shares)
    return ratios

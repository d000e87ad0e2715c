r"""Equivariance in the latents between all frames of a sequence, wherever it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.batch import SequenceBatch
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Sequences, codes, flow_ends, pieces
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["PairRatio", "pair_equivariance_ratio", "rest_of_path"]


@dataclass(frozen=True)
class PairRatio:
    """The squared distance left after the flow from one frame to another, relative to that before.

    Arguments:
        ratio: Of the model's flow: 0 is exact, 1 as good as a flow that does not move.
        activity: How far codes move within a sequence, relative to how far codes of all frames and sequences are apart:
            the ratio of a code that hardly knows of the transformation, with an activity near 0, says little.
        controls: The ratios of other flows on the same codes, by name.
    """

    ratio: float
    activity: float
    controls: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The ratio beside its controls."""
        return {"ratio": self.ratio, "activity": self.activity, "controls": dict(self.controls)}


def rest_of_path(path: Path, time: float) -> Path:
    """What is left of a path at a time in [0, S): the rest of the segment that has begun, then those after it.

    Arguments:
        path: The path, with amounts (S, *, K).
        time: Where it is entered.

    Raises:
        ValueError: if the time lies outside of the path, or at its end.

    Example:
        >>> rest_of_path(Path(("hue",), torch.tensor([[2.0], [4.0]])), 0.5).amounts.tolist()
        [[1.0], [4.0]]
    """
    if not 0 <= time < path.segments:
        raise ValueError(f"`time` must lie in [0, {path.segments}), got {time}")
    index = int(time)
    begun = path.amounts[index] * (time - index)
    amounts, clocks = path.amounts[index:].clone(), torch.zeros_like(path.amounts[index:])
    if path.clocks is not None:
        clocks.copy_(path.clocks[index:])
    amounts[0] -= begun
    clocks[0] += begun
    return Path(path.names, amounts, clocks)


def _rest_of_times(times: Float[Tensor, "T"], first: int) -> Tensor:
    """The times of later frames on what is left of a path at frame `first`."""
    start, later = float(times[first]), times[first + 1 :]
    index = int(start)
    return torch.where(later <= index + 1, (later - start) / (index + 1 - start), later - index)


@torch.no_grad()
def pair_equivariance_ratio(
    model: LatentFlow,
    sequences: Sequences,
    *,
    controls: Mapping[str, FieldBank] | None = None,
    batch_size: int = 250,
    generator: torch.Generator | None = None,
) -> dict[str, PairRatio]:
    r"""The latent equivariance ratio of each transformation, over images and all pairs of frames s < t.

    .. math:: E |\phi^{s \to t}(z_s) - z_t|^2 \,/\, E |z_s - z_t|^2, \qquad z_t = \mathrm{encode}(x_t)

    This is the equivariance error of capsule codes, for any flow and made relative; `latent_equivariance_ratio` is the
    part of it that starts at the first frame.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        sequences: By name, the sequences of one transformation: a batch, or an iterable of batches.
        controls: By name, other fields on the same codes, as `fit_controls` and `degenerate_flows` make them.
        batch_size: How many sequences are worked on at a time.
        generator: The source of noise, for a model whose dynamics has a temperature.

    Returns:
        The ratios, by the sequences' names.

    Raises:
        ValueError: if the sequences do not fit the model, or the codes under a name do not move at all.
        FlowError: if a flow cannot be integrated.
    """
    banks = {} if controls is None else dict(controls)
    found = {}
    for name, batches in sequences.items():
        left, whole, pairs, all_codes = dict.fromkeys(["", *banks], 0.0), 0.0, 0, []
        for batch in pieces(model, batches, batch_size):
            z = codes(model, batch.frames)
            all_codes.append(z.double().flatten(0, 1).cpu())
            for first in range(len(batch.times) - 1):
                goal = z[first + 1 :].double()
                whole += float((z[first] - goal).square().sum())
                pairs += goal.shape[0] * goal.shape[1]
                for key, end in _ends(model, batch, first, z[first], banks, generator).items():
                    left[key] += float((end - goal).square().sum())
        if whole == 0:
            raise ValueError(f"`sequences[{name!r}]` must move the codes, got codes that stay where they are")
        apart = 2 * float(torch.cat(all_codes).var(0, correction=0).sum())
        shares = {key: value / whole for key, value in left.items()}
        found[name] = PairRatio(shares.pop(""), whole / pairs / apart, shares)
    return found


def _ends(
    model: LatentFlow,
    batch: SequenceBatch,
    first: int,
    z: Tensor,
    banks: Mapping[str, FieldBank],
    generator: torch.Generator | None,
) -> dict[str, Tensor]:
    """Where each flow takes the codes of one frame at the times of later ones; the model's own under ""."""
    path, times = rest_of_path(batch.path, float(batch.times[first])), _rest_of_times(batch.times, first)
    own, others = flow_ends(model, banks, path, z, frames=times, generator=generator)
    return {"": own, **others}

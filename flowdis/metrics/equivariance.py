r"""Equivariance: does flowing a code and decoding it show what the transformation would have shown?

For each transformation, the error of the published protocols is

.. math:: \sum_{t=1}^{T} \sum_{\text{pixels}} | x_t - \mathrm{decode}(\phi_t(\mathrm{encode}(x_0))) |,

the mean over images, beside what no flow needs: the identity (x_0 for every x_t), an image all black, and the
autoencoder's own floor, decode(encode(x_t)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from flowdis._types import FrameLatents
from flowdis.data.batch import SequenceBatch
from flowdis.fields import FieldBank
from flowdis.metrics.batches import Sequences, codes, flow_ends, pieces, pixel_distance
from flowdis.models import LatentFlow

__all__ = ["EquivarianceError", "equivariance_error"]


@dataclass(frozen=True)
class EquivarianceError:
    """The error of one transformation beside its controls, in sums of absolute pixel differences.

    Arguments:
        frames: By name, the error of each frame t = 1 to T, the mean over images: "error" of the model,
            "identity", "floor", "black", and one for each control.
    """

    frames: Mapping[str, tuple[float, ...]]

    def total(self, name: str = "error") -> float:
        """The sum over frames t = 1 to T."""
        return sum(self.frames[name])

    def without_last(self, name: str = "error") -> float:
        """The sum over frames t = 1 to T - 1, as some published code has it."""
        return sum(self.frames[name][:-1])

    @property
    def error(self) -> float:
        """The model's error, summed over frames."""
        return self.total("error")

    @property
    def identity(self) -> float:
        """The error of showing x_0 for every x_t."""
        return self.total("identity")

    @property
    def floor(self) -> float:
        """The error of decode(encode(x_t)), which no flow is asked to go below."""
        return self.total("floor")

    def to_json(self) -> dict[str, Any]:
        """Sums over t = 1 to T by name; those without the last frame; and the frames' own."""
        return {
            **{name: self.total(name) for name in self.frames},
            "without_last": {name: self.without_last(name) for name in self.frames},
            "frames": {name: list(values) for name, values in self.frames.items()},
        }


@torch.no_grad()
def equivariance_error(
    model: LatentFlow,
    sequences: Sequences,
    *,
    controls: Mapping[str, FieldBank] | None = None,
    batch_size: int = 250,
    generator: torch.Generator | None = None,
) -> dict[str, EquivarianceError]:
    """The equivariance error of each transformation, beside its controls.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        sequences: By name, the sequences of one transformation: a batch, or an iterable of batches. Frames at
            time 0 do not count.
        controls: By name, other fields on the same codes, as `fit_controls` makes them.
        batch_size: How many sequences are worked on at a time.
        generator: The source of noise, for a model whose dynamics has a temperature.

    Returns:
        The errors, by the sequences' names.

    Raises:
        ValueError: if there are no sequences under a name, or they do not fit the model.
        FlowError: if a flow cannot be integrated.
    """
    controls = {} if controls is None else controls
    return {
        name: _mean_error(name, model, batches, controls, batch_size, generator) for name, batches in sequences.items()
    }


def _mean_error(
    name: str,
    model: LatentFlow,
    batches: SequenceBatch | Iterable[SequenceBatch],
    controls: Mapping[str, FieldBank],
    batch_size: int,
    generator: torch.Generator | None,
) -> EquivarianceError:
    sums: dict[str, Tensor] = {}
    count = 0
    for batch in pieces(model, batches, batch_size):
        for key, distances in _distances(model, batch, controls, generator).items():
            added = distances.double().sum(-1).cpu()
            if key in sums and sums[key].shape != added.shape:
                raise ValueError(f"`sequences[{name!r}]` must have equally many frames in every batch")
            sums[key] = sums[key] + added if key in sums else added
        count += len(batch.first)
    if count == 0:
        raise ValueError(f"`sequences[{name!r}]` must hold at least one sequence, got none")
    return EquivarianceError({key: tuple((total / count).tolist()) for key, total in sums.items()})


def _distances(
    model: LatentFlow,
    batch: SequenceBatch,
    controls: Mapping[str, FieldBank],
    generator: torch.Generator | None,
) -> dict[str, Tensor]:
    """Sums of pixel differences (T, B) by name."""
    later = batch.times > 0
    if not bool(later.any()):
        raise ValueError(f"`sequences` must have frames after the first, got times {batch.times.tolist()}")
    truth, times, path = batch.frames[later], batch.times[later], batch.path
    z = codes(model, batch.first)

    def shown(latents: FrameLatents) -> Tensor:
        # Frame by frame: faster, and smaller, than all frames at once.
        frames = zip(truth, latents, strict=True)
        return torch.stack([pixel_distance(image, model.decode(z)) for image, z in frames])

    own, others = flow_ends(model, controls, path, z, frames=times, generator=generator)
    distances = {
        "error": shown(own),
        "identity": pixel_distance(truth, batch.first.expand_as(truth)),
        "floor": shown(torch.stack([codes(model, image) for image in truth])),
    }
    distances |= {name: shown(end) for name, end in others.items()}
    distances["black"] = pixel_distance(truth, torch.zeros_like(truth))
    return distances

"""What all visitors share and nobody changes: the model, its dials, samples, gauge and commutators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from flowdis.app.actions import Gauge, make_source
from flowdis.app.dials import Dial, dials
from flowdis.app.samples import Samples, find_samples
from flowdis.app.state import Controls, EditState, Snapshot
from flowdis.metrics import Commutator, commutator
from flowdis.models import LatentFlow

__all__ = ["Editor", "load_model", "make_editor"]

_LOOKED_AT = 100  # images that commutators are means over


@dataclass(frozen=True, eq=False)
class Editor:
    """A model with all that the page needs to know of it, read by many threads and written by none.

    Arguments:
        model: The model.
        name: The folder or hub name that it was loaded from.
        dials: One slider per flow.
        samples: The images to start from.
        gauge: The density of codes.
        commutator: How far the flows are from commuting.
    """

    model: LatentFlow
    name: str
    dials: tuple[Dial, ...]
    samples: Samples
    gauge: Gauge
    commutator: Commutator

    def start(self) -> EditState:
        """What a visitor finds: the first sample, all sliders at rest."""
        first = make_source(self.model, self.samples.images[0], self.samples.names[0])
        return EditState(Snapshot(first, Controls.rest(self.model.flows())))

    def controls(self, given: Mapping[str, Any]) -> Controls:
        """The controls in what a browser sent.

        Raises:
            ValueError: if it is not such, or a value is off its dial.
        """
        try:
            values = {dial.name: dial.checked(float(given["values"][dial.name])) for dial in self.dials}
            return Controls(values, tuple(map(str, given["order"])), bool(given["at_once"]))
        except (KeyError, TypeError) as error:
            wanted = "an object with values, order and at_once"
            raise ValueError(f"`controls` must be {wanted}, got {type(given).__name__} ({error!r})") from error


def load_model(name: str, device: torch.device) -> LatentFlow:
    """The model in a folder or on the hub, ready to be shared."""
    return LatentFlow.from_pretrained(name).to(device).eval().requires_grad_(False)


def make_editor(model: LatentFlow, name: str, folder: str | Path | None = None) -> Editor:
    """Looks at a model once, before visitors come.

    Arguments:
        model: The model.
        name: What it was loaded from.
        folder: A folder of images to start from; see `find_samples`.

    Raises:
        OSError: if the folder does not exist.
        ValueError: if it holds no image, or the model's images are neither grey nor RGB.
    """
    if model.image_shape[0] not in (1, 3):
        raise ValueError(f"`model` must be of grey or RGB images to be shown, got {model.image_shape[0]} channels")
    samples = find_samples(model, folder)
    density, typical = samples.density(model)
    looked_at = samples.images if samples.data is None else samples.data
    every = max(1, len(looked_at) // _LOOKED_AT)
    found = commutator(model, looked_at[::every])
    return Editor(model, name, dials(model.flows()), samples, Gauge(density, typical, samples.told), found)

"""Errors at the end of a path: one edit, two edits one after the other or at once, back, or once round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.scenes import Scenes
from flowdis.fields import FieldBank
from flowdis.metrics.batches import (
    Stills,
    check_scenes,
    codes,
    flow_ends,
    model_path,
    pixel_distance,
    rows,
    slices,
)
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["CompositionError", "PathError", "composition_error", "path_error"]


@dataclass(frozen=True)
class PathError:
    """Errors at the end of a path, in sums of absolute pixel differences, the mean over images.

    Arguments:
        error: Of the model's edit, against the truly transformed image.
        identity: Of no edit at all.
        floor: Of decode(encode(.)) of the truly transformed image.
        controls: Of other fields on the same codes, by name.
    """

    error: float
    identity: float
    floor: float
    controls: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, float]:
        """The errors by name, those of the controls among them."""
        return {"error": self.error, "identity": self.identity, "floor": self.floor, **self.controls}


@dataclass(frozen=True)
class CompositionError:
    """The errors of two edits one after the other, and of both at once."""

    sequential: PathError
    linear: PathError

    def to_json(self) -> dict[str, Any]:
        """Both, by name."""
        return {"sequential": self.sequential.to_json(), "linear": self.linear.to_json()}


@torch.no_grad()
def path_error(
    model: LatentFlow,
    images: Stills | Scenes,
    path: Path,
    *,
    start: Path | None = None,
    controls: Mapping[str, FieldBank] | None = None,
    batch_size: int = 250,
    generator: torch.Generator | None = None,
) -> PathError:
    """The error of an edit along any path, against the true image, which is resampled once.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The source images, with shape (N, C, H, W), in [0, 1], or N scenes.
        path: The edit, over transformations that can be drawn, in the model's units; (S, K) or (S, N, K).
        start: The path from the source images to those that are edited, in the model's units; none if left
            out.
        controls: By name, other fields on the same codes, as `fit_controls` makes them.
        batch_size: How many images are worked on at a time.
        generator: The source of noise, for a model whose dynamics has a temperature.

    Returns:
        The error, beside those of the identity, of the autoencoder and of the controls.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if images or path do not fit the model, or the path moves what cannot be drawn.
        FlowError: if a flow cannot be integrated.
    """
    scenes, units = check_scenes("images", images, model), model.units
    drawn, banks = _drawn(path, scenes), {} if controls is None else controls
    begin = Path(drawn.names, torch.zeros_like(drawn.amounts[:1])) if start is None else start
    ends_of = torch.arange(drawn.segments + 1, dtype=torch.float64)
    sums: dict[str, float] = {}
    for piece in slices(len(scenes), batch_size):
        some = scenes[piece].to(model.log_diffusion)
        pose, way, times = some.attainable(rows(drawn, piece), units, times=ends_of, start=rows(begin, piece))
        first, *_, truth = some.draw(way, units, times=times, start=pose)
        z, way = codes(model, first), model_path(model, way)
        own, others = flow_ends(model, banks, way, z, generator=generator)
        ends = {"error": own[-1], "floor": codes(model, truth)} | {name: end[-1] for name, end in others.items()}
        shown = {name: model.decode(end) for name, end in ends.items()} | {"identity": first}
        for name, image in shown.items():
            sums[name] = sums.get(name, 0.0) + float(pixel_distance(truth, image).double().sum())
    means = {name: total / len(scenes) for name, total in sums.items()}
    return PathError(means["error"], means["identity"], means["floor"], {name: means[name] for name in banks})


def composition_error(
    model: LatentFlow,
    images: Stills | Scenes,
    first: Path,
    second: Path,
    *,
    start: Path | None = None,
    controls: Mapping[str, FieldBank] | None = None,
    batch_size: int = 250,
    generator: torch.Generator | None = None,
) -> CompositionError:
    """The errors of `first >> second` and of `first + second`, each against its own true image.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The source images, with shape (N, C, H, W), in [0, 1], or N scenes.
        first: The edit that comes first.
        second: The edit that comes second, over equally many segments.
        start: The path from the source images to those that are edited; none where left out.
        controls: By name, other fields on the same codes.
        batch_size: How many images are worked on at a time.
        generator: The source of noise, for a model whose dynamics has a temperature.

    Returns:
        Both errors, each beside its controls.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if images or paths do not fit the model or each other.
        FlowError: if a flow cannot be integrated.
    """
    both = (
        path_error(model, images, path, start=start, controls=controls, batch_size=batch_size, generator=generator)
        for path in (first >> second, first + second)
    )
    return CompositionError(*both)


def _drawn(path: Path, scenes: Scenes) -> Path:
    """The path without the transformations that it leaves at rest and that cannot be drawn."""
    known = scenes.transformations
    moved = path.amounts.reshape(-1, len(path.names)).any(0).tolist()
    kept = [i for i, name in enumerate(path.names) if moved[i] or name in known]
    for index in kept:
        check_choice("path", path.names[index], known)
    if not kept:
        raise ValueError(f"`path` must move one of {', '.join(known)}, got {', '.join(path.names)}")
    amounts: Tensor = path.amounts[..., kept]
    return Path(tuple(path.names[index] for index in kept), amounts)

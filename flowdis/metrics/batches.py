"""Batches: images, sequences and paths cut into pieces of bounded size, and put where the model is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice, check_images
from flowdis._types import FrameLatents, Images, Latent, Scalar
from flowdis.data.batch import SequenceBatch
from flowdis.data.scenes import Scenes, as_scenes
from flowdis.dynamics import transport
from flowdis.fields import FieldBank
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = [
    "Sequences",
    "Stills",
    "check_scenes",
    "check_stills",
    "codes",
    "flow_ends",
    "model_path",
    "pieces",
    "pixel_distance",
    "placed",
    "rows",
    "slices",
    "spread",
]

Stills = Float[Tensor, "N C H W"]
_Many = TypeVar("_Many", Tensor, Scenes)
Sequences = Mapping[str, SequenceBatch | Iterable[SequenceBatch]]


def pixel_distance(images: Images, others: Images) -> Scalar:
    """The sum of absolute differences (*) over channels and pixels."""
    return (images - others).abs().sum((-3, -2, -1))


def placed(model: LatentFlow, tensor: Tensor) -> Tensor:
    """The tensor in the model's dtype and on its device."""
    return tensor.to(device=model.device, dtype=model.dtype)


def codes(model: LatentFlow, images: Images) -> Latent:
    """The mean codes (*, D) of images (*, C, H, W)."""
    return model.encode(placed(model, images)).mean


def check_scenes(argument: str, images: Stills | Scenes, model: LatentFlow) -> Scenes:
    """Returns scenes, or still images as scenes, if the model takes their images.

    Raises:
        TypeError: if still images are not a floating-point tensor.
        ValueError: if they do not fit the model.
    """
    if isinstance(images, Tensor):
        return as_scenes(check_stills(argument, images, model))
    if tuple(images.image_shape) != model.image_shape:
        raise ValueError(f"`{argument}` must have images of shape {model.image_shape}, got {images.image_shape}")
    return images


def check_stills(argument: str, images: Tensor, model: LatentFlow) -> Tensor:
    """Returns `images` if they are a set of at least one image (N, C, H, W) that the model takes.

    Raises:
        TypeError: if they are not a floating-point tensor.
        ValueError: if they do not fit the model.
    """
    check_images(argument, images, model.image_shape)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"`{argument}` must have shape (N, C, H, W) with N >= 1, got {tuple(images.shape)}")
    return images


def slices(count: int, batch_size: int) -> Iterator[slice]:
    """Slices of at most `batch_size` rows that cover `count` rows in order.

    Raises:
        ValueError: if `batch_size` is not positive.

    Example:
        >>> [(piece.start, piece.stop) for piece in slices(5, 2)]
        [(0, 2), (2, 4), (4, 5)]
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
    for start in range(0, count, batch_size):
        yield slice(start, min(count, start + batch_size))


def spread(images: _Many, count: int | None) -> _Many:
    """At most `count` images or scenes, evenly spread over the set, so that sorted classes are all met; all for None.

    Raises:
        ValueError: if `count` is not positive.

    Example:
        >>> spread(torch.arange(10.0).reshape(10, 1, 1, 1), 4).flatten().tolist()
        [0.0, 3.0, 6.0, 9.0]
    """
    if count is not None and count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}")
    if count is None or count >= len(images):
        return images
    picked = torch.linspace(0, len(images) - 1, count, dtype=torch.float64).round().long()
    return images[picked.to(images.device) if isinstance(images, Tensor) else picked]


def rows(path: Path, piece: slice) -> Path:
    """The path of some samples; itself where one matrix of amounts serves all.

    Raises:
        ValueError: if the path has more than one batch axis.
    """
    if not path.batch_shape:
        return path
    if len(path.batch_shape) > 1:
        shape = tuple(path.amounts.shape)
        raise ValueError(f"`path` must have amounts of shape (S, K) or (S, B, K), got {shape}")
    clocks = None if path.clocks is None else path.clocks[:, piece]
    return Path(path.names, path.amounts[:, piece], clocks)


def model_path(model: LatentFlow, path: Path) -> Path:
    """The same path over all of the model's transformations, those it does not know of at rest.

    Raises:
        ValueError: if the path moves a transformation that the model does not have.
    """
    if tuple(path.names) == model.names:
        return path
    where = [model.names.index(check_choice("path", name, model.names)) for name in path.names]

    def embedded(values: Tensor) -> Tensor:
        whole = values.new_zeros(*values.shape[:-1], len(model.names))
        whole[..., where] = values
        return whole

    return Path(model.names, embedded(path.amounts), None if path.clocks is None else embedded(path.clocks))


def flow_ends(
    model: LatentFlow,
    controls: Mapping[str, FieldBank],
    path: Path,
    z: Latent,
    *,
    frames: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[FrameLatents, dict[str, FrameLatents]]:
    """Where a path takes codes (*, D): by the model's own flow, and without noise by others, each (T, *, D).

    Arguments:
        model: The model.
        controls: The other flows, by name.
        path: The path.
        z: The codes.
        frames: The T times; the end alone where left out.
        generator: The source of noise, for a model whose dynamics has a temperature.

    Raises:
        FlowError: if a flow cannot be integrated.
    """
    own = model.transport(path, z, frames=frames, generator=generator).z
    solver = model.config.solver
    return own, {name: transport(bank, path, z, frames=frames, solver=solver).z for name, bank in controls.items()}


def pieces(
    model: LatentFlow, sequences: SequenceBatch | Iterable[SequenceBatch], batch_size: int
) -> Iterator[SequenceBatch]:
    """Sequences over the model's transformations, at most `batch_size` at a time, where the model is.

    Raises:
        ValueError: if the sequences move a transformation that the model does not have.
    """
    for batch in [sequences] if isinstance(sequences, SequenceBatch) else sequences:
        path = model_path(model, batch.path)
        for piece in slices(len(batch.first), batch_size):
            yield replace(
                batch,
                names=model.names,
                frames=placed(model, batch.frames[:, piece]),
                times=placed(model, batch.times),
                amounts=path.amounts[:, piece].to(model.device),
                scenes=None if batch.scenes is None else batch.scenes[piece].to(model.log_diffusion),
                start=None if batch.start is None else rows(batch.start, piece),
            )

"""What a command works on: digits, rendered scenes, a factor data set on disk, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from flowdis.cli.own import own_subject
from flowdis.cli.subject import ImageShape, Subject
from flowdis.data import FactorImages, FactorScenes, StillScenes, digits
from flowdis.data.readers import cars3d, dsprites, falcor3d, isaac3d, mpi3d, shapes3d, smallnorb
from flowdis.data.render import rooms, sprites

__all__ = ["READERS", "RENDERED", "ImageShape", "Subject", "load_subject"]

RENDERED: dict[str, Callable[[], FactorImages]] = {"sprites": sprites, "rooms": rooms}
"""Data that need no file, by name."""

READERS: dict[str, Callable[..., FactorImages]] = {
    "dsprites": dsprites,
    "shapes3d": shapes3d,
    "mpi3d": mpi3d,
    "smallnorb": smallnorb,
    "cars3d": cars3d,
    "falcor3d": falcor3d,
    "isaac3d": isaac3d,
}
"""Readers of factor data on disk, by name."""

_TRAIN, _TEST = 2000, 500  # scenes of a factor data set: poses are drawn anew for each


def load_subject(
    data: str,
    *,
    image_shape: ImageShape | None = None,
    moving: Sequence[str] = (),
    skip_bad: bool = True,
    attributes: Path | None = None,
    split: int = 0,
) -> Subject:
    """The scenes of a name or a path.

    Arguments:
        data: "digits", "sprites", "rooms", READER:PATH for a factor data set on disk, such as dsprites:dsprites.npz, or
            one's own: a folder of images, a fifth of which is kept for testing, a video, an npz or an h5 file.
        image_shape: (C, H, W) that is wanted; that of the data, or of most images of a folder, where left out.
        moving: The factors that move, of a factor data set; all that can where left out. "time" of recordings. Still
            images have none.
        skip_bad: Whether files of a folder that cannot be read are left out, with a warning, rather than refused.
        attributes: A table with a row for each image of a folder.
        split: The seed by which a folder's files are chosen to be tested on.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if data do not have the wanted shape, a file is bad, or there are too few images.
    """
    reader, _, path = data.partition(":")
    named = data == "digits" or data in RENDERED or (bool(path) and reader in READERS)
    if attributes is not None and named:
        raise ValueError(f"`attributes` must be of a folder of one's own images, got {attributes} for {data}")
    if data in RENDERED:
        return _factors(RENDERED[data](), data, image_shape, moving)
    if path and reader in READERS:
        return _factors(READERS[reader](Path(path).expanduser()), data, image_shape, moving)
    if data == "digits":
        return _digits(image_shape)
    source = Path(data).expanduser()
    if not source.exists():
        known = ", ".join(("digits", *RENDERED, "a folder of images", *(f"{name}:PATH" for name in READERS)))
        raise FileNotFoundError(f"`data` must be one of {known}, got {data!r}, which does not exist")
    return own_subject(
        source, image_shape=image_shape, moving=moving, skip_bad=skip_bad, attributes=attributes, split=split
    )


def _factors(data: FactorImages, source: str, image_shape: ImageShape | None, moving: Sequence[str]) -> Subject:
    if image_shape is not None and tuple(image_shape) != tuple(data.image_shape):
        raise ValueError(f"`data` must have images of shape {tuple(image_shape)}, got {source}: {data.image_shape}")
    scenes = FactorScenes(data, tuple(moving) or None)
    train, test = (
        scenes[torch.linspace(0, len(scenes) - 1e-6, count, dtype=torch.float64).long()] for count in (_TRAIN, _TEST)
    )
    return Subject(data.name, source, train, test)


def _digits(image_shape: ImageShape | None) -> Subject:
    channels = 3 if image_shape is None else image_shape[0]
    if channels not in (1, 3) or (image_shape is not None and tuple(image_shape[1:]) != (28, 28)):
        raise ValueError(f"`data` must be a folder where images are of shape {image_shape}; digits are (3, 28, 28)")
    train, test = (
        StillScenes(images, {"digit": labels})
        for images, labels in (digits(train=part, colour=channels == 3) for part in (True, False))
    )
    return Subject("digits", "digits", train, test)

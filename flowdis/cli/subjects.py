"""What a command works on: digits, rendered scenes, a factor data set on disk, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from flowdis.cli.options import plain_warnings
from flowdis.data import FactorImages, FactorScenes, Scenes, StillScenes, digits, load_images
from flowdis.data.readers import cars3d, dsprites, falcor3d, isaac3d, mpi3d, shapes3d, smallnorb
from flowdis.data.render import rooms, sprites
from flowdis.metrics.batches import spread

__all__ = ["READERS", "RENDERED", "ImageShape", "Subject", "load_subject"]

ImageShape = tuple[int, int, int]

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

_EVERY = 5  # of one's own images, one in so many is kept for testing
_LARGEST = 128  # the longest side that is taken without being asked for
_TRAIN, _TEST = 2000, 500  # scenes of a factor data set: poses are drawn anew for each


@dataclass(frozen=True, eq=False)
class Subject:
    """Scenes to train and to test on.

    Arguments:
        name: What they are, in words.
        source: What they were asked for by, so that they can be had again.
        train: The scenes to train on.
        test: The scenes to test on.
    """

    name: str
    source: str
    train: Scenes
    test: Scenes

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W)."""
        return self.train.image_shape

    @property
    def has_factors(self) -> bool:
        """Whether paths move ground-truth factors, rather than the pixels of still images."""
        return isinstance(self.train, FactorScenes)

    @property
    def labels(self) -> Int[Tensor, "test"] | None:
        """The classes of the test scenes that colour a picture: the first that is known, of those of few values."""
        few = [labels for labels in self.test.classes.values() if len(labels.unique()) <= 10]
        return few[0] if few else None

    def fitting(self, limit: int | None, dim: int) -> Scenes:
        """The scenes to fit controls of D latents on: about as many as are tested on, but no fewer than D.

        Arguments:
            limit: At most so many test scenes are measured on; all where left out.
            dim: The number D of latents.
        """
        return spread(self.train, None if limit is None else max(limit, dim))


def load_subject(
    data: str,
    *,
    image_shape: ImageShape | None = None,
    moving: Sequence[str] = (),
    skip_bad: bool = False,
) -> Subject:
    """The scenes of a name or a path.

    Arguments:
        data: "digits", "sprites", "rooms", a folder of images, every fifth of which is kept for testing, or
            READER:PATH for a factor data set on disk, such as dsprites:dsprites.npz.
        image_shape: (C, H, W) that is wanted; that of the data, or of the first image of a folder, where left out.
        moving: The factors that move, of a factor data set; all that can where left out. Still images have none.
        skip_bad: Whether files of a folder that cannot be read are left out, with a warning, rather than refused.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if data do not have the wanted shape, a file is bad, or there are too few images.
    """
    reader, _, path = data.partition(":")
    if data in RENDERED:
        return _factors(RENDERED[data](), data, image_shape, moving)
    if path and reader in READERS:
        return _factors(READERS[reader](Path(path).expanduser()), data, image_shape, moving)
    if data == "digits":
        return _digits(image_shape)
    folder = Path(data).expanduser()
    if not folder.exists():
        known = ", ".join(("digits", *RENDERED, "a folder of images", *(f"{name}:PATH" for name in READERS)))
        raise FileNotFoundError(f"`data` must be one of {known}, got {data!r}, which does not exist")
    return _folder(folder, image_shape, skip_bad)


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


def _folder(folder: Path, image_shape: ImageShape | None, skip_bad: bool) -> Subject:
    with plain_warnings():
        shape = image_shape or _shape_of_first(folder, skip_bad)
        images, files = load_images(folder, image_shape=shape, skip_bad=skip_bad)
    if len(files) < _EVERY:
        raise ValueError(f"`data` must hold at least {_EVERY} images, of which one is for testing, got {len(files)}")
    tested = torch.arange(len(images)) % _EVERY == _EVERY - 1
    return Subject(
        f"images of {folder}", str(folder.resolve()), StillScenes(images[~tested]), StillScenes(images[tested])
    )


def _shape_of_first(folder: Path, skip_bad: bool) -> ImageShape:
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    for file in files:
        if file.name.startswith(".") or not file.is_file():
            continue
        try:
            channels, height, width = load_images(file)[0].shape[1:]
        except ValueError:
            if skip_bad:
                continue
            raise
        if max(height, width) > _LARGEST:
            raise ValueError(
                f"`image_shape` must be given where images are larger than {_LARGEST} pixels, such as "
                f"--image-shape {channels} 64 64; {file} is of shape {(channels, height, width)}"
            )
        return channels, height, width
    raise ValueError(f"`data` must be a folder with images, got none in {folder}")

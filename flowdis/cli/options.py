"""What several commands need: a device, still images to train and to test on, warnings in plain words."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data import digits, load_images
from flowdis.metrics.batches import spread

__all__ = ["ImageShape", "Stills", "load_stills", "pick_device", "plain_warnings"]

ImageShape = tuple[int, int, int]

_EVERY = 5  # of one's own images, one in so many is kept for testing
_LARGEST = 128  # the longest side that is taken without being asked for


@dataclass(frozen=True, eq=False)
class Stills:
    """Still images to train and to test on.

    Arguments:
        name: What they are, in words.
        train: The images to train on, with shape (N, C, H, W).
        test: The images to test on, with shape (N, C, H, W).
        labels: The classes of the test images, with shape (N), where they are known.
    """

    name: str
    train: Float[Tensor, "train C H W"]
    test: Float[Tensor, "test C H W"]
    labels: Int[Tensor, "test"] | None = None

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W)."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def fitting(self, limit: int | None, dim: int) -> Float[Tensor, "fitting C H W"]:
        """The images to fit controls of D latents on: about as many as are tested on, but no fewer than D.

        Arguments:
            limit: At most so many test images are measured on; all where left out.
            dim: The number D of latents.
        """
        return spread(self.train, None if limit is None else max(limit, dim))


def load_stills(folder: Path | None, image_shape: ImageShape | None, *, skip_bad: bool = False) -> Stills:
    """The digits, or one's own images, every fifth of which is kept for testing.

    Arguments:
        folder: A folder of images; the digits where left out.
        image_shape: (C, H, W) that is wanted; (3, 28, 28) for digits and that of the first image of a folder
            where left out.
        skip_bad: Whether files that cannot be read are left out, with a warning, rather than refused.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if digits do not have the wanted shape, or the folder has a bad file or too few images.
    """
    if folder is None:
        channels = 3 if image_shape is None else image_shape[0]
        if channels not in (1, 3) or (image_shape is not None and image_shape[1:] != (28, 28)):
            raise ValueError(f"`images` must be a folder where they are of shape {image_shape}; digits are (3, 28, 28)")
        train, _ = digits(colour=channels == 3)
        test, labels = digits(train=False, colour=channels == 3)
        return Stills("digits", train, test, labels)
    with plain_warnings():
        shape = image_shape or _shape_of_first(folder, skip_bad)
        images, files = load_images(folder, image_shape=shape, skip_bad=skip_bad)
    if len(files) < _EVERY:
        raise ValueError(f"`images` must hold at least {_EVERY} images, of which one is for testing, got {len(files)}")
    tested = torch.arange(len(images)) % _EVERY == _EVERY - 1
    return Stills(f"images of {folder}", images[~tested], images[tested])


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
    raise ValueError(f"`images` must be a folder with images, got none in {folder}")


def pick_device(name: str) -> torch.device:
    """The device of a name; for "auto" the first of cuda, mps and cpu that this machine has.

    Raises:
        ValueError: if the name is unknown, or the machine has no such device.
    """
    here = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if name == "auto":
        return torch.device(next(kind for kind, count in here.items() if count))
    kind, _, index = name.partition(":")
    check_choice("device", kind, ("auto", *here))
    if not (index or "0").isdecimal() or int(index or 0) >= here[kind]:
        found = ", ".join(f"{count} of {kind}" for kind, count in here.items() if count)
        raise ValueError(f"`device` must be on this machine, which has {found}, got {name!r}")
    return torch.device(name)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Tells of warnings on stderr in one line each, without the line of code that raised them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                print(f"flowdis: {' '.join(str(warning.message).split())}", file=sys.stderr)

"""One's own images as what a command works on: pictures that are moved, or recorded motion that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from flowdis.cli.options import plain_warnings
from flowdis.cli.subject import ImageShape, Subject
from flowdis.data import FactorImages, FactorScenes, StillScenes, load_sequences
from flowdis.data.album import files_for_testing, read_album
from flowdis.data.attributes import AttributeTable, read_attributes
from flowdis.data.grids import Factor
from flowdis.data.sources import ArrayImages
from flowdis.data.videos import is_video
from flowdis.paths import Unit

__all__ = ["TIME", "own_subject"]

TIME = "time"
"""The transformation of recorded motion."""

_LEAST = 5  # images, of which one is for testing
_DRAWN = (500, 100)  # scenes of few recordings to train and to test on: starts are drawn anew for each


def own_subject(
    source: Path,
    *,
    image_shape: ImageShape | None,
    moving: Sequence[str],
    skip_bad: bool,
    attributes: Path | None,
    split: int,
) -> Subject:
    """Reads pictures, or, where time is what moves, recordings.

    Arguments:
        source: A folder, a video or animation, or an npz or h5 file.
        image_shape: (C, H, W) that is wanted.
        moving: The transformations; "time", or none where there are only videos, animations or folders of frames, for
            recorded motion.
        skip_bad: Whether what cannot be read is left out, with a warning each.
        attributes: A table with a row for each file.
        split: The seed by which files are chosen to be tested on.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if a file is bad, or there are too few images.
    """
    if tuple(moving) == (TIME,) or (not moving and _is_recorded(source)):
        if attributes is not None:
            raise ValueError(f"`attributes` must be of single images, got {attributes} for recordings")
        return _recorded(source, image_shape, skip_bad, split)
    with plain_warnings():
        album = read_album(source, image_shape=image_shape, skip_bad=skip_bad, apart=[attributes] if attributes else [])
        table = None
        if attributes is not None:
            table = read_attributes(attributes, album.files, skip_bad=skip_bad)
            album = album[torch.tensor(table.rows)]
    if len(album) < _LEAST:
        raise ValueError(f"`data` must hold at least {_LEAST} images, of which one is for testing, got {len(album)}")
    tested = album.tested(seed=split)
    scenes = StillScenes(album.images, {} if table is None else _classes(table))
    train, test = (scenes[part.nonzero()[:, 0]] for part in (~tested, tested))
    made = Subject(f"images of {source}", str(source.resolve()), train, test)
    return replace(made, album=album, tested=tested, attributes=table, split=split)


def _is_recorded(source: Path) -> bool:
    """Whether there is nothing but videos, animations and folders."""
    if not source.is_dir():
        return is_video(source) or source.suffix.lower() == ".gif"
    inside = [path for path in source.iterdir() if path.name[0] != "."]
    return bool(inside) and all(path.is_dir() or is_video(path) or path.suffix.lower() == ".gif" for path in inside)


def _classes(table: AttributeTable) -> dict[str, Tensor]:
    """The attributes of few values, as classes."""
    few = [name for name, kind in zip(table.names, table.kinds, strict=True) if kind != "continuous"]
    return {name: table[name].unique(return_inverse=True)[1] for name in few}


def _recorded(source: Path, image_shape: ImageShape | None, skip_bad: bool, split: int) -> Subject:
    """Recordings as a grid of which one and when, moved along time; few of them keep their last fifth for testing."""
    with plain_warnings():
        recorded = load_sequences(source, image_shape=image_shape, skip_bad=skip_bad).in_memory()
    pixels = recorded.pixels
    assert isinstance(pixels, Tensor)  # files are kept in memory
    clips = pixels.movedim(0, 1)  # (N, T, C, H, W)
    if len(clips) >= _LEAST:
        tested = files_for_testing([Path(f"recording {number}") for number in range(len(clips))], seed=split)
        parts = (clips[~tested], clips[tested])
    else:
        kept = max(round(0.2 * clips.shape[1]), 2)
        if clips.shape[1] - kept < 2:
            raise ValueError(f"`data` must hold recordings of at least 4 frames, got {clips.shape[1]} in {source}")
        parts = (clips[:, :-kept], clips[:, -kept:])
    unit = Unit("frame", max(1.0, (clips.shape[1] - 1) / 4))
    train, test = (_timed(part, unit, count, source) for part, count in zip(parts, _DRAWN, strict=True))
    return replace(Subject(f"starts in recordings of {source}", str(source.resolve()), train, test), split=split)


def _timed(clips: Tensor, unit: Unit, count: int, source: Path) -> FactorScenes:
    factors = [
        Factor("recording", tuple(map(float, range(len(clips)))), ordered=False),
        Factor(TIME, tuple(map(float, range(clips.shape[1]))), unit),
    ]
    data = FactorImages(factors, ArrayImages(clips.flatten(0, 1), channels="first", white=255), name=source.stem)
    scenes = FactorScenes(data, (TIME,))
    return scenes[torch.linspace(0, len(scenes) - 1e-6, count, dtype=torch.float64).long()]

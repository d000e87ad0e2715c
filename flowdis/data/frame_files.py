"""Sequences of frames from files: folders of numbered images, videos, and animated GIFs."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch
from torch import Tensor

from flowdis.data.files import load_animation, load_images
from flowdis.data.frames import FrameSequences
from flowdis.data.videos import is_video, load_video

__all__ = ["load_sequences"]

_Shape = tuple[int, int, int]


def load_sequences(
    folder: str | Path,
    *,
    image_shape: _Shape | None = None,
    frames: int | None = None,
    dt: float = 1.0,
    skip_bad: bool = False,
) -> FrameSequences:
    """Reads sequences: each folder of numbered images and each video or GIF within a folder is one.

    A folder that holds nothing but images is one sequence itself. Numbers are read as numbers, 2 before 10. Images are
    made grey or RGB and brought to one size as `load_images` does it. All of it is kept in memory, as bytes.

    Arguments:
        folder: The folder, or a single video or GIF. Hidden files are left out.
        image_shape: The shape (C, H, W) of the frames, C being 1 or 3; that of the first frame if left out.
        frames: How many frames to keep, the first ones; if left out, all sequences must be equally long.
        dt: The time from one frame to the next.
        skip_bad: Whether to leave out, with a warning for each, sequences that are too short or that hold a file which
            is not an image.

    Returns:
        The sequences, in the order of their names, called as the folder.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ImportError: if there is a video, and PyAV is not installed.
        ValueError: if it holds images beside folders or films, or nothing; or, naming it, if a file is not an image or
            a sequence is shorter than the others or than `frames`.
    """
    if frames is not None and frames < 2:
        raise ValueError(f"`frames` must be at least 2, got {frames}")
    source = Path(folder).expanduser()
    if not source.exists():
        raise FileNotFoundError(f"`folder` must exist, got {folder}")
    found = _found(source)
    read: list[Tensor] = []
    names: list[Path] = []
    for name, files in found.items():
        try:
            sequence = _sequence(name, files, image_shape, frames)
        except ValueError as error:
            if not skip_bad:
                raise
            warnings.warn(f"left out: {error}", stacklevel=2)
            continue
        image_shape = image_shape or (sequence.shape[1], sequence.shape[2], sequence.shape[3])
        read.append(sequence)
        names.append(name)
    if not read:
        raise ValueError(f"`folder` must hold at least one sequence that can be read, got none in {folder}")
    lengths = [len(sequence) for sequence in read]
    if min(lengths) < max(lengths):
        short, long = (names[lengths.index(end(lengths))] for end in (min, max))
        raise ValueError(
            f"sequences must be equally long, got {min(lengths)} frames in {short} and {max(lengths)} in {long}; say "
            "how many to keep by `frames`"
        )
    return FrameSequences(torch.stack(read, 1), dt=dt, name=source.stem)


def _found(source: Path) -> dict[Path, list[Path]]:
    """The files of each sequence, by the folder or the GIF that it is."""
    if not source.is_dir():
        return {source: [source]}
    inside = sorted((path for path in source.iterdir() if path.name[0] != "."), key=_order)
    folders = [path for path in inside if path.is_dir()]
    films = [path for path in inside if _is_film(path)]
    stills = [path for path in inside if path.is_file() and not _is_film(path)]
    if stills and (folders or films):
        other = (folders or films)[0].name
        raise ValueError(f"`folder` must hold sequences or the images of one, got both {other} and {stills[0].name}")
    if stills:
        return {source: stills}
    sequences = {path: [path] for path in films} | {path: _images(path) for path in folders}
    if not sequences:
        raise ValueError(f"`folder` must hold folders of images, videos, GIFs or images, got none in {source}")
    return {path: sequences[path] for path in sorted(sequences, key=_order)}


def _images(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.is_file() and path.name[0] != "."), key=_order)


def _sequence(name: Path, files: list[Path], shape: _Shape | None, frames: int | None) -> Tensor:
    """The bytes (T, C, H, W) of a sequence."""
    least = 2 if frames is None else frames
    wanted = f"sequences must have {least} frames or more"
    if not files or (len(files) < least and not _is_film(files[0])):
        raise ValueError(f"{wanted}, got {len(files)} in {name}")
    if _is_film(files[0]):
        images = (
            load_video(files[0], image_shape=shape, frames=frames)
            if is_video(files[0])
            else load_animation(files[0], image_shape=shape)[:frames]
        )
        if len(images) < least:
            raise ValueError(f"{wanted}, got {len(images)} in {name}")
    else:
        images, _ = load_images(files[:frames], image_shape=shape)
    return (images * 255).round().to(torch.uint8)


def _is_film(path: Path) -> bool:
    return is_video(path) or (path.suffix.lower() == ".gif" and path.is_file())


def _order(path: Path) -> list[tuple[int, int | str]]:
    """By name, numbers by their value."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", path.name) if part]

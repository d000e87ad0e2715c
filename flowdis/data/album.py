"""One's own images, of any sizes, modes and formats: what was read, what was not and why, and what is tested on."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flowdis.data.files import load_images
from flowdis.data.readers.plain import load_array
from flowdis.data.videos import is_video, load_video

__all__ = ["Album", "Look", "read_album", "files_for_testing"]

_Shape = tuple[int, int, int]

_LARGEST = 128  # the longest side that is taken without being asked for
_GREY = ("1", "L", "LA", "La", "F")


@dataclass(frozen=True)
class Look:
    """What a file is before it is brought to the shape of the others.

    Arguments:
        kind: Its format, such as PNG.
        mode: Its mode, such as RGBA, as Pillow calls it.
        width: In pixels.
        height: In pixels.
    """

    kind: str
    mode: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Album:
    """N images of one shape and where they come from.

    Arguments:
        images: The images in [0, 1], with shape (N, C, H, W).
        files: The file of each image; frames of a video share one.
        looks: What each image was in its file.
        skipped: Why files were left out.
    """

    images: Float[Tensor, "N C H W"]
    files: tuple[Path, ...]
    looks: tuple[Look, ...]
    skipped: Mapping[Path, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Int[Tensor, "M"]) -> Album:
        """Some of the images, in the order of `rows`."""
        picked = rows.tolist()
        files, looks = (tuple(values[row] for row in picked) for values in (self.files, self.looks))
        return replace(self, images=self.images[rows], files=files, looks=looks)

    def tested(self, share: float = 0.2, *, seed: int = 0) -> Bool[Tensor, "N"]:
        """Which images are kept for testing: those of a share of the files, chosen by their names and a seed.

        Whether a file is tested on depends little on which others there are, and not on where the folder lies. Of a
        single file with several images, the last ones are kept.

        Arguments:
            share: The share of the files, at least one.
            seed: Another seed, another choice.

        Raises:
            ValueError: if `share` does not lie between 0 and 1.
        """
        files = list(dict.fromkeys(self.files))
        if len(files) == 1:
            return torch.arange(len(self)) >= len(self) - max(round(share * len(self)), 1)
        chosen = dict(zip(files, files_for_testing(files, share, seed=seed).tolist(), strict=True))
        return torch.tensor([chosen[file] for file in self.files])


def files_for_testing(files: Sequence[Path], share: float = 0.2, *, seed: int = 0) -> Bool[Tensor, "F"]:
    """Which of some files are kept for testing, as `Album.tested` says.

    Raises:
        ValueError: if `share` does not lie between 0 and 1.

    Example:
        >>> files_for_testing([Path("a.png"), Path("b.png"), Path("c.png")], 0.34).sum().item()
        1
    """
    if not 0 < share < 1:
        raise ValueError(f"`share` must lie between 0 and 1, got {share}")
    ranked = sorted(range(len(files)), key=lambda k: hashlib.sha256(f"{seed} {files[k].name}".encode()).digest())
    tested = torch.zeros(len(files), dtype=torch.bool)
    tested[ranked[: max(round(share * len(files)), 1)]] = True
    return tested


def read_album(
    source: str | Path,
    *,
    image_shape: _Shape | None = None,
    skip_bad: bool = True,
    apart: Sequence[Path] = (),
) -> Album:
    """Reads the images of a folder and of those below it, the frames of videos too; or of an npz or h5 file.

    Arguments:
        source: The folder, an image or video, or an archive with one array of images. Hidden files are left out.
        image_shape: The shape (C, H, W) to bring them to, as `load_images` does; if left out, in colour if any image
            is, and as high and wide as most are. Arrays stay as they are.
        skip_bad: Whether to leave out, with a warning for each, files that cannot be read as images.
        apart: Files that are no images, and left out without a word.

    Returns:
        The images.

    Raises:
        FileNotFoundError: if the source does not exist.
        ImportError: if there are videos, or an h5 file, and what reads them is not installed.
        ValueError: if there is no image, one is bad and `skip_bad` is not set, or the shape is left out and most images
            have a side of more than 128 pixels.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"`source` must be a folder of images, got {source}, which does not exist")
    if path.suffix.lower() in (".npz", ".h5", ".hdf5"):
        return _from_array(path, image_shape)
    ignored = {file.resolve() for file in apart}
    files = _images_below(path) if path.is_dir() else [path]
    looks: dict[Path, Look] = {}
    skipped: dict[Path, str] = {}
    for file in files:
        if file.resolve() in ignored:
            continue
        try:
            looks[file] = _look(file)
        except ValueError as error:
            _leave_out(file, error, skipped, skip_bad)
    if not looks:
        raise ValueError(f"`source` must be a folder with images, got none in {source}")
    return _read(looks, image_shape or _common_shape(looks), skipped, skip_bad)


def _images_below(folder: Path) -> list[Path]:
    inside = sorted(folder.rglob("*"))
    return [file for file in inside if file.is_file() and not any(p[0] == "." for p in file.relative_to(folder).parts)]


def _leave_out(file: Path, error: ValueError, skipped: dict[Path, str], skip_bad: bool) -> None:
    if not skip_bad:
        raise ValueError(f"{error}; set `skip_bad` to leave out such files") from error
    skipped[file] = str(error)
    warnings.warn(f"left out: {error}", stacklevel=3)


def _look(file: Path) -> Look:
    from PIL import ExifTags, Image

    if is_video(file):
        height, width = load_video(file, frames=1).shape[-2:]
        return Look(file.suffix[1:].upper(), "RGB", int(width), int(height))
    try:
        with Image.open(file) as opened:
            kind, mode = str(opened.format), opened.mode
            width, height = opened.size
            turned = opened.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"could not read {file} as an image ({type(error).__name__}: {error})") from error
    return Look(kind, mode, *((height, width) if turned else (width, height)))


def _common_shape(looks: Mapping[Path, Look]) -> _Shape:
    coloured = any(look.mode not in _GREY and not look.mode.startswith("I") for look in looks.values())
    channels = 3 if coloured else 1
    ((width, height), _), *_ = Counter((look.width, look.height) for look in looks.values()).most_common(1)
    if max(height, width) > _LARGEST:
        file = next(file for file, look in looks.items() if (look.width, look.height) == (width, height))
        raise ValueError(
            f"`image_shape` must be given where images are larger than {_LARGEST} pixels, such as "
            f"--image-shape {channels} 64 64; {file} is of shape {(channels, height, width)}"
        )
    return channels, height, width


def _read(looks: Mapping[Path, Look], shape: _Shape, skipped: dict[Path, str], skip_bad: bool) -> Album:
    read: list[Tensor] = []
    files: list[Path] = []
    for file in looks:
        try:
            if is_video(file):
                images = load_video(file, image_shape=shape)
            else:
                images, _ = load_images([file], image_shape=shape)
        except ValueError as error:
            cause = error.__cause__ if isinstance(error.__cause__, ValueError) else error
            _leave_out(file, cause, skipped, skip_bad)
            continue
        read.append(images)
        files += [file] * len(images)
    if not read:
        raise ValueError(f"`source` must hold at least one image that can be read, got {len(looks)} that cannot")
    return Album(torch.cat(read), tuple(files), tuple(looks[file] for file in files), skipped)


def _from_array(path: Path, image_shape: _Shape | None) -> Album:
    images = load_array(path)
    if image_shape is not None and tuple(images.shape[1:]) != tuple(image_shape):
        raise ValueError(f"`source` must have images of shape {tuple(image_shape)}, got {tuple(images.shape[1:])}")
    channels, height, width = images.shape[1:]
    look = Look(path.suffix[1:].upper(), f"{channels} channel{'s' if channels > 1 else ''}", width, height)
    return Album(images, tuple(path / str(row) for row in range(len(images))), (look,) * len(images))

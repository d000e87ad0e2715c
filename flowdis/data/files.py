"""Image files and arrays in and out: any common format becomes a batch in [0, 1], a batch PNG files."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice, check_images
from flowdis._types import Images

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["as_images", "check_writable", "fitted", "load_animation", "load_images", "plain", "save_images"]

_Batch = Float[Tensor, "N C H W"]
_Shape = tuple[int, int, int]
_Source = str | Path | Sequence[str | Path]

_MODES = {"1": "L", "3": "RGB"}


def load_images(
    source: _Source, *, image_shape: _Shape | None = None, skip_bad: bool = False
) -> tuple[_Batch, list[Path]]:
    """Reads image files of any common format, grey or in colour, into one batch.

    Images are turned upright as their camera noted, made grey or RGB, shrunk or enlarged (antialiased) until
    they cover the wanted size, and cropped to it at the centre. What is transparent lies on black.

    Arguments:
        source: A folder, whose files are read in sorted order (hidden ones left out), an image file, or a
            list of image files, read in the order given.
        image_shape: The shape (C, H, W) of the images, C being 1 or 3; that of the first image if left out.
        skip_bad: Whether to go on, with a warning for each, when files cannot be read as images.

    Returns:
        The images in [0, 1] in float32, with shape (N, C, H, W), and the files that they came from.

    Raises:
        FileNotFoundError: if a folder or a file does not exist.
        ValueError: if there is no file, or one of them is not an image and `skip_bad` is not set.
    """
    _check_shape(image_shape)
    pixels: list[Tensor] = []
    read: list[Path] = []
    for path in _listed(source):
        try:
            array = _read(path, image_shape)
        except ValueError as error:
            if not skip_bad:
                raise ValueError(f"{error}; set `skip_bad` to leave out such files") from error
            warnings.warn(f"left out: {error}", stacklevel=2)
            continue
        image_shape = image_shape or (array.shape[0], array.shape[1], array.shape[2])
        pixels.append(array)
        read.append(path)
    if not pixels:
        raise ValueError(f"`source` must hold at least one image, got none in {source}")
    return torch.stack(pixels).to(torch.float32) / 255, read


def load_animation(path: str | Path, *, image_shape: _Shape | None = None) -> _Batch:
    """Reads the frames of an animated image file, such as a GIF, as `load_images` reads images.

    Arguments:
        path: The file.
        image_shape: The shape (C, H, W) of the frames; if left out, that of the file, grey if all frames are.

    Returns:
        The frames in [0, 1] in float32, with shape (T, C, H, W), however long each of them is to be shown.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it cannot be read to its end.
    """
    _check_shape(image_shape)
    (file,) = _listed([path])
    frames = _opened(file, all_frames=True)
    if image_shape is None:
        width, height = frames[0].size
        image_shape = (1 if all(frame.mode == "L" for frame in frames) else 3, height, width)
    return torch.stack([fitted(frame, image_shape) for frame in frames]).to(torch.float32) / 255


def save_images(
    images: _Batch,
    folder: str | Path,
    names: Sequence[str | Path] | None = None,
) -> list[Path]:
    """Writes a batch as PNG files.

    Arguments:
        images: Grey or RGB images in [0, 1], with shape (N, C, H, W).
        folder: Where to write; made if it does not exist.
        names: One name per image, of which folders and endings are left out; numbers if left out.

    Returns:
        The files written, in order.

    Raises:
        ValueError: if images are not in [0, 1], do not have 1 or 3 channels, or names do not fit them.
        OSError: if the folder cannot be written.
    """
    from PIL import Image

    check_images("images", images)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"`images` must have shape (N, 1 or 3, H, W), got {tuple(images.shape)}")
    digits = max(4, len(str(len(images) - 1)))
    stems = [f"{i:0{digits}d}" for i in range(len(images))] if names is None else [Path(n).stem for n in names]
    if len(stems) != len(images):
        raise ValueError(f"`names` must name N={len(images)} images, got {len(stems)} names")
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ValueError(f"`names` must differ without folders and endings, got {', '.join(twice)} twice")
    target = check_writable(folder)
    bytes_ = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1).cpu().numpy()
    paths = [target / f"{stem}.png" for stem in stems]
    for array, path in zip(bytes_, paths, strict=True):
        Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(path)
    return paths


def as_images(array: Tensor | np.ndarray, image_shape: Sequence[int] | None = None) -> Images:
    """Makes images out of an array: bytes 0..255 become floats in [0, 1], floats in [0, 1] stay as they are.

    Arguments:
        array: Images as a tensor or NumPy array, with shape (*, C, H, W).
        image_shape: The shape (C, H, W) that they must have, where it is known.

    Returns:
        The images, with shape (*, C, H, W).

    Raises:
        TypeError: if the values are neither bytes nor floats.
        ValueError: if floats lie outside [0, 1], or the axes are not (*, C, H, W).

    Example:
        >>> as_images(np.full((1, 2, 2), 51, dtype=np.uint8))[0, 0].tolist()
        [0.20000000298023224, 0.20000000298023224]
    """
    if isinstance(array, np.ndarray):
        array = torch.from_numpy(np.array(array, order="C"))
    if not isinstance(array, Tensor):
        raise TypeError(f"`array` must be a tensor or a NumPy array, got {type(array).__name__}")
    if not array.is_floating_point() and array.dtype not in (torch.uint8, torch.bool):
        raise TypeError(f"`array` must hold floats in [0, 1] or uint8 in 0..255, got {array.dtype}")
    if array.dtype == torch.uint8:
        array = array.to(torch.float32) / 255
    elif array.dtype == torch.bool:
        array = array.to(torch.float32)
    return check_images("array", array, image_shape)


def check_writable(folder: str | Path) -> Path:
    """Makes a folder, with those above it, and tries to write in it, so that work does not start in vain.

    Arguments:
        folder: The folder.

    Returns:
        The folder.

    Raises:
        OSError: if it cannot be made, is not a folder, or cannot be written.
    """
    path = Path(folder).expanduser()
    blocker = next((above for above in (path, *path.parents) if above.exists() and not above.is_dir()), None)
    if blocker is not None:
        raise NotADirectoryError(f"`folder` must be a folder, got {folder}, but {blocker} is a file")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OSError(f"`folder` must be a place to write in, got {folder}: {reason}") from error


def _listed(source: _Source) -> list[Path]:
    if not isinstance(source, str | Path):
        paths = [Path(path).expanduser() for path in source]
    else:
        path = Path(source).expanduser()
        paths = sorted(p for p in path.iterdir() if p.name[0] != "." and p.is_file()) if path.is_dir() else [path]
    if not paths:
        raise ValueError(f"`source` must hold at least one image, got no file in {source}")
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"`source` must be an image or a folder of images, got {path}: does not exist")
    return paths


def _check_shape(shape: _Shape | None) -> None:
    if shape is not None:
        check_choice("image_shape[0]", str(shape[0]), _MODES)
        if min(shape) < 1:
            raise ValueError(f"`image_shape` must be positive (C, H, W), got {shape}")


def _read(path: Path, shape: _Shape | None) -> Tensor:
    """The bytes (C, H, W) of an image file."""
    return fitted(_opened(path)[0], shape)


def _opened(path: Path, all_frames: bool = False) -> list[Image]:
    """The first or all frames of an image file, upright, in mode L or RGB."""
    from PIL import Image, ImageOps, ImageSequence

    try:
        with Image.open(path) as opened:
            frames = ImageSequence.Iterator(opened) if all_frames else [opened]
            return [plain(ImageOps.exif_transpose(frame)) for frame in frames]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"could not read {path} as an image ({type(error).__name__}: {error})") from error


def fitted(image: Image, shape: _Shape | None) -> Tensor:
    """The bytes (C, H, W) of an image in mode L or RGB, shrunk or enlarged to cover a shape and cropped to it."""
    from PIL import Image, ImageOps

    if shape is not None:
        image = image.convert(_MODES[str(shape[0])])
        image = ImageOps.fit(image, (shape[2], shape[1]), method=Image.Resampling.BICUBIC)
    array = torch.from_numpy(np.array(image))
    return array[None] if array.ndim == 2 else array.movedim(-1, 0)


def plain(image: Image) -> Image:
    """The image in mode L or RGB: 16 bits brought to 8, transparency laid on black."""
    from PIL import Image as images

    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    if image.mode.startswith("I"):
        return images.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        ground = images.new("RGBA", image.size, (0, 0, 0, 255))
        flat = images.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
        return flat.convert("L") if image.mode in ("L", "LA", "La") else flat
    return image.convert("L" if image.mode in ("1", "L") else "RGB")

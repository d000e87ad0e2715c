"""Pictures that strangers send: how large they may be, and what is said when they are not pictures."""

from __future__ import annotations

import base64
import binascii
import io
import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.files import fitted, plain

__all__ = ["FORMATS", "MOST_BYTES", "MOST_PIXELS", "UploadError", "read_data_url", "read_upload"]

MOST_BYTES = 8 * 2**20
"""The largest file that is taken."""
MOST_PIXELS = 40_000_000
"""The largest image that is unpacked, as many pixels as a large camera's."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
"""The kinds of files that are taken."""

_SIZE = f"{MOST_BYTES // 2**20} MB"


class UploadError(ValueError):
    """A file that is not taken; the message says why, in words for the person who sent it."""


def read_data_url(url: str, image_shape: tuple[int, int, int]) -> Float[Tensor, "C H W"]:
    """The image (C, H, W) in a `data:` address, as a browser reads a file into one; see `read_upload`.

    Raises:
        UploadError: if it is too long, not such an address, or not an image.
    """
    head, found, packed = url.partition(",") if len(url) <= 2 * MOST_BYTES else ("", "", url)
    if len(packed) > 4 * (MOST_BYTES // 3 + 1):
        raise UploadError(f"This file is too large: at most {_SIZE} are taken.")
    try:
        if not found or not head.startswith("data:") or not head.endswith(";base64"):
            raise ValueError("not a data address")
        content = base64.b64decode(packed, validate=True)
    except (ValueError, binascii.Error):
        raise UploadError("The file did not arrive whole. Try once more.") from None
    return read_upload(content, image_shape)


def read_upload(content: bytes, image_shape: tuple[int, int, int]) -> Float[Tensor, "C H W"]:
    """The image in a file, made to fit the model: turned upright, shrunk or enlarged, and cropped at the centre.

    Arguments:
        content: The bytes of the file.
        image_shape: The shape (C, H, W) of the model's images, C being 1 or 3.

    Returns:
        The image (C, H, W) in [0, 1].

    Raises:
        UploadError: if the file is too large, is not an image of `FORMATS`, or has too many pixels.
    """
    from PIL import Image, ImageOps

    if len(content) > MOST_BYTES:
        raise UploadError(f"This file is too large: {len(content) / 2**20:.1f} MB, and at most {_SIZE} are taken.")
    if not content:
        raise UploadError("This file is empty.")
    try:
        with warnings.catch_warnings():
            # The library's own warning of bombs; the count of pixels below is what decides.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > MOST_PIXELS:
                    raise _too_many(width, height)
                # A JPEG is read at a smaller scale where that is enough, which spares time and memory.
                opened.draft(None, (2 * image_shape[2], 2 * image_shape[1]))
                image = plain(ImageOps.exif_transpose(opened))
    except UploadError:
        raise
    except Image.DecompressionBombError:
        raise UploadError(
            f"This image has too many pixels: at most {MOST_PIXELS // 10**6} million are taken."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError):
        kinds = ", ".join(FORMATS)
        raise UploadError(f"This file could not be read as an image. {kinds} files are taken.") from None
    return fitted(image, image_shape).to(torch.float32) / 255


def _too_many(width: int, height: int) -> UploadError:
    counted = f"{width} × {height} = {width * height / 1e6:.0f} million"
    return UploadError(
        f"This image has too many pixels: {counted}, and at most {MOST_PIXELS // 10**6} million are taken."
    )

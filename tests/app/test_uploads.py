"""Files of strangers: pictures are taken, all else is told why not."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest
import torch

from flowdis.app.uploads import MOST_BYTES, UploadError, read_data_url, read_upload
from tests.app.toys import png

SHAPE = (3, 8, 8)


def bomb(width: int, height: int) -> bytes:
    """A PNG file of few bytes that unpacks to so many black pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_a_picture_of_the_models_size_is_taken_as_it_is():
    image = read_upload(png(8, 8), SHAPE)
    assert image.shape == SHAPE
    assert torch.equal((255 * image).round(), 255 * image) and image.max() > 0.9


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA"])
def test_other_sizes_and_kinds_are_made_to_fit(mode):
    assert read_upload(png(31, 17, mode), SHAPE).shape == SHAPE
    assert read_upload(png(31, 17, mode), (1, 8, 8)).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"hello, this is text\n" * 10, "could not be read as an image"),
        (png(8, 8)[:60], "could not be read as an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "could not be read as an image"),
        (bytes(MOST_BYTES + 1), "too large: 8.0 MB, and at most 8 MB"),
        (bomb(8000, 8000), "too many pixels: 8000 × 8000 = 64 million, and at most 40 million"),
        (bomb(60000, 4000), "too many pixels"),
    ],
    ids=["empty", "text", "cut", "program", "bytes", "pixels", "bomb"],
)
def test_bad_files_are_told_why(content, told):
    with pytest.raises(UploadError, match=told):
        read_upload(content, SHAPE)


def test_data_addresses_are_read_and_others_are_not():
    url = "data:image/png;base64," + base64.b64encode(png(8, 8)).decode()
    assert torch.equal(read_data_url(url, SHAPE), read_upload(png(8, 8), SHAPE))
    for bad in ("", "http://example.org/a.png", "data:image/png;base64,?", "data:image/png,abc", "/etc/passwd"):
        with pytest.raises(UploadError, match="did not arrive whole"):
            read_data_url(bad, SHAPE)
    with pytest.raises(UploadError, match="too large"):
        read_data_url("data:image/png;base64," + "A" * (2 * MOST_BYTES), SHAPE)

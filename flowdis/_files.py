"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import BinaryIO

__all__ = ["replacing", "write_whole"]


@contextmanager
def replacing(file: str | FilePath) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file when the block ends without an error; otherwise nothing changes.

    The file's folder is made where needed. What was there before stays until the new bytes are on disk.

    Example:
        >>> import tempfile
        >>> file = FilePath(tempfile.mkdtemp()) / "new" / "a.txt"
        >>> with replacing(file) as stream:
        ...     _ = stream.write(b"whole")
        >>> file.read_text()
        'whole'
    """
    target = FilePath(file).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(file: str | FilePath, content: bytes | Sequence[bytes]) -> FilePath:
    """Writes a file whole or not at all, making its folder where needed, and returns its path."""
    with replacing(file) as stream:
        stream.write(content if isinstance(content, bytes) else b"".join(content))
    return FilePath(file).expanduser()

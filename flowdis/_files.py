"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import BinaryIO

__all__ = ["clear_partials", "link_whole", "replacing", "write_whole"]

_PARTIAL = re.compile(r"\..+\.partial")


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
    partial = _partial(target)
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, target)
        _keep_names(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(file: str | FilePath, content: bytes | Sequence[bytes]) -> FilePath:
    """Writes a file whole or not at all, making its folder where needed, and returns its path."""
    with replacing(file) as stream:
        stream.write(content if isinstance(content, bytes) else b"".join(content))
    return FilePath(file).expanduser()


def link_whole(source: FilePath, target: FilePath) -> None:
    """Gives a file that is only ever replaced a second name, or a copy where the disk has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(target)
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        write_whole(target, source.read_bytes())
        return
    try:
        os.replace(partial, target)  # does nothing where both are names of one file already
        _keep_names(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def clear_partials(folder: FilePath) -> None:
    """Removes what a process that was killed while it wrote into a folder has left there, not in folders below."""
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if _PARTIAL.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)


def _partial(target: FilePath) -> FilePath:
    return target.with_name(f".{target.name}.partial")


def _keep_names(folder: FilePath) -> None:
    """Has the disk keep the names of a folder, as it keeps bytes, where folders can be opened at all."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        return  # some network disks cannot, and need not
    finally:
        os.close(descriptor)

"""Finding the files of a data set, and fetching them where asked: whole, or not at all."""

from __future__ import annotations

import gzip
import http.client
import io
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO
from urllib.parse import urlsplit

from flowdis._files import replacing

__all__ = ["fetch", "fetch_archive", "locate", "missing", "reading", "refuse_page"]

_CHUNK = 1 << 20
# What readers of files raise at bytes that they did not expect.
_DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    NotImplementedError,
    struct.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
)
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")


def locate(
    path: str | Path, file: str, *, title: str, download: bool, url: str | None, official: str | None = None
) -> Path:
    """Finds the one file of a data set, and fetches it first where it is missing and that is asked for.

    Arguments:
        path: The file, or the folder that holds it or is to hold it.
        file: Its published name.
        title: What the data are called.
        download: Whether to fetch it where it is missing.
        url: The address of a mirror.
        official: The address where it is published, if that is stable.

    Returns:
        The file.

    Raises:
        FileNotFoundError: if it is missing and not to be downloaded.
        ValueError: if there is no address to fetch it from, or it is a web page.
    """
    target = Path(path).expanduser()
    if target.is_dir() or (not target.exists() and target.suffix != Path(file).suffix):
        target = target / file
    if not target.exists():
        address = url or official
        if not download or address is None:
            raise missing(target, f"{title} is the file {file}", address)
        fetch(address, target)
    refuse_page(target)
    return target


def missing(path: Path, content: str, address: str | None) -> FileNotFoundError:
    """The error about a missing file or folder: what it is, and how to get it."""
    source = f"set download=True to fetch it from {address}" if address else "set download=True and the `url` of a copy"
    return FileNotFoundError(f"{path} does not exist; {content}: give the path of yours, or {source}")


def fetch(url: str, target: Path) -> None:
    """Downloads a file with a progress bar; unpacks it on the way where only its address ends in ".gz".

    Arguments:
        url: An http or https address.
        target: The file to write, which appears once it is whole.

    Raises:
        OSError: if the server cannot be reached or stops early.
        ValueError: if the address is of another kind, or what comes is a web page.
    """
    import urllib.request

    from tqdm import tqdm

    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"`url` must be an http or https address, got {url!r}; give local files as `path`")
    packed = urlsplit(url).path.endswith(".gz") and target.suffix != ".gz"
    request = urllib.request.Request(url, headers={"User-Agent": "flowdis"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer, replacing(target) as stream:
            if answer.headers.get_content_type() == "text/html":
                raise _page(url)
            total = int(answer.headers["Content-Length"] or 0)
            with tqdm.wrapattr(answer, "read", total=total or None, desc=target.name, disable=None) as counted:
                received = _copy((gzip.GzipFile(fileobj=counted) if packed else counted).read, stream, url)
            if total and not packed and received != total:
                raise OSError(f"got {received} of {total} bytes")
    except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
        reason = error or type(error).__name__
        raise OSError(f"could not download {url} to {target}: {reason}; try again, or give another `url`") from error


def fetch_archive(url: str, folder: Path, keep: Callable[[PurePosixPath], bool]) -> None:
    """Downloads a zip or tar archive and unpacks it, next to the folder first, which appears once all is there.

    Arguments:
        url: An http or https address.
        folder: Where to unpack: a folder that does not exist yet, or is empty.
        keep: Which members to unpack, by their paths in the archive.

    Raises:
        OSError: if the server cannot be reached or stops early.
        ValueError: if what comes is no archive, or holds nothing to keep.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"`path` must be a new or empty folder to download to, got {folder}, which holds other files")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
        archive, unpacked = Path(beside) / "archive", Path(beside) / "unpacked"
        fetch(url, archive)
        with reading(archive, "zip or tar archive"), archive.open("rb") as stream:
            for name, opened in _members(stream):
                inner = PurePosixPath(name)
                if ".." not in inner.parts and not inner.is_absolute() and keep(inner):
                    (unpacked / inner).parent.mkdir(parents=True, exist_ok=True)
                    with opened() as content, (unpacked / inner).open("wb") as written:
                        shutil.copyfileobj(content, written)
        if not unpacked.exists():
            raise ValueError(f"the archive at {url} holds none of the files that are looked for")
        if folder.exists():
            folder.rmdir()
        unpacked.rename(folder)


@contextmanager
def reading(path: Path, kind: str, *also: type[Exception]) -> Iterator[None]:
    """Turns the many errors of damaged files into one that names the file and what to do.

    Arguments:
        path: The file.
        kind: What it ought to be.
        also: More errors by which its reader tells of damage.

    Raises:
        ValueError: if the block fails to read the file.
    """
    refuse_page(path)
    damage = (*_DAMAGE, *also)
    try:
        yield
    except damage as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"could not read {path} as {kind} ({reason}); if it was cut short on its way, delete it and get it again, "
            "for instance with download=True"
        ) from error


def refuse_page(path: Path) -> None:
    """Checks that a file is not a web page that a server sent in its place.

    Raises:
        ValueError: naming the file.
    """
    with path.open("rb") as stream:
        if _is_page(stream.read(512)):
            raise ValueError(
                f"{path} is a web page, not data: the server answered with a notice (dead link, quota, log-in); "
                "delete it and get it again, with download=True or from another `url`"
            )


def _copy(read: Callable[[int], bytes], target: BinaryIO | io.BufferedIOBase, url: str) -> int:
    received = 0
    while chunk := read(_CHUNK):
        if not received and _is_page(chunk[:512]):
            raise _page(url)
        received += target.write(chunk)
    return received


def _page(url: str) -> ValueError:
    return ValueError(f"{url} answers with a web page, not data; open it in a browser, or give another `url`")


def _is_page(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES)


def _members(stream: io.BufferedIOBase) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """The files in an archive, each with what opens it."""
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    yield entry.filename, lambda entry=entry: packed.open(entry)  # type: ignore[misc]
        return
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tape:
        for member in tape:
            if member.isfile():
                yield member.name, lambda member=member: tape.extractfile(member)  # type: ignore[misc]

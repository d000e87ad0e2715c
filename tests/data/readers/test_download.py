from __future__ import annotations

import gzip
import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader

from flowdis.data.factors import FactorImages
from flowdis.data.readers import cars3d, dsprites, falcor3d, isaac3d, mpi3d, shapes3d, smallnorb
from flowdis.data.readers.download import fetch
from tests.data.readers import toys

READERS = [dsprites, shapes3d, mpi3d, smallnorb, cars3d, falcor3d, isaac3d]


class Mirror(BaseHTTPRequestHandler):
    """Serves `files`; stops halfway through those whose path says so."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        if self.path.startswith("/page"):
            self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path.startswith("/short") else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mirror]]:
    monkeypatch.setenv("no_proxy", "*")
    served = type("Served", (Mirror,), {"files": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), served)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_nothing_is_downloaded_unless_asked(reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("opened a connection"))
    for url in (None, "http://127.0.0.1:9/mirror"):
        with pytest.raises(FileNotFoundError, match="download=True"):
            reader(tmp_path / "nowhere", url=url)
    assert list(tmp_path.iterdir()) == []


def test_a_file_comes_from_a_mirror_and_appears_whole(mirror: type[Mirror], tmp_path: Path) -> None:
    truth = toys.write_dsprites(tmp_path / "served.npz")
    mirror.files["/a.npz"] = (tmp_path / "served.npz").read_bytes()
    target = tmp_path / "new" / "folder" / "mine.npz"
    data = dsprites(target, download=True, url=f"{mirror.url}/a.npz")
    assert torch.equal(data.images(torch.arange(180)), truth)
    assert target.read_bytes() == mirror.files["/a.npz"] and list(target.parent.iterdir()) == [target]
    assert len(dsprites(target, download=True, url=f"{mirror.url}/a.npz")) == 180 and mirror.asked == ["/a.npz"]


@pytest.mark.parametrize("path", ["/page/a.npz", "/plain/a.npz"])
def test_web_pages_are_refused_and_leave_no_file(mirror: type[Mirror], tmp_path: Path, path: str) -> None:
    mirror.files[path] = b"<!DOCTYPE html><title>Quota exceeded</title>"
    with pytest.raises(ValueError, match=rf"{path} answers with a web page, not data.*another `url`"):
        dsprites(tmp_path / "a.npz", download=True, url=f"{mirror.url}{path}")
    assert list(tmp_path.iterdir()) == []


def test_downloads_that_stop_early_or_fail_leave_no_file(mirror: type[Mirror], tmp_path: Path) -> None:
    mirror.files["/short.npz"] = bytes(100_000)
    mirror.files["/short.mat.gz"] = gzip.compress(np.random.default_rng(0).bytes(100_000))
    for url, reason in (
        (f"{mirror.url}/short.npz", "got 50000 of 100000 bytes"),
        (f"{mirror.url}/missing.npz", "404"),
        (f"{mirror.url}/short.mat.gz", "end-of-stream|of .* bytes"),
        ("http://127.0.0.1:9/nobody.npz", "refused"),
    ):
        with pytest.raises(OSError, match=rf"could not download {url} to .*({reason}).*another `url`"):
            fetch(url, tmp_path / "a.mat")
    with pytest.raises(ValueError, match="http or https address, got 'file:///etc/hosts'"):
        fetch("file:///etc/hosts", tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_packed_matrices_are_unpacked_on_their_way(mirror: type[Mirror], tmp_path: Path) -> None:
    toys.write_smallnorb(tmp_path / "served")
    for file in (tmp_path / "served").iterdir():
        mirror.files[f"/norb/{file.name}.gz"] = gzip.compress(file.read_bytes())
    data = smallnorb(tmp_path / "mine", download=True, url=f"{mirror.url}/norb/")
    assert data.sizes == (5, 4, 2, 3, 2)
    assert {file.name: file.read_bytes() for file in (tmp_path / "mine").iterdir()} == {
        file.name: file.read_bytes() for file in (tmp_path / "served").iterdir()
    }


def archive(folder: Path, kind: str, top: str = "top") -> bytes:
    """The folder packed, with a member that points out of it and one that nobody asked for."""
    stream = io.BytesIO()
    files = {f"{top}/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    files |= {"../cars/escaped.mat": b"no", "../escaped.png": b"no", f"{top}/readme.txt": b"hello"}
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as packed:
            for name, content in files.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as packed:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_unpacked_within_their_folder(mirror: type[Mirror], tmp_path: Path, kind: str) -> None:
    truth = toys.write_folder(tmp_path / "served", "train-rec.labels", (2, 1, 1, 1, 1, 1, 3))
    mirror.files["/falcor"] = archive(tmp_path / "served", kind)
    data = falcor3d(tmp_path / "mine", download=True, url=f"{mirror.url}/falcor")
    assert torch.equal(data.images(torch.arange(6)), truth)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "served"]
    assert not [path for path in tmp_path.rglob("*") if "escaped" in path.name or path.suffix == ".txt"]


def test_cars_are_taken_out_of_the_published_archive(mirror: type[Mirror], tmp_path: Path) -> None:
    toys.write_cars3d(tmp_path / "served/data/cars")
    (tmp_path / "served/data/sprites.mat").write_bytes(b"other data")
    mirror.files["/all.tar.gz"] = archive(tmp_path / "served/data", "tar", "data")
    data = cars3d(tmp_path / "mine", download=True, url=f"{mirror.url}/all.tar.gz")
    assert data.sizes == (4, 24, 3) and not list((tmp_path / "mine").rglob("sprites.mat"))


def test_archives_that_are_none_leave_no_folder(mirror: type[Mirror], tmp_path: Path) -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    mirror.files |= {"/odd": b"neither zip nor tar", "/empty": empty.getvalue()}
    with pytest.raises(ValueError, match="could not read .* as zip or tar archive"):
        falcor3d(tmp_path / "mine", download=True, url=f"{mirror.url}/odd")
    with pytest.raises(ValueError, match="/empty holds none of the files"):
        falcor3d(tmp_path / "mine", download=True, url=f"{mirror.url}/empty")
    assert list(tmp_path.iterdir()) == []


def test_spawned_workers_read_every_format(tmp_path: Path) -> None:
    toys.write_dsprites(tmp_path / "packed.npz")
    toys.write_dsprites(tmp_path / "mapped.npz", compressed=False)
    sets: list[FactorImages] = [dsprites(tmp_path / "packed.npz"), dsprites(tmp_path / "mapped.npz")]
    toys.write_smallnorb(tmp_path / "norb")
    toys.write_folder(tmp_path / "falcor", "labels.npy", (2, 1, 1, 1, 1, 1, 3))
    sets += [smallnorb(tmp_path / "norb"), falcor3d(tmp_path / "falcor")]
    toys.write_shapes3d(tmp_path / "3dshapes.h5")
    toys.write_cars3d(tmp_path / "cars")
    sets += [shapes3d(tmp_path), cars3d(tmp_path)]
    truth = [data.images(torch.arange(len(data))) for data in sets]  # files are open when workers start
    arrays = FactorImages.from_arrays(truth[2], sets[2].factors)
    sets.append(arrays)
    truth.append(truth[2])
    workers = {"num_workers": 2, "multiprocessing_context": "spawn"}
    loader = DataLoader(ConcatDataset(sets), batch_size=64, collate_fn=list, **workers)
    images = [image for batch in loader for image in batch]
    expected = [image for images in truth for image in images]
    assert len(images) == sum(map(len, sets))
    assert all(torch.equal(image, row) for image, row in zip(images, expected, strict=True))

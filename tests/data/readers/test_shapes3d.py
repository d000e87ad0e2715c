from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from flowdis.data.readers import shapes3d
from tests.data.readers.toys import write_shapes3d


def test_images_and_factors_come_back(tmp_path: Path) -> None:
    truth = write_shapes3d(tmp_path / "3dshapes.h5")
    data = shapes3d(tmp_path)
    assert data.names == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    assert data.sizes == (2, 3, 1, 2, 4, 3) and data[0].dtype == torch.float32
    assert torch.equal(data.images(torch.arange(144)), truth)
    assert torch.equal(data.images(torch.tensor([9, 2, 9, 143])), truth[[9, 2, 9, 143]])
    assert data.factors[1].values == (0.0, 36.0, 72.0) and data.factors[1].period == 360.0
    assert data.factors[5].values == (-30.0, 0.0, 30.0) and not data.factors[5].circular
    assert not data.factors[4].ordered and data.factors[3].unit.logarithmic


def test_rows_in_another_order_are_found_by_their_labels(tmp_path: Path) -> None:
    truth = write_shapes3d(tmp_path / "mixed.h5", shuffled=True)
    assert torch.equal(shapes3d(tmp_path / "mixed.h5").images(torch.arange(144)), truth)


def test_images_of_published_size_become_floats(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    labels = np.stack([np.arange(16) / 16, *np.zeros((2, 16)), np.ones(16), *np.zeros((2, 16))], 1)
    write_shapes3d(tmp_path / "a.h5", images=images, labels=labels)
    item = shapes3d(tmp_path / "a.h5")[5]
    assert item.dtype == torch.float32 and item.shape == (3, 64, 64)
    assert torch.equal(item, torch.from_numpy(images[5]).permute(2, 0, 1) / 255)


def test_opening_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shapes3d(tmp_path / "3dshapes.h5")
    read: list[str] = []
    plain = h5py.Dataset.__getitem__

    def noting(dataset: h5py.Dataset, place: object, **options: object) -> object:
        read.append(dataset.name)
        return plain(dataset, place, **options)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", noting)
    data = shapes3d(tmp_path)
    assert read == ["/labels"]
    assert data[0].shape == (3, 8, 8) and read == ["/labels", "/images"]


def test_copies_and_forked_processes_open_the_file_for_themselves(tmp_path: Path) -> None:
    truth = write_shapes3d(tmp_path / "3dshapes.h5")
    data = shapes3d(tmp_path)
    first = data[0]
    held = data.source._handle
    copy = pickle.loads(pickle.dumps(data))
    assert copy.source._handle is None and torch.equal(copy[0], first)
    assert len(pickle.dumps(data)) < 6000
    data.source._handle = os.getpid() + 1, held[1]  # as a child of fork finds it
    assert torch.equal(data[7], truth[7]) and data.source._handle[1] is not held[1]


def test_damaged_and_foreign_files_are_named_with_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / "3dshapes.h5"
    with pytest.raises(FileNotFoundError, match=r"3dshapes\.h5 does not exist.*download=True.*storage\.googleapis"):
        shapes3d(tmp_path)
    write_shapes3d(file)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:100], b"", b"not h5"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"could not read .*3dshapes\.h5 as h5 file .*download=True"):
            shapes3d(file)
    file.write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=r"3dshapes\.h5 is a web page, not data"):
        shapes3d(file)
    for key, other in (("images", "labels"), ("labels", "images")):
        write_shapes3d(file, **{key: None})
        with pytest.raises(ValueError, match=rf"3dshapes\.h5 must hold '{key}', got {other}"):
            shapes3d(file)


def test_lengths_and_shapes_that_do_not_fit_are_named(tmp_path: Path) -> None:
    file = tmp_path / "3dshapes.h5"
    write_shapes3d(file, images=np.zeros((100, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"3dshapes\.h5 .* each of N=100 images, got labels of shape \(144, 6\)"):
        shapes3d(file)
    write_shapes3d(file, images=np.zeros((144, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"\(N, H, W, C\), got uint8 \(144, 8, 8\)"):
        shapes3d(file)
    write_shapes3d(file, labels=np.zeros((144, 5)))
    with pytest.raises(ValueError, match=r"F=6 factors .*, got labels of shape \(144, 5\)"):
        shapes3d(file)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shapes3d(tmp_path / "3dshapes.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r'pip install "flowdis\[data\]"'):
        shapes3d(tmp_path)

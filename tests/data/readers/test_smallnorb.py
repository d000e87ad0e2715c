from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from flowdis.data.readers import smallnorb
from flowdis.data.readers.smallnorb import read_matrix
from tests.data.readers.toys import write_matrix, write_smallnorb

TRAINING = "smallnorb-5x46789x9x18x6x2x96x96-training"


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
def test_binary_matrices_of_every_kind_come_back(tmp_path: Path, kind: str) -> None:
    for shape in ((7,), (3, 4), (2, 3, 4), (2, 2, 3, 3)):
        array = np.arange(np.prod(shape)).astype(kind).reshape(shape)
        write_matrix(tmp_path / "a.mat", array)
        back = read_matrix(tmp_path / "a.mat")
        assert back.shape == shape and np.array_equal(back, array)


@pytest.mark.parametrize("camera", ["left", "right", "both"])
@pytest.mark.parametrize("part", ["training", "both"])
def test_every_image_stands_where_its_labels_say(tmp_path: Path, camera: str, part: str) -> None:
    parts = write_smallnorb(tmp_path)
    data = smallnorb(tmp_path, part, camera=camera)
    assert data.sizes == (5, 4 if part == "both" else 2, 2, 3, 2) + ((2,) if camera == "both" else ())
    toys = [0, 1, 4, 6] if part == "both" else [4, 6]
    for stem, (labels, pairs) in parts.items():
        if part == "training" and stem.endswith("testing"):
            continue
        category, instance, elevation, azimuth, lighting = torch.from_numpy(labels).long().T
        where = [
            category,
            torch.tensor([toys.index(i) for i in instance]),
            elevation // 8,
            azimuth // 12,
            lighting // 5,
        ]
        for side, name in enumerate(("left", "right")):
            if camera in (name, "both"):
                classes = torch.stack(where + [torch.full_like(category, side)] * (camera == "both"), -1)
                assert torch.equal(data.images(data.index(classes))[:, 0], torch.from_numpy(pairs[:, side]) / 255)


def test_angles_are_in_degrees(tmp_path: Path) -> None:
    write_smallnorb(tmp_path)
    _, _, elevation, azimuth, _ = smallnorb(tmp_path).factors
    assert elevation.values == (30.0, 70.0) and azimuth.values == (0.0, 120.0, 240.0) and azimuth.period == 360.0


def test_images_can_be_shrunk_and_pickles_hold_paths(tmp_path: Path) -> None:
    parts = write_smallnorb(tmp_path)
    data = smallnorb(tmp_path, "training", image_size=3)
    assert data.image_shape == (1, 3, 3)
    before = len(pickle.dumps(data))
    mean = data.images(torch.arange(len(data))).mean()
    assert mean == pytest.approx(parts["5x46789x9x18x6x2x96x96-training"][1][:, 0].mean() / 255, abs=0.01)
    assert len(pickle.dumps(data)) == before and torch.equal(pickle.loads(pickle.dumps(data))[3], data[3])


def test_damaged_and_foreign_files_are_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"{TRAINING}-dat\.mat does not exist.*download=True.*nyu\.edu"):
        smallnorb(tmp_path)
    write_smallnorb(tmp_path)
    file = tmp_path / f"{TRAINING}-dat.mat"
    whole = file.read_bytes()
    for content in (whole[:-1], whole[:15], whole[:3], b"", b"\0" * 40, struct.pack("<Ii", 0x1E3D4C55, -1) + whole[8:]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=rf"could not read .*{TRAINING}-dat\.mat as binary matrix .*download=True"):
            smallnorb(tmp_path)
    file.write_bytes(gzip.compress(whole))
    with pytest.raises(ValueError, match="gunzip it first"):
        smallnorb(tmp_path)
    file.rename(f"{file}.gz")
    with pytest.raises(FileNotFoundError, match=r"unpack the \.gz beside it"):
        smallnorb(tmp_path)
    file.write_bytes(b"<!doctype html>")
    with pytest.raises(ValueError, match=rf"{TRAINING}-dat\.mat is a web page, not data"):
        smallnorb(tmp_path)


def test_matrices_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    parts = write_smallnorb(tmp_path)
    labels, pairs = parts["5x46789x9x18x6x2x96x96-training"]
    write_matrix(tmp_path / f"{TRAINING}-info.mat", labels[:-1, 1:].copy())
    with pytest.raises(ValueError, match=rf"{TRAINING}-info\.mat must have shape \(120, 4\)"):
        smallnorb(tmp_path, "training")
    write_matrix(tmp_path / f"{TRAINING}-info.mat", labels[:, 1:].copy())
    write_matrix(tmp_path / f"{TRAINING}-dat.mat", pairs[:-1])
    with pytest.raises(ValueError, match="each of N=119 images"):
        smallnorb(tmp_path, "training")
    write_matrix(tmp_path / f"{TRAINING}-dat.mat", pairs[:, 0])
    with pytest.raises(ValueError, match=r"pairs of shape \(N, 2, H, W\)"):
        smallnorb(tmp_path, "training")

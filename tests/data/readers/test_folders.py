from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowdis.data.readers import falcor3d, isaac3d
from tests.data.readers.toys import write_folder

SIZES = (2, 1, 3, 1, 2, 1, 2)


@pytest.mark.parametrize("labels", ["train-rec.labels", "labels.npy", "train-labels.npy"])
def test_falcor3d_comes_back(tmp_path: Path, labels: str) -> None:
    truth = write_folder(tmp_path / "Falcor3D_down128", labels, SIZES)
    for path in (tmp_path / "Falcor3D_down128", tmp_path):
        data = falcor3d(path)
        assert data.sizes == SIZES and data.names[0] == "lighting_intensity" and data.names[-1] == "camera_z"
        assert torch.equal(data.images(torch.arange(24)), truth)
    assert data.factors[2].values == (0.0, 0.5, 1.0)
    assert falcor3d(tmp_path, image_size=3).image_shape == (3, 3, 3)


def test_isaac3d_comes_back(tmp_path: Path) -> None:
    sizes = (3, 2, 1, 1, 2, 1, 1, 2, 1)
    truth = write_folder(tmp_path / "Isaac3D", "labels.npy", sizes)
    data = isaac3d(tmp_path / "Isaac3D")
    assert data.sizes == sizes and torch.equal(data.images(torch.arange(24)), truth)
    unordered = [factor.name for factor in data.factors if not factor.ordered]
    assert unordered == ["object_shape", "object_color", "wall_color"]


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "falcor"
    with pytest.raises(FileNotFoundError, match=r"falcor does not exist; Falcor3D is a folder.*`url` of a copy"):
        falcor3d(folder)
    with pytest.raises(FileNotFoundError, match="`url` of a copy"):
        falcor3d(folder, download=True)
    write_folder(folder, "labels.npy", SIZES)
    labels = np.load(folder / "labels.npy")
    np.save(folder / "labels.npy", labels[:-1])
    with pytest.raises(ValueError, match=r"falcor must hold .* each of N=24 images, got labels of shape \(23, 7\)"):
        falcor3d(folder)
    (folder / "labels.npy").write_bytes((folder / "labels.npy").read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"could not read .*labels\.npy as npy file"):
        falcor3d(folder)
    np.save(folder / "labels.npy", labels.astype(object))
    with pytest.raises(ValueError, match=r"labels\.npy .*allow_pickle=False"):
        falcor3d(folder)
    (folder / "labels.npy").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ValueError, match=r"labels\.npy is a web page"):
        falcor3d(folder)
    (folder / "labels.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels in labels\.npy, train-labels\.npy or train-rec\.labels"):
        falcor3d(folder)


def test_images_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path, "labels.npy", SIZES)
    data = falcor3d(tmp_path)
    Image.new("RGB", (5, 5)).save(tmp_path / "images/000003.png")
    with pytest.raises(ValueError, match=r"000003\.png must have shape \(6, 6, 3\), got \(5, 5, 3\)"):
        data[3]
    whole = (tmp_path / "images/000004.png").read_bytes()
    (tmp_path / "images/000004.png").write_bytes(whole[:60])
    with pytest.raises(ValueError, match=r"could not read .*000004\.png as image"):
        data[4]
    (tmp_path / "images/000000.png").rename(tmp_path / "images/000099.png")
    with pytest.raises(FileNotFoundError, match=r"000000\.png does not exist.*without a gap"):
        falcor3d(tmp_path)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_images_of_any_mode_have_three_channels(tmp_path: Path, mode: str) -> None:
    truth = write_folder(tmp_path, "labels.npy", (2, 1, 1, 1, 1, 1, 1))
    path = tmp_path / "images/000000.png"
    with Image.open(path) as image:
        image.convert(mode).save(path)
    item = falcor3d(tmp_path)[0]
    assert item.shape == (3, 6, 6)
    assert torch.equal(item, truth[0]) == (mode in ("RGB", "RGBA"))

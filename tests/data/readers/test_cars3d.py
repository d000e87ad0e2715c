from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io as scipy_io
import torch

from flowdis.data.readers import cars3d
from tests.data.readers.toys import write_cars3d


@pytest.mark.parametrize("inner", [".", "cars", "data/cars"])
def test_images_and_factors_come_back(tmp_path: Path, inner: str) -> None:
    meshes = write_cars3d(tmp_path / inner)
    data = cars3d(tmp_path)
    assert data.names == ("elevation", "azimuth", "object") and data.sizes == (4, 24, 3)
    assert data.image_shape == (3, 8, 8) and data.factors[1].values[:3] == (0.0, 15.0, 30.0)
    truth = torch.from_numpy(meshes.transpose(5, 4, 0, 3, 1, 2)).reshape(-1, 3, 8, 8) / 255
    assert torch.equal(data.images(torch.arange(288)), truth)


def test_opening_reads_no_image_and_pickles_hold_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cars3d(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(scipy_io, "loadmat", lambda *_, **__: pytest.fail("read"))
        data = cars3d(tmp_path, image_size=4)
    before = len(pickle.dumps(data))
    assert data[0].shape == (3, 4, 4) and len(pickle.dumps(data)) == before
    assert torch.equal(pickle.loads(pickle.dumps(data))[9], data[9])


def test_shrinking_keeps_the_mean_within_a_byte(tmp_path: Path) -> None:
    meshes = write_cars3d(tmp_path, cars=1)
    data = cars3d(tmp_path, image_size=4)
    assert torch.equal((data[0] * 255).round() / 255, data[0])
    flat = np.full((8, 8, 3, 24, 4), 77, np.uint8)
    scipy_io.savemat(tmp_path / "car_000_mesh.mat", {"im": flat})
    assert (cars3d(tmp_path, image_size=4)[5] * 255).unique().tolist() == [77.0]
    assert meshes.shape == (1, 8, 8, 3, 24, 4)


def test_damaged_and_foreign_files_are_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"one mat file a car.*download=True.*scottreed"):
        cars3d(tmp_path)
    write_cars3d(tmp_path)
    file = tmp_path / "car_001_mesh.mat"
    whole = file.read_bytes()
    for content in (whole[:100], whole[:140], b"", b"\0" * 200):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"could not read .*car_001_mesh\.mat as mat file"):
            cars3d(tmp_path)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"could not read .*car_001_mesh\.mat as mat file"):
        cars3d(tmp_path)[0]
    file.write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"car_001_mesh\.mat is a web page"):
        cars3d(tmp_path)
    scipy_io.savemat(file, {"picture": np.zeros(3)})
    with pytest.raises(ValueError, match=r"car_001_mesh\.mat must hold 'im', got picture"):
        cars3d(tmp_path)
    scipy_io.savemat(file, {"im": np.zeros((8, 8, 3, 24, 3), np.uint8)})
    with pytest.raises(ValueError, match=r"car_001_mesh\.mat must hold 'im' with the shape \(8, 8, 3, 24, 4\)"):
        cars3d(tmp_path)
    scipy_io.savemat(file, {"im": np.zeros((8, 8, 3, 24, 4))})
    with pytest.raises(ValueError, match=r"car_001_mesh\.mat must hold 'im' as uint8, got float64"):
        cars3d(tmp_path)[0]

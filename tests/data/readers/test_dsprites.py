from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from flowdis.data.readers import dsprites
from tests.data.readers.toys import DSPRITES_AXES, combinations, write_dsprites

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"


@pytest.mark.parametrize("compressed", [True, False])
def test_images_and_factors_come_back(tmp_path: Path, compressed: bool) -> None:
    truth = write_dsprites(tmp_path / NAME, compressed=compressed)
    data = dsprites(tmp_path / NAME)
    assert data.names == ("shape", "scale", "orientation", "x", "y") and data.sizes == (3, 2, 5, 2, 3)
    assert data.image_shape == (1, 4, 6) and data[0].dtype == torch.float32
    assert set(data.images(torch.arange(180)).unique().tolist()) == {0.0, 1.0}
    assert torch.equal(data.images(torch.arange(180)), truth)
    assert torch.equal(data.images(torch.tensor([7, 3, 7])), truth[[7, 3, 7]])
    values = combinations(*DSPRITES_AXES)[:, 1:]
    values[:, 0] -= 1
    values[:, 2] *= 180 / np.pi
    assert np.allclose(data.values(torch.arange(180)), values)


def test_orientations_have_the_true_period_and_a_double_end(tmp_path: Path) -> None:
    write_dsprites(tmp_path / NAME)
    orientation = dsprites(str(tmp_path)).factors[2]
    assert orientation.period == 360 and orientation.values == pytest.approx((0, 90, 180, 270, 360))
    assert orientation.cycle == 4 and orientation.unit.name == "degree"


def test_pickled_metadata_is_not_touched_and_would_raise(tmp_path: Path) -> None:
    write_dsprites(tmp_path / NAME)
    assert len(dsprites(tmp_path)) == 180
    with np.load(tmp_path / NAME, allow_pickle=False) as archive, pytest.raises(ValueError, match="allow_pickle=False"):
        archive["metadata"]


def test_two_small_images_are_enough(tmp_path: Path) -> None:
    latents = np.array([[1.0, 1.0, 0.5, 0.0, 0.0, 0.0], [1.0, 1.0, 0.5, 0.0, 0.0, 1.0]])
    images = np.eye(4, dtype=np.uint8)[None].repeat(2, 0)
    metadata = np.array({"a": 1}, dtype=object)
    np.savez(tmp_path / "two.npz", imgs=images, latents_values=latents, latents_classes=latents, metadata=metadata)
    assert torch.equal(dsprites(tmp_path / "two.npz")[1], torch.eye(4)[None])


@pytest.mark.parametrize("compressed", [True, False])
def test_pickles_hold_the_path_and_not_the_images(tmp_path: Path, compressed: bool) -> None:
    write_dsprites(tmp_path / NAME, compressed=compressed)
    data = dsprites(tmp_path)
    first, before = data[0], len(pickle.dumps(data))
    data.images(torch.arange(180))
    assert len(pickle.dumps(data)) == before
    assert torch.equal(pickle.loads(pickle.dumps(data))[0], first)


def test_only_uncompressed_images_are_mapped_and_masks_take_a_bit_a_pixel(tmp_path: Path) -> None:
    for compressed, expected in ((False, np.memmap), (True, np.ndarray)):
        write_dsprites(tmp_path / NAME, compressed=compressed)
        source = dsprites(tmp_path).source
        source.read(np.array([0]))
        assert type(source._pixels) is expected
    assert source._pixels.shape == (180, 3)  # 24 pixels in 3 bytes


def test_damaged_and_foreign_files_are_named_with_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / NAME
    with pytest.raises(FileNotFoundError, match=rf"{NAME} does not exist.*download=True.*github\.com"):
        dsprites(tmp_path)
    write_dsprites(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"could not read .*{NAME} as npz file .*download=True"):
        dsprites(tmp_path)
    for page in (b"\n<!DOCTYPE html><html>Quota exceeded</html>", b"<html>"):
        file.write_bytes(page)
        with pytest.raises(ValueError, match=rf"{NAME} is a web page, not data.*download=True"):
            dsprites(tmp_path)
    for key in ("imgs", "latents_values"):
        write_dsprites(file, without=key)
        with pytest.raises(ValueError, match=rf"{NAME} must hold the array '{key}', got .*latents_classes"):
            dsprites(tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_flipped_byte_in_compressed_images_is_found(tmp_path: Path, compressed: bool) -> None:
    file = tmp_path / NAME
    write_dsprites(file, compressed=compressed)
    content = bytearray(file.read_bytes())
    content[content.index(b"imgs.npy") + 500] ^= 0xFF
    file.write_bytes(content)
    data = dsprites(file)
    if compressed:
        with pytest.raises(ValueError, match=f"could not read .*{NAME}"):
            data[0]
    else:  # nothing is checked where single rows are read
        assert data[0].shape == (1, 4, 6)


def test_lengths_shapes_and_values_that_do_not_fit_are_named(tmp_path: Path) -> None:
    latents = combinations(*DSPRITES_AXES)
    images = np.zeros((180, 4, 4), dtype=np.uint8)
    cases = [
        (images[:179], latents, r"each of N=179 images, got labels of shape \(180, 5\)"),
        (images, latents[:, :5], r"6 columns, the first of them \(colour\) of one value.*\(180, 5\)"),
        (images, np.roll(latents, -1, axis=1), "colour"),
        (images.astype(np.int64), latents, r"uint8 with shape \(N, H, W\), got int64"),
        (images[:, 0], latents, r"got uint8 \(180, 4\)"),
        (np.asfortranarray(images), latents, "Fortran order"),
        (images[:-1], latents[:-1], "do not make a full grid.*shape = 2"),
    ]
    for imgs, values, message in cases:
        np.savez(tmp_path / "odd.npz", imgs=imgs, latents_values=values)
        with pytest.raises(ValueError, match=rf"odd\.npz.*{message}"):
            dsprites(tmp_path / "odd.npz")
    np.savez_compressed(tmp_path / "odd.npz", imgs=images + 7, latents_values=latents)
    with pytest.raises(ValueError, match="masks of 0 and 1, got 7"):
        dsprites(tmp_path / "odd.npz")[0]

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowdis.data import as_images, check_writable, colour, load_images, save_images


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Seven images of one grey value, 0.4, in all sorts of formats; half of it where half-transparent."""
    grey = Image.new("L", (4, 4), 102)
    grey.save(tmp_path / "a_grey.png")
    grey.convert("RGB").save(tmp_path / "b_rgb.png")
    half = grey.convert("RGBA")
    half.putalpha(128)
    half.save(tmp_path / "c_rgba.png")
    grey.convert("RGB").quantize(4).save(tmp_path / "d_palette.png")
    Image.fromarray(np.full((4, 4), 102 * 257, dtype=np.uint16)).save(tmp_path / "e_16bit.png")
    grey.save(tmp_path / "f.jpg", quality=95)
    grey.convert("CMYK").save(tmp_path / "g.tif")
    (tmp_path / ".hidden").write_text("not an image")
    return tmp_path


@pytest.mark.parametrize("channels", [1, 3])
def test_any_format_becomes_the_channels_asked_for(album: Path, channels: int) -> None:
    images, paths = load_images(album, image_shape=(channels, 4, 4))
    assert images.shape == (7, channels, 4, 4) and images.dtype == torch.float32
    assert [path.name[0] for path in paths] == list("abcdefg")
    expected = torch.full((7, channels, 4, 4), 0.4)
    expected[2] *= 128 / 255
    assert (images - expected).abs().max() <= 1.01 / 255


def test_bytes_survive_a_round_trip(tmp_path: Path) -> None:
    for channels in (1, 3):
        images = torch.randint(256, (3, channels, 5, 6), generator=torch.Generator().manual_seed(0)) / 255
        written = save_images(images, tmp_path / f"new/{channels}", ["b", "dir/a.jpg", "c"])
        assert [path.name for path in written] == ["b.png", "a.png", "c.png"]
        back, paths = load_images(written)
        assert paths == written and torch.equal(back, images)


def test_large_images_are_shrunk_and_cropped_at_the_centre(tmp_path: Path) -> None:
    wide = np.zeros((40, 120), dtype=np.uint8)
    wide[:, 40:80] = 255  # the middle third, black beside it
    Image.fromarray(wide).save(tmp_path / "wide.png")
    images, _ = load_images(tmp_path / "wide.png", image_shape=(1, 10, 10))
    assert images.shape == (1, 1, 10, 10) and images[..., 1:-1].min() > 0.99
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 255  # finer than the new pixels: only antialiasing makes them grey
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    shrunk, _ = load_images(tmp_path / "stripes.png", image_shape=(1, 8, 8))
    assert (shrunk - 0.5).abs().max() < 0.05


def test_a_photo_is_turned_as_its_camera_noted(tmp_path: Path) -> None:
    array = np.zeros((4, 6, 3), dtype=np.uint8)
    array[:, :3] = 255
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    image.save(tmp_path / "photo.png", exif=exif)
    images, _ = load_images(tmp_path / "photo.png")
    assert images.shape == (1, 3, 6, 4)
    assert images[0, :, :3].min() == 1 and images[0, :, 3:].max() == 0


def test_bad_files_are_named_or_left_out(album: Path) -> None:
    (album / "notes.txt").write_text("not an image")
    whole = (album / "b_rgb.png").read_bytes()
    (album / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"could not read .*cut\.png.*`skip_bad`"):
        load_images(album, image_shape=(3, 4, 4))
    with pytest.warns(UserWarning) as caught:
        images, paths = load_images(album, image_shape=(3, 4, 4), skip_bad=True)
    assert len(images) == len(paths) == 7
    assert [name for name in ("cut.png", "notes.txt") if any(name in str(w.message) for w in caught)] == [
        "cut.png",
        "notes.txt",
    ]
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="at least one image"):
        load_images([album / "notes.txt"], skip_bad=True)


def test_missing_and_empty_sources(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_images(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no file"):
        load_images(tmp_path)
    with pytest.raises(ValueError, match="no file"):
        load_images([])
    with pytest.raises(ValueError, match="image_shape"):
        load_images(tmp_path, image_shape=(4, 8, 8))


def test_saving_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="a twice"):
        save_images(images, tmp_path, ["x/a.png", "y/a.jpg"])
    with pytest.raises(ValueError, match="N=2"):
        save_images(images, tmp_path, ["a"])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        save_images(2 * images, tmp_path)
    with pytest.raises(ValueError, match="1 or 3"):
        save_images(images[:, :2], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert [path.name for path in save_images(images, tmp_path)] == ["0000.png", "0001.png"]


def test_a_folder_that_cannot_be_written_is_found_before_any_work(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "a/b") == tmp_path / "a/b" and (tmp_path / "a/b").is_dir()
    assert list((tmp_path / "a/b").iterdir()) == []
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/below/it"):
        with pytest.raises(NotADirectoryError, match="is a file"):
            check_writable(folder)
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    if os.geteuid() != 0:  # root may write anywhere
        with pytest.raises(OSError, match="a place to write in"):
            check_writable(locked / "new")


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_arrays_become_images(kind: str) -> None:
    def given(array: np.ndarray) -> np.ndarray | torch.Tensor:
        return array if kind == "numpy" else torch.from_numpy(array)

    bytes_ = np.arange(0, 252, 7, dtype=np.uint8).reshape(1, 3, 3, 4)
    images = as_images(given(bytes_))
    assert images.dtype == torch.float32 and torch.equal(images * 255, torch.from_numpy(bytes_).float())
    floats = np.linspace(0, 1, 36).reshape(1, 3, 3, 4)
    assert as_images(given(floats)).dtype == torch.float64
    with pytest.raises(ValueError, match=r"\[0, 1\].*divide by 255"):
        as_images(given(300 * floats))
    with pytest.raises(ValueError, match=r"\(H, W, C\)"):
        as_images(given(np.zeros((8, 9, 3))))
    with pytest.raises(ValueError, match=r"\(H, W, C\)"):
        as_images(given(np.zeros((2, 4, 4, 3))), image_shape=(3, 4, 4))
    with pytest.raises(TypeError, match="int64"):
        as_images(given(np.zeros((1, 3, 3), dtype=np.int64)))


def test_arrays_of_any_layout() -> None:
    bytes_ = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    views = bytes_.transpose(0, 3, 1, 2)[:, :, ::-1]
    assert torch.equal(as_images(views) * 255, torch.from_numpy(views.copy()).float())
    assert as_images(np.eye(4, dtype=bool)[None]).sum() == 4


def test_colouring() -> None:
    grey = torch.rand(2, 5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images = colour(grey, (1.0, 0.5, 0.0))
    assert images.shape == (2, 5, 3, 4, 4)
    assert torch.equal(images[..., 1, :, :], grey[..., 0, :, :] / 2) and images[..., 2, :, :].max() == 0
    with pytest.raises(ValueError, match="grey"):
        colour(images)

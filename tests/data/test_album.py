"""Folders of all sorts of files, videos and arrays become images of one shape; what could not be read is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowdis.data.album import Album, Look, files_for_testing, read_album
from flowdis.data.readers.plain import load_array
from flowdis.data.videos import load_video


def grey(value: int, size: tuple[int, int] = (12, 10)) -> Image.Image:
    return Image.new("L", size, value)


def write_video(path: Path, values: list[int], size: tuple[int, int] = (32, 24)) -> Path:
    """A video of grey frames, of which FFmpeg's own lossless codec keeps every one as it is."""
    import av

    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "gray"
        for value in values:
            film.mux(stream.encode(av.VideoFrame.from_image(grey(value, size).convert("RGB"))))
        film.mux(stream.encode())
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Six pictures of four modes, two formats and three sizes, below each other; a broken one, a text, a hidden one."""
    folder = tmp_path / "mixed"
    (folder / "below").mkdir(parents=True)
    grey(40).save(folder / "a.png")
    grey(80).convert("RGB").save(folder / "b.jpg", quality=95)
    clear = grey(120).convert("RGBA")
    clear.putalpha(0)
    clear.save(folder / "c.png")
    grey(160).quantize(4).save(folder / "below/d.png")
    grey(200, (24, 20)).save(folder / "below/e.png")
    grey(240, (5, 7)).save(folder / "f.png")
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:50])
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden").write_text("")
    return folder


def test_a_mixed_folder_becomes_images_of_the_usual_size_in_colour_if_any_is(mixed: Path) -> None:
    with pytest.warns(UserWarning) as caught:
        album = read_album(mixed)
    assert sorted(file.name for file in album.files) == ["a.png", "b.jpg", "c.png", "d.png", "e.png", "f.png"]
    assert album.images.shape == (6, 3, 10, 12) and album.images.dtype == torch.float32
    shown = {file.name[0]: image.mean().item() * 255 for file, image in zip(album.files, album.images, strict=True)}
    for name, value in {"a": 40, "b": 80, "c": 0, "d": 160, "e": 200, "f": 240}.items():
        assert shown[name] == pytest.approx(value, abs=1.01)
    looks = {file.name[0]: look for file, look in zip(album.files, album.looks, strict=True)}
    assert looks["c"] == Look("PNG", "RGBA", 12, 10) and looks["b"] == Look("JPEG", "RGB", 12, 10)
    assert looks["d"].mode == "P" and looks["f"] == Look("PNG", "L", 5, 7)
    assert sorted(file.name for file in album.skipped) == ["broken.png", "notes.txt"]
    told = [str(warning.message) for warning in caught]
    assert len(told) == 2 and all(
        any(f"could not read {mixed / name}" in t for t in told) for name in ("broken.png", "notes.txt")
    )


def test_bad_files_stop_where_asked_to_and_others_are_apart(mixed: Path) -> None:
    with pytest.raises(ValueError, match=r"could not read .*(broken\.png|notes\.txt).*`skip_bad`"):
        read_album(mixed, skip_bad=False)
    (mixed / "broken.png").unlink()
    album = read_album(mixed, image_shape=(1, 6, 6), skip_bad=False, apart=[mixed / "notes.txt"])
    assert album.images.shape == (6, 1, 6, 6) and not album.skipped


def test_what_has_no_usable_image_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_album(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="got none in"):
        read_album(tmp_path)
    grey(1, (200, 300)).save(tmp_path / "large.png")
    with pytest.raises(ValueError, match=r"larger than 128 pixels, such as --image-shape 1 64 64; .*large\.png"):
        read_album(tmp_path)
    assert read_album(tmp_path, image_shape=(1, 8, 8)).images.shape == (1, 1, 8, 8)


def test_files_are_tested_on_by_name_and_seed_wherever_they_lie() -> None:
    files = [Path("x") / f"{number}.png" for number in range(50)]
    tested = files_for_testing(files, 0.2, seed=0)
    assert tested.sum() == 10
    elsewhere = files_for_testing([Path("y/z") / file.name for file in reversed(files)], 0.2, seed=0)
    assert torch.equal(elsewhere.flip(0), tested)
    assert not torch.equal(files_for_testing(files, 0.2, seed=1), tested)
    fewer = files_for_testing(files[:-1], 0.2, seed=0)
    assert (fewer != tested[:-1]).sum() <= 1  # another file more moves one at most
    with pytest.raises(ValueError, match="`share`"):
        files_for_testing(files, 0.0)


def test_frames_of_a_video_are_trained_or_tested_on_together(tmp_path: Path) -> None:
    look = Look("MKV", "RGB", 2, 2)
    files = tuple(Path(f"{clip}.mkv") for clip in range(4) for _ in range(3))
    album = Album(torch.zeros(12, 1, 2, 2), files, (look,) * 12)
    tested = album.tested(0.25).reshape(4, 3)
    assert tested.sum() == 3 and tested.all(1).sum() == 1
    one = Album(torch.zeros(10, 1, 2, 2), (Path("a.mkv"),) * 10, (look,) * 10)
    assert one.tested(0.2).tolist() == [False] * 8 + [True] * 2
    assert [file.stem for file in album[torch.tensor([11, 0])].files] == ["3", "0"]


def test_a_video_is_read_frame_by_frame(tmp_path: Path) -> None:
    values = [10 * k for k in range(12)]
    film = write_video(tmp_path / "film.mkv", values)
    frames = load_video(film)
    assert frames.shape == (12, 3, 24, 32)
    assert (frames.mean((1, 2, 3)) * 255 - torch.tensor(values)).abs().max() <= 1.5  # by way of limited-range YUV
    assert load_video(film, image_shape=(1, 8, 8), frames=3).shape == (3, 1, 8, 8)
    album = read_album(film)
    assert len(album) == 12 and set(album.files) == {film} and album.looks[0] == Look("MKV", "RGB", 32, 24)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(ValueError, match=r"could not read .*text\.mp4 as a video"):
        load_video(tmp_path / "text.mp4")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_video(tmp_path / "nowhere.mp4")
    with pytest.raises(ValueError, match="`frames`"):
        load_video(film, frames=0)
    with pytest.raises(ValueError, match="image_shape"):
        load_video(film, image_shape=(4, 8, 8))


@pytest.mark.parametrize("ending", ["npz", "h5"])
def test_arrays_of_images_are_found_in_files(tmp_path: Path, ending: str) -> None:
    def write(**arrays: np.ndarray) -> Path:
        path = tmp_path / f"file.{ending}"
        if ending == "npz":
            np.savez(path, **arrays)  # type: ignore[arg-type]
            return path
        import h5py

        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
        return path

    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
    path = write(pictures=pixels, labels=np.arange(6))
    expected = torch.from_numpy(pixels).movedim(-1, 1) / 255
    torch.testing.assert_close(load_array(path), expected)
    album = read_album(path)
    assert album.images.shape == (6, 3, 5, 4) and len(set(album.files)) == 6 and album.tested().sum() == 1
    with pytest.raises(ValueError, match=r"must have images of shape \(1, 5, 4\)"):
        read_album(path, image_shape=(1, 5, 4))
    torch.testing.assert_close(load_array(write(images=pixels, masks=pixels)), expected)
    with pytest.raises(ValueError, match=r"one array of images.*it holds left \(6, 5, 4, 3\), right"):
        load_array(write(left=pixels, right=pixels))
    with pytest.raises(ValueError, match="'images' of .* does not hold images"):
        load_array(write(images=pixels.astype(np.int64)))
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="could not read"):
        load_array(path)

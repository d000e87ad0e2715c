from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowdis.data import load_animation, load_sequences


def greys(count: int, first: int = 0) -> list[Image.Image]:
    """Images of the greys 10 first, 10 (first + 1), ..."""
    return [Image.fromarray(np.full((4, 6), 10 * (first + k), dtype=np.uint8)) for k in range(count)]


def write_folder(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(greys(count, first)):
        image.save(folder / f"{number + 1}.png")  # 10.png comes before 2.png in the alphabet
    return folder


def write_gif(path: Path, images: list[Image.Image]) -> Path:
    images[0].save(path, save_all=True, append_images=images[1:], duration=50)
    return path


def test_folders_of_numbered_images_are_sequences_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_folder(tmp_path / "clips/run10", 12, first=5)
    write_folder(tmp_path / "clips/run2", 12)
    (tmp_path / "clips/.hidden").write_text("")
    clips = load_sequences(tmp_path / "clips", dt=0.04)
    assert (clips.name, clips.dt, len(clips), clips.length) == ("clips", 0.04, 2, 11)
    assert clips.source.dtype == torch.uint8 and clips.image_shape == (1, 4, 6)
    assert clips.source[:, 0, 0, 0, 0].tolist() == [10 * k for k in range(12)]  # run2
    assert clips.source[:, 1, 0, 0, 0].tolist() == [10 * (k + 5) for k in range(12)]


def test_a_folder_of_images_is_one_sequence(tmp_path: Path) -> None:
    one = load_sequences(write_folder(tmp_path / "run", 11), image_shape=(3, 2, 2))
    assert (len(one), one.length, one.image_shape) == (1, 10, (3, 2, 2))
    assert (one.frames[:, 0, 0, 0, 0] * 255).round().tolist() == [10 * k for k in range(11)]


def test_gifs_are_sequences_in_grey_or_in_colour(tmp_path: Path) -> None:
    write_gif(tmp_path / "b.gif", greys(4, 3))
    write_gif(tmp_path / "a.GIF", greys(4))
    films = load_sequences(tmp_path)
    assert films.source[:, :, 0, 0, 0].T.tolist() == [[0, 10, 20, 30], [30, 40, 50, 60]]
    assert len(load_sequences(tmp_path / "b.gif")) == 1
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    frames = load_animation(write_gif(tmp_path / "red.gif", [Image.new("RGB", (4, 4)), red]))
    assert frames.shape == (2, 3, 4, 4) and frames[1, :, 0, 0].tolist() == [1, 0, 0] and frames[0].max() == 0
    assert load_animation(tmp_path / "red.gif", image_shape=(1, 2, 2)).shape == (2, 1, 2, 2)


def test_sequences_of_other_lengths_are_cut_if_asked(tmp_path: Path) -> None:
    write_folder(tmp_path / "long", 9)
    write_gif(tmp_path / "short.gif", greys(5))
    with pytest.raises(ValueError, match=r"equally long, got 5 frames in .*short.gif and 9 in .*long;.*`frames`"):
        load_sequences(tmp_path)
    assert load_sequences(tmp_path, frames=5).length == 4
    with pytest.raises(ValueError, match=r"6 frames or more, got 5 in .*short.gif"):
        load_sequences(tmp_path, frames=6)
    with pytest.raises(ValueError, match=r"10 frames or more, got 9 in .*long"):
        load_sequences(tmp_path, frames=10)
    with pytest.warns(UserWarning, match="short.gif"):
        assert len(load_sequences(tmp_path, frames=6, skip_bad=True)) == 1
    with pytest.raises(ValueError, match="`frames` must be at least 2"):
        load_sequences(tmp_path, frames=1)


def test_bad_files_are_named_or_their_sequences_left_out(tmp_path: Path) -> None:
    write_folder(tmp_path / "good", 3)
    bad = write_folder(tmp_path / "bad", 3)
    (bad / "2.png").write_bytes((bad / "2.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"could not read .*bad/2\.png as an image"):
        load_sequences(tmp_path)
    with pytest.warns(UserWarning, match=r"left out: .*2\.png"):
        assert len(load_sequences(tmp_path, skip_bad=True)) == 1
    (tmp_path / "film.gif").write_text("not an image")
    with pytest.raises(ValueError, match=r"could not read .*film\.gif"):
        load_sequences(tmp_path / "film.gif")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_film_that_breaks_off_is_not_taken_for_a_short_one(tmp_path: Path, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32), dtype=np.uint8)
    path = write_gif(tmp_path / "film.gif", [Image.fromarray(frame) for frame in noise])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"could not read .*film\.gif"):
        load_animation(path)


def test_what_holds_no_sequence_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_sequences(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="got none"):
        load_sequences(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"2 frames or more, got 0 in .*empty"):
        load_sequences(tmp_path)
    greys(1)[0].save(tmp_path / "still.png")
    with pytest.raises(ValueError, match="both empty and still.png"):
        load_sequences(tmp_path)
    with pytest.raises(ValueError, match="image_shape"):
        load_sequences(write_folder(tmp_path / "run", 3), image_shape=(2, 4, 4))

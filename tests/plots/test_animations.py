from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from flowdis.data import TRANSFORMS, apply_path
from flowdis.paths import Path
from flowdis.plots import save_gif
from tests.plots.toys import stills


def frames_of(file) -> list[np.ndarray]:
    with Image.open(file) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_gif_has_its_frames_its_size_and_its_length(tmp_path, channels):
    file = save_gif(stills(6, channels, 5, 7), tmp_path / "new" / "a.gif", seconds=1.5, magnify=3)
    with Image.open(file) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (6, (21, 15), 0)
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(image)] == [250] * 6
    assert [path.name for path in file.parent.iterdir()] == ["a.gif"]


def test_few_colours_stay_exactly_what_they_are(tmp_path):
    frames = (stills(4, 3, 3, 6, 6) * 3).round() / 3
    drawn = frames_of(save_gif(frames, tmp_path / "a.gif", magnify=1, columns=3))
    for frame, images in zip(drawn, frames, strict=True):
        for index, image in enumerate(images):
            tile = frame[:, 8 * index : 8 * index + 6]
            assert (tile == (image * 255).round().byte().movedim(0, -1).numpy()).all()


def test_many_colours_on_black_stay_close_and_what_rests_does_not_flicker(tmp_path):
    """All hues of a soft-edged disc: thousands of colours, but nearly all pixels are black."""
    across = torch.linspace(-1, 1, 16)
    disc = (1.2 - 2 * (across[:, None] ** 2 + across**2).sqrt()).clamp(0, 1)
    image = torch.stack([disc, torch.zeros_like(disc), torch.zeros_like(disc)])
    turns = torch.arange(12)[:, None] * 30 / TRANSFORMS["hue"].unit.step
    frames = apply_path(image, Path(("hue",), turns[None]))
    drawn = np.stack(frames_of(save_gif(frames, tmp_path / "a.gif", magnify=1))).astype(int)
    wanted = (frames * 255).round().movedim(1, -1).numpy()
    assert (drawn[wanted.max(-1) == 0] == 0).all()
    assert np.abs(drawn - wanted).mean() < 2
    assert np.abs(drawn - wanted).max() < 32


def test_images_of_very_many_colours_keep_black_white_and_about_all_else(tmp_path):
    frames = stills(2, 3, 120, 120)
    frames[:, :, 0], frames[:, :, 1] = 0.0, 1.0
    drawn = np.stack(frames_of(save_gif(frames, tmp_path / "a.gif", magnify=1))).astype(int)
    wanted = (frames * 255).round().movedim(1, -1).numpy()
    assert drawn[:, 0].max() < 40
    assert drawn[:, 1].min() > 215
    assert np.abs(drawn - wanted).mean() < 16


def test_there_and_back_ends_next_to_its_start(tmp_path):
    frames = torch.linspace(0, 1, 4)[:, None, None, None].expand(4, 1, 2, 2)
    drawn = frames_of(save_gif(frames, tmp_path / "a.gif", there_and_back=True))
    assert [int(frame[0, 0, 0]) for frame in drawn] == [0, 85, 170, 255, 170, 85]


def test_bad_frames_and_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"T, N, C, H, W"):
        save_gif(stills(2, 2, 2, 3, 4, 4), tmp_path / "a.gif")
    with pytest.raises(ValueError, match="divide by 255"):
        save_gif(255 * stills(2, 3, 4, 4), tmp_path / "a.gif")
    with pytest.raises(ValueError, match="`seconds`"):
        save_gif(stills(2, 3, 4, 4), tmp_path / "a.gif", seconds=0.0)
    assert not list(tmp_path.iterdir())

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis.data import FrameSequences, apply_path, moving_images
from flowdis.paths import Path, Unit

UNITS = {
    "rotate": Unit("degree", 1.0),
    "scale": Unit("factor", math.e, logarithmic=True),
    "translate_x": Unit("pixel", 1.0),
    "translate_y": Unit("pixel", 1.0),
}


def stills(count: int = 3, height: int = 12, width: int = 12, border: int = 3, channels: int = 1) -> Tensor:
    """Images with a dark border."""
    generator = torch.Generator().manual_seed(5)
    inner = torch.rand(count, channels, height - 2 * border, width - 2 * border, generator=generator)
    return torch.nn.functional.pad(inner, [border] * 4)


def moved(images: Tensor, **motion: object) -> FrameSequences:
    return moving_images(images, 6, 7, generator=torch.Generator().manual_seed(0), **motion)


def which(sequences: FrameSequences) -> Tensor:
    return sequences.states[0, :, 4].long()


def test_turned_and_grown_frames_are_those_of_the_true_transformations() -> None:
    images = stills(channels=3)
    sequences = moved(images, rotate=(-20.0, 20.0), scale=(10.0, 30.0))
    path = Path(("rotate", "scale"), sequences.states[None, ..., :2])
    expected = apply_path(images[which(sequences)], path, UNITS)
    assert sequences.image_shape == (3, 12, 12) and sequences.frames.shape == expected.shape == (8, 6, 3, 12, 12)
    assert (sequences.frames - expected).abs().max() < 1e-5


def test_speeds_are_drawn_from_their_range_and_stay() -> None:
    sequences = moving_images(
        stills(), 300, 9, rotate=(10.0, 20.0), turned=(-5.0, 5.0), generator=torch.Generator().manual_seed(0)
    )
    angles = sequences.states[..., 0]
    speed = angles.diff(dim=0)
    assert (speed - speed[0]).abs().max() < 1e-9 and 10 <= speed.min() < 10.5 and 19.5 < speed.max() <= 20
    assert -5 <= angles[0].min() < -4.5 and 4.5 < angles[0].max() <= 5
    assert (sequences.states[..., 1:4] == 0).all() and set(which(sequences).tolist()) == {0, 1, 2}


def test_sizes_go_to_and_fro_as_a_sine() -> None:
    sequences = moving_images(
        stills(), 50, 36, scale=(10.0, 10.0), sizes=(0.5, 1.5), generator=torch.Generator().manual_seed(0)
    )
    growth = sequences.states[..., 1]
    assert torch.allclose(growth[36], growth[0]) and torch.allclose(
        growth.exp().amin(0), torch.tensor(0.5).double(), rtol=0.01
    )
    low, high = math.log(0.5), math.log(1.5)
    wave = (growth - (low + high) / 2) / ((high - low) / 2)
    turn = 2 * math.cos(math.radians(10.0))  # sin(a + h) + sin(a - h) = 2 cos h sin a
    assert (wave[2:] + wave[:-2] - turn * wave[1:-1]).abs().max() < 1e-12
    assert (sequences.states[..., [0, 2, 3]] == 0).all()


def test_drift_by_whole_pixels_is_a_roll() -> None:
    images = stills(height=12, width=10, border=2)
    sequences = moved(images, drift=(1.0, 3.0))
    rolled = sequences.states.clone()
    rolled[..., 2:4] = rolled[..., 2:4].round()
    frames = sequences.source.renderer.render(rolled.flatten(0, 1).float()).unflatten(0, (8, 6))
    for t in range(8):
        for n in range(6):
            x, y = (int(value) for value in rolled[t, n, 2:4])
            assert torch.allclose(frames[t, n], images[which(sequences)[n]].roll((y, x), (-2, -1)), atol=1e-5)


def test_drift_is_steady_on_a_torus_and_loses_nothing() -> None:
    images = stills()
    sequences = moved(images, drift=(0.5, 2.0))
    place = sequences.states[..., 2:4]
    step = (place.diff(dim=0) + 6) % 12 - 6
    speed = step.norm(dim=-1)
    assert (step - step[0]).abs().max() < 1e-9 and 0.5 <= speed.min() and speed.max() <= 2.0
    assert place.min() >= -6 and place.max() < 6 and place.std() > 2
    brightness = sequences.frames.sum((-3, -2, -1))
    assert torch.allclose(brightness, images[which(sequences)].sum((1, 2, 3)), rtol=1e-5)
    # A shift turns the lowest Fourier mode by its length, a bilinear one to 0.02.
    along = 2 * math.pi * torch.arange(12) / 12
    mode = (sequences.frames.sum((2, 3)) * torch.exp(-1j * along)).sum(-1)
    still = (images[which(sequences)].sum((1, 2)) * torch.exp(-1j * along)).sum(-1)
    found = torch.angle(mode / still * torch.exp(1j * 2 * math.pi * place[..., 0] / 12))
    assert found.abs().max() < 0.02


def test_images_bounce_within_a_larger_canvas() -> None:
    images = stills(height=8, width=8, border=1)
    sequences = moving_images(
        images, 20, 40, drift=(1.0, 2.0), canvas=14, edges="bounce", generator=torch.Generator().manual_seed(0)
    )
    place = sequences.states[..., 2:4]
    assert place.abs().max() <= 3 and place.abs().amax((0, 2)).min() > 2.5
    step = place.diff(dim=0)
    assert ((step.abs() - step.abs().amax(0)).abs() < 1e-9).float().mean() > 0.5  # the same speed, but where they turn
    canvas = torch.nn.functional.pad(images[which(sequences)], [3] * 4)
    path = Path(("translate_x", "translate_y"), place[None])
    assert (sequences.frames - apply_path(canvas, path, UNITS)).abs().max() < 1e-5
    assert torch.allclose(sequences.frames.sum((-3, -2, -1)), canvas.sum((1, 2, 3)), rtol=1e-5)


def test_everything_at_once_and_only_what_is_seen() -> None:
    images = stills()
    sequences = moved(images, rotate=(5.0, 9.0), scale=(10.0, 20.0), drift=(1.0, 2.0), canvas=16, name="digits")
    assert sequences.name == "digits" and sequences.image_shape == (1, 16, 16)
    batch = sequences.batch([4, 1], first=2, frames=3)
    assert torch.allclose(batch.frames, sequences.frames[2:6][:, [4, 1]], atol=1e-6)
    assert batch.frames.min() >= 0 and batch.frames.max() <= 1
    again = moved(images, rotate=(5.0, 9.0), scale=(10.0, 20.0), drift=(1.0, 2.0), canvas=16)
    assert torch.equal(again.states, sequences.states)
    double = moved(images.double(), rotate=(5.0, 9.0))
    assert double.frames.dtype == torch.float64


def test_what_cannot_move_is_named() -> None:
    images = stills()
    with pytest.raises(ValueError, match="`rotate` must be two ascending"):
        moved(images, rotate=(20.0, 10.0))
    with pytest.raises(ValueError, match="`sizes`"):
        moved(images, scale=(1.0, 1.0), sizes=(0.0, 1.0))
    with pytest.raises(ValueError, match="edges.*did you mean 'bounce'"):
        moved(images, edges="bounced")
    with pytest.raises(ValueError, match=r"`canvas` must be larger than the images, \(12, 12\)"):
        moved(images, drift=(1.0, 1.0), edges="bounce")
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        moved(2 * images)
    with pytest.raises(ValueError, match="`count`"):
        moving_images(images, 0, 2)
    with pytest.raises(ValueError, match="`steps`"):
        moving_images(images, 2, 0)

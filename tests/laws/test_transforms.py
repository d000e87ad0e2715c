"""Laws of the true transformations: each is a group, about the true centre, and turns the way it says."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from flowdis.data import TRANSFORMS, apply_path, path_matrices
from flowdis.data.pixels import turn_hue
from flowdis.paths import Path, flows

FLOWS = {flow.name: flow for flow in flows({name: known.unit for name, known in TRANSFORMS.items()})}
A_VALUE = {
    "rotate": 25.0,
    "scale": 1.2,
    "hue": 70.0,
    "translate_x": 1.5,
    "translate_y": -2.25,
    "shear": 0.3,
    "stretch": 1.15,
    "brightness": 0.8,
    "contrast": 0.7,
}


def move(name: str, value: float | Tensor) -> Path:
    return FLOWS[name](torch.as_tensor(value, dtype=torch.float64))


def pictures(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)


def smooth(size: int = 24) -> Tensor:
    """Three coloured bumps (1, 3, size, size), black near the rim, in float64."""
    line = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    centres = torch.tensor([[-2.0, 1.0], [1.5, 2.0], [0.5, -2.5]], dtype=torch.float64)
    bumps = [(-((x - cx) ** 2 + (y - cy) ** 2) / 8).exp() for cx, cy in centres.tolist()]
    return torch.stack(bumps)[None]


def dot(height: int, width: int, row: int, column: int) -> Tensor:
    image = torch.zeros(1, 1, height, width)
    image[0, 0, row, column] = 1
    return image


def where(image: Tensor) -> list[list[int]]:
    return (image[0, 0] > 1 - 1e-5).nonzero().tolist()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_amount_zero_is_exactly_the_identity(name: str) -> None:
    images = pictures(2, 3, 9, 12)
    assert torch.equal(apply_path(images, FLOWS[name].by_amount(0.0)), images)


def test_a_frame_that_does_not_move_is_exact_beside_one_that_does() -> None:
    images = pictures(2, 3, 9, 12)
    amounts = torch.tensor([[[1.0], [0.0]]])
    frames = apply_path(images, Path(("rotate",), amounts), times=torch.tensor([0.0, 1.0]))
    assert torch.equal(frames[0], images)
    assert torch.equal(frames[1, 1], images[1])
    assert (frames[1, 0] - images[0]).abs().max() > 0.1


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_then_b_is_a_plus_b(name: str) -> None:
    images = smooth()
    value, logarithmic = A_VALUE[name], TRANSFORMS[name].unit.logarithmic
    b = 1.1 if logarithmic else 0.4 * value
    total = value * b if logarithmic else value + b
    both, once = move(name, value) >> move(name, b), move(name, total)
    if TRANSFORMS[name].kind == "geometric":
        assert (path_matrices(both) - path_matrices(once)).abs().max() < 1e-12
    # one resampling from the source, however many rows: equal to rounding in float64
    assert (apply_path(images, both) - apply_path(images, once)).abs().max() < 1e-12
    # drawn twice, it is resampled twice: bumps of width 2 pixels lose max|f''| / 8 = 1/32 along each axis
    twice = apply_path(apply_path(images, move(name, value)), move(name, b))
    assert (twice - apply_path(images, once)).abs().max() < 4 / 32


@pytest.mark.parametrize("name", TRANSFORMS)
def test_undoing_a_path_of_all_transformations_is_the_identity(name: str) -> None:
    path = move("rotate", 40.0) + move("translate_x", 2.0) + move("shear", 0.2)
    path = path >> move(name, A_VALUE[name])
    assert (path_matrices(path >> ~path) - torch.eye(3).double()).abs().max() < 1e-12
    images = 0.25 + pictures(1, 3, 8, 8, dtype=torch.float64) / 2
    assert (apply_path(images, path >> ~path) - images).abs().max() < 1e-12


def test_matrices_against_their_closed_forms() -> None:
    angle, log_scale = math.radians(50), math.log(1.3)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    spiral = path_matrices(move("rotate", 50.0) + move("scale", 1.3))
    assert (spiral[:2, :2] - math.exp(log_scale) * turn).abs().max() < 1e-12
    # turning while shifting to the right by 3 pixels: the shift is the integral of the turned velocity
    curve = path_matrices(move("rotate", 50.0) + move("translate_x", 3.0))
    shift = 3 * torch.tensor([sin / angle, -(1 - cos) / angle], dtype=torch.float64)
    assert (curve[:2, :2] - turn).abs().max() < 1e-12
    assert (curve[:2, 2] - shift).abs().max() < 1e-12
    # in sequence, the first row acts first
    after = path_matrices(move("rotate", 50.0) >> move("translate_x", 3.0))
    before = path_matrices(move("translate_x", 3.0) >> move("rotate", 50.0))
    assert (after[:2, 2] - torch.tensor([3.0, 0.0]).double()).abs().max() < 1e-12
    assert (before[:2, 2] - 3 * turn[:, 0]).abs().max() < 1e-12


def test_positions_along_a_path() -> None:
    path = move("rotate", 30.0) >> move("scale", 2.0) + move("translate_y", 1.0)
    times = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])
    expected = [
        0.0 * move("rotate", 1.0),
        move("rotate", 15.0),
        move("rotate", 30.0),
        move("rotate", 30.0) >> 0.5 * (move("scale", 2.0) + move("translate_y", 1.0)),
        path,
    ]
    matrices = path_matrices(path, times=times)
    assert (matrices - torch.stack([path_matrices(part) for part in expected])).abs().max() < 1e-12
    frames = apply_path(smooth(), path, times=times)
    assert (frames - torch.stack([apply_path(smooth(), part) for part in expected])).abs().max() < 1e-12


def test_a_start_is_a_path_walked_before() -> None:
    images, start = smooth(), move("scale", 1.4) + move("hue", 50.0)
    path = move("rotate", 60.0) + move("hue", 40.0) >> move("brightness", 0.7) + move("translate_x", 2.0)
    assert (apply_path(images, path, start=start) - apply_path(images, start >> path)).abs().max() < 1e-12
    amounts = torch.tensor([[50 / 90, math.log(1.4) / math.log(1.5)]], dtype=torch.float64)
    own_names = Path(("hue", "scale"), amounts)
    both = apply_path(images, path, start=own_names, times=torch.tensor([0.0, 1.3]))
    assert (both - apply_path(images, path, start=start, times=torch.tensor([0.0, 1.3]))).abs().max() < 1e-12
    assert (path_matrices(path, start=own_names) - path_matrices(start >> path)).abs().max() < 1e-12


def test_one_start_per_image_and_one_path_for_all() -> None:
    images = smooth().expand(3, -1, -1, -1)
    angles = torch.tensor([10.0, 50.0, 200.0]).double()
    times = torch.tensor([0.2, 0.7])
    path = move("rotate", 30.0) + move("hue", 90.0)
    together = apply_path(images, path, start=move("rotate", angles), times=times)
    for index, angle in enumerate(angles.tolist()):
        alone = apply_path(images[index], path, start=move("rotate", angle), times=times)
        assert (together[:, index] - alone).abs().max() < 1e-12
    assert path_matrices(path, start=move("rotate", angles), times=times).shape == (2, 3, 3, 3)


def test_a_positive_angle_turns_counter_clockwise_as_seen() -> None:
    assert where(apply_path(dot(5, 5, 0, 2), move("rotate", 90.0))) == [[2, 0]]
    assert where(apply_path(dot(5, 5, 0, 2), move("rotate", -90.0))) == [[2, 4]]
    image = pictures(1, 2, 6, 6)
    assert (apply_path(image, move("rotate", 90.0)) - image.rot90(1, (-2, -1))).abs().max() < 1e-5
    assert (apply_path(image, move("rotate", 180.0)) - image.flip(-2, -1)).abs().max() < 1e-5
    assert (apply_path(image, move("rotate", 360.0)) - image).abs().max() < 1e-5


def test_turns_keep_lengths_on_images_that_are_not_square() -> None:
    assert where(apply_path(dot(5, 9, 0, 4), move("rotate", 90.0))) == [[2, 2]]
    assert where(apply_path(dot(5, 9, 2, 2), move("rotate", 90.0))) == [[4, 4]]
    assert where(apply_path(dot(5, 9, 2, 0), move("rotate", 90.0))) == []  # 4 pixels down is outside


def test_shifts_go_right_and_down() -> None:
    image = pictures(1, 1, 5, 7)
    right = apply_path(image, move("translate_x", 2.0))
    down = apply_path(image, move("translate_y", 1.0))
    assert (right[..., 2:] - image[..., :-2]).abs().max() < 1e-5 and right[..., :2].abs().max() < 1e-5
    assert (down[..., 1:, :] - image[..., :-1, :]).abs().max() < 1e-5 and down[..., 0, :].abs().max() < 1e-5


def test_what_scale_shear_and_stretch_do_to_a_ramp() -> None:
    # bilinear resampling is exact on linear functions of the position, except at the rim
    line = torch.arange(9, dtype=torch.float64) - 4
    y, x = torch.meshgrid(line, line, indexing="ij")
    ramp = (0.5 + 0.05 * x + 0.03 * y)[None, None]
    inside = (..., slice(2, -2), slice(2, -2))
    cases = {
        "scale": (2.0, 0.5 + 0.05 * x / 2 + 0.03 * y / 2),
        "shear": (0.5, 0.5 + 0.05 * (x + 0.5 * y) + 0.03 * y),
        "stretch": (1.25, 0.5 + 0.05 * x / 1.25 + 0.03 * y * 1.25),
    }
    for name, (value, expected) in cases.items():
        error = apply_path(ramp, move(name, value))[inside] - expected[None, None][inside]
        assert error.abs().max() < 1e-12, name
    assert where(apply_path(dot(5, 5, 0, 1), move("shear", 0.5))) == [[0, 2]]  # the top leans to the right


def test_hue_turns_red_to_green_to_blue() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    for angle, colour in {
        0: (1, 0, 0),
        60: (1, 1, 0),
        120: (0, 1, 0),
        240: (0, 0, 1),
        360: (1, 0, 0),
    }.items():
        turned = apply_path(red, move("hue", float(angle))).flatten()
        assert (turned - torch.tensor(colour, dtype=torch.float32)).abs().max() < 1e-6, angle
    assert (apply_path(red, move("hue", -120.0)).flatten() - torch.tensor([0.0, 0, 1])).abs().max() < 1e-6


def test_grey_stays_grey_under_hue() -> None:
    grey = pictures(2, 1, 4, 4).expand(-1, 3, -1, -1)
    assert torch.equal(apply_path(grey, move("hue", 77.0)), grey)


def test_hue_agrees_with_hsv() -> None:
    from kornia.color import hsv_to_rgb, rgb_to_hsv

    images = pictures(4, 3, 8, 8, dtype=torch.float64)
    images[0, 1] = images[0, 0]  # ties between channels
    images[1, :, :4] = 0  # black
    for turn in (0.0, 0.1, 0.35, 0.5, 0.8):
        hsv = rgb_to_hsv(images)
        shifted = hsv[:, :1] + 2 * math.pi * turn
        expected = hsv_to_rgb(torch.cat([shifted, hsv[:, 1:]], 1))
        turned = turn_hue(images, torch.full((1, 4), turn, dtype=torch.float64))[0]
        # the other one adds 1e-8 to the value when it divides by it
        assert (turned - expected).abs().max() < 1e-7
        assert (turned.amax(1) - images.amax(1)).abs().max() < 1e-12
        assert (turned.amin(1) - images.amin(1)).abs().max() < 1e-12


def test_brightness_and_contrast_against_closed_forms() -> None:
    pixels = 0.3 + 0.3 * pictures(1, 3, 4, 4, dtype=torch.float64)
    bright, contrast = partial(move, "brightness"), partial(move, "contrast")
    assert (apply_path(pixels, bright(1.5)) - 1.5 * pixels).abs().max() < 1e-12
    assert (apply_path(pixels, contrast(1.5)) - (0.5 + 1.5 * (pixels - 0.5))).abs().max() < 1e-12
    in_turn = apply_path(pixels, bright(0.8) >> contrast(0.5))
    assert (in_turn - (0.5 + 0.5 * (0.8 * pixels - 0.5))).abs().max() < 1e-12
    # at once: dp/ds = (a + b) p - b / 2, whose solution is e^(a+b) p - b (e^(a+b) - 1) / (2 (a + b))
    a, b = math.log(0.8), math.log(1.6)
    gain = math.exp(a + b)
    at_once = apply_path(pixels, bright(0.8) + contrast(1.6))
    assert (at_once - (gain * pixels - b * (gain - 1) / (2 * (a + b)))).abs().max() < 1e-12
    # clamped once, at the end: what is bright on the way is not cut
    assert (apply_path(pixels, bright(4.0) >> bright(0.25)) - pixels).abs().max() < 1e-12
    assert apply_path(pixels, bright(4.0)).max() == 1


def test_images_do_not_depend_on_their_batch() -> None:
    images = pictures(5, 3, 10, 8)
    names = tuple(TRANSFORMS)
    amounts = pictures(2, 5, len(names), seed=1) - 0.5
    times, order = torch.tensor([0.3, 1.7]), torch.tensor([3, 0, 4, 1, 2])
    frames = apply_path(images, Path(names, amounts), times=times)
    shuffled = apply_path(images[order], Path(names, amounts[:, order]), times=times)
    assert torch.equal(shuffled, frames[:, order])
    assert frames.min() >= 0 and frames.max() <= 1
    alone = torch.cat(
        [apply_path(images[i : i + 1], Path(names, amounts[:, i : i + 1]), times=times) for i in range(5)], 1
    )
    assert (alone - frames).abs().max() < 1e-6
    double = apply_path(images.double(), Path(names, amounts.double()), times=times)
    assert double.dtype == torch.float64 and (double - frames).abs().max() < 1e-4


def test_any_batch_shape() -> None:
    images, angles = pictures(2, 3, 3, 6, 6), torch.tensor([[10.0, 20, 30], [40, 50, 60]])
    turned = apply_path(images, move("rotate", angles), times=torch.tensor([0.5, 1.0]))
    assert turned.shape == (2, 2, 3, 3, 6, 6)
    assert torch.allclose(turned[1, 1, 2], apply_path(images[1, 2], move("rotate", 60.0)), atol=1e-6)
    fan = apply_path(images[0, 0], move("rotate", angles[0]))
    assert fan.shape == (3, 3, 6, 6)


def test_amounts_carry_gradients() -> None:
    amount = torch.tensor([[0.3, 0.2, -0.4]], dtype=torch.float64, requires_grad=True)
    image = smooth().requires_grad_()

    def energy(amounts: Tensor) -> Tensor:
        moved = apply_path(image, Path(("rotate", "hue", "contrast"), amounts))
        return (moved * torch.linspace(0, 1, 24, dtype=torch.float64)).sum()

    energy(amount).backward()
    step = 1e-6 * torch.eye(3, dtype=torch.float64)
    slopes = [(energy(amount + h) - energy(amount - h)).item() / 2e-6 for h in step]
    assert amount.grad is not None
    error = amount.grad - torch.tensor([slopes], dtype=torch.float64)
    assert error.abs().max() < 1e-4  # the image has kinks between pixels
    assert image.grad is not None and bool(image.grad.isfinite().all())


def test_errors_say_what_is_wrong() -> None:
    image = pictures(2, 1, 6, 6)
    with pytest.raises(ValueError, match="3 channels for hue, got 1: colour them first"):
        apply_path(image, move("hue", 10.0))
    with pytest.raises(ValueError, match="did you mean 'rotate'"):
        apply_path(image, Path(("rotat",), torch.ones(1, 1)))
    with pytest.raises(ValueError, match="`times` must lie in"):
        apply_path(image, move("rotate", 10.0), times=torch.tensor([0.0, 1.5]))
    with pytest.raises(ValueError, match="matching batch shapes"):
        apply_path(image, Path(("rotate",), torch.ones(1, 3, 1)))
    with pytest.raises(ValueError, match="`mode` must be one of"):
        apply_path(image, move("rotate", 10.0), mode="linear")
    with pytest.raises(ValueError, match="by degree"):
        apply_path(image, Path(("rotate",), torch.ones(1, 1)), {"rotate": FLOWS["scale"].unit})


def test_units_size_the_amounts() -> None:
    from flowdis.paths import Unit

    image = pictures(1, 1, 6, 6)
    half = apply_path(image, Path(("rotate",), torch.ones(1, 1)), {"rotate": Unit("degree", 90.0)})
    assert (half - image.rot90(1, (-2, -1))).abs().max() < 1e-5

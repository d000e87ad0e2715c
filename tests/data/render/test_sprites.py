from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch

from flowdis.data.render import SpriteRenderer, render_sprites, sprites
from flowdis.data.sources import ImageRenderer

SHAPES = pytest.mark.parametrize("shape", [0, 1, 2], ids=["square", "ellipse", "heart"])
AREAS = (22**2, math.pi * 15 * 10, 16**2 * (1 + math.pi / 4))


def drawn(shape: float, count: int, generator: torch.Generator) -> torch.Tensor:
    """Values of one shape, anywhere in the ranges of the grid, in float64."""
    unit = torch.rand(count, 5, generator=generator, dtype=torch.float64)
    values = unit * torch.tensor([1, 0.5, 360, 1, 1]) + torch.tensor([0, 0.5, 0, 0, 0])
    values[:, 0] = shape
    return values


def inside(shape: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie in an upright sprite of scale 1, y upwards: the shapes as a textbook says them."""
    if shape == 0:
        return (np.abs(x) < 11) & (np.abs(y) < 11)
    if shape == 1:
        return (x / 15) ** 2 + (y / 10) ** 2 < 1
    y = y + 16 * (7 / 12 + 3 * math.pi / 16) / (1 + math.pi / 4) * math.sqrt(2)  # from the tip
    p, q = (y + x) / math.sqrt(2), (y - x) / math.sqrt(2)
    square = (p > 0) & (p < 16) & (q > 0) & (q < 16)
    return square | ((p - 16) ** 2 + (q - 8) ** 2 < 64) | ((p - 8) ** 2 + (q - 16) ** 2 < 64)


def counted(values: list[float], samples: int = 24) -> np.ndarray:
    """The image by counting points in each pixel."""
    shape, scale, orientation, right, down = values
    points = (np.arange(64 * samples) + 0.5) / samples
    x, y = points - (16.5 + 31 * right), (16.5 + 31 * down) - points[:, None]
    angle = math.radians(orientation)
    u, v = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    return inside(int(shape), u / scale, v / scale).reshape(64, samples, 64, samples).mean((1, 3))


def test_the_grid_is_that_of_dsprites_without_the_second_end():
    data, published = sprites(), sprites(published=True)
    for grid in (data, published):
        assert grid.names == ("shape", "scale", "orientation", "x", "y") and len(grid) == 737_280
        assert grid.sizes == (3, 6, 40, 32, 32) and grid.image_shape == (1, 64, 64)
        assert [factor.period for factor in grid.factors] == [None, None, 360.0, None, None]
        np.testing.assert_allclose(grid.factors[1].values, np.linspace(0.5, 1, 6))
        np.testing.assert_allclose(grid.factors[4].values, np.linspace(0, 1, 32))
    np.testing.assert_allclose(data.factors[2].values, np.linspace(0, 360, 40, endpoint=False))
    np.testing.assert_allclose(published.factors[2].values, np.degrees(np.linspace(0, 2 * np.pi, 40)))
    assert (data.factors[2].cycle, published.factors[2].cycle) == (40, 39)


def test_only_the_published_orientations_show_an_image_twice():
    for published, expected in ((False, 40), (True, 39)):
        data = sprites(published=published)
        classes = torch.tensor([2, 5, 0, 16, 16]).repeat(40, 1)
        classes[:, 2] = torch.arange(40)
        images = data.images(data.index(classes)).flatten(1)
        apart = torch.cdist(images, images) > 0.1
        assert int((apart.sum(1) == 39).sum()) == (40 if expected == 40 else 38)
        assert bool(apart[0, 39]) == (expected == 40)


@SHAPES
def test_an_image_is_that_of_points_counted(shape, generator):
    for values in drawn(shape, 3, generator):
        error = render_sprites(values[None])[0, 0].numpy() - counted(values.tolist())
        assert np.abs(error).max() < 0.1  # at corners; elsewhere the points' own error and curvature
        assert (np.abs(error) > 0.03).sum() <= 6


@SHAPES
def test_area_and_centre_of_mass_are_those_of_the_shape(shape, generator):
    values = drawn(shape, 60, generator)
    images = render_sprites(values)[:, 0]
    areas = images.sum((1, 2))
    assert (areas - AREAS[shape] * values[:, 1].square()).abs().max() < 0.25
    pixels = torch.arange(64, dtype=torch.float64) + 0.5
    right, down = (images * pixels).sum((1, 2)) / areas, (images * pixels[:, None]).sum((1, 2)) / areas
    assert (right - (16.5 + 31 * values[:, 3])).abs().max() < 0.01
    assert (down - (16.5 + 31 * values[:, 4])).abs().max() < 0.01


@SHAPES
def test_a_quarter_turn_turns_the_image(shape, generator):
    values = drawn(shape, 20, generator)
    values[:, 3:] = 0.5
    turned = values.clone()
    turned[:, 2] += 90
    torch.testing.assert_close(render_sprites(turned), render_sprites(values).rot90(1, (2, 3)), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("shape", "angle"), [(0, 90), (1, 180), (2, 360)], ids=["square", "ellipse", "heart"])
def test_a_shape_comes_back_after_its_own_angle_and_not_before(shape, angle, generator):
    values = drawn(shape, 20, generator)
    turned, less = values.clone(), values.clone()
    turned[:, 2] += angle
    less[:, 2] += angle / 2
    torch.testing.assert_close(render_sprites(turned), render_sprites(values), atol=1e-9, rtol=0)
    assert (render_sprites(less) - render_sprites(values)).abs().mean((1, 2, 3)).min() > 0.005


@SHAPES
def test_a_step_of_x_or_y_is_a_pixel_to_the_right_or_down(shape, generator):
    values = drawn(shape, 20, generator)
    values[:, 3:] *= 30 / 31
    images = render_sprites(values)
    for column, axis in ((3, -1), (4, -2)):
        moved = values.clone()
        moved[:, column] += 1 / 31
        torch.testing.assert_close(render_sprites(moved), images.roll(1, axis), atol=1e-9, rtol=0)


@SHAPES
def test_a_sprite_never_touches_the_border(shape, generator):
    values = drawn(shape, 80, generator)
    values[:, 1], values[:, 3:] = 1.0, values[:, 3:].round()
    images = render_sprites(values)
    border = torch.cat([images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1]])
    assert border.max() < 0.07  # a square's corner comes within 0.94 pixels of it


@SHAPES
@pytest.mark.parametrize(("column", "low", "high", "slope"), [(1, 0.3, 1.2, 25.0), (2, 0.0, 360.0, 0.5)])
def test_images_change_no_faster_however_small_the_steps(shape, column, low, high, slope):
    values = torch.tensor([[shape, 1.0, 20.0, 0.3, 0.6]], dtype=torch.float64).repeat(800, 1)
    values[:, column] = torch.linspace(low, high, 800)
    images = render_sprites(values, 32)
    assert images.diff(dim=0).abs().max() < slope * (high - low) / 799


def test_every_step_of_every_factor_is_seen(generator):
    data = sprites()
    for name, size in zip(data.names, data.sizes, strict=True):
        classes = data.sample(8, generator=generator)[:, None].repeat(1, size, 1)
        classes[..., data.position(name)] = torch.arange(size)
        change = data.images(data.index(classes)).diff(dim=1).abs().mean((2, 3, 4))
        assert change.min() > 0.002, name


def test_items_are_those_of_a_batch_in_any_order_and_size(generator):
    data = sprites()
    indices = torch.randint(len(data), (100,), generator=generator)
    batch = data.images(indices)
    assert batch.dtype == torch.float32 and batch.shape == (100, 1, 64, 64)
    for row in (0, 7, 99):
        torch.testing.assert_close(data[int(indices[row])], batch[row], atol=1e-4, rtol=0)
    torch.testing.assert_close(render_sprites(data.values(indices).float(), chunk=7), batch, atol=1e-4, rtol=0)


@SHAPES
def test_float32_is_as_good_as_float64_and_stays_in_range(shape, generator):
    values = drawn(shape, 60, generator)
    images = render_sprites(values.float())
    torch.testing.assert_close(images.double(), render_sprites(values), atol=1e-4, rtol=0)
    assert images.min() >= 0 and images.max() <= 1


def test_rendering_is_repeatable_and_leaves_values_alone(generator):
    values = torch.cat([drawn(shape, 7, generator) for shape in range(3)])
    kept = values.clone()
    with torch.inference_mode():
        first = render_sprites(values)
    assert torch.equal(first, render_sprites(values.requires_grad_())) and torch.equal(kept, values)


@SHAPES
def test_lengths_grow_with_the_image(shape, generator):
    values = drawn(shape, 10, generator)
    halves = torch.nn.functional.avg_pool2d(render_sprites(values, 128), 2)
    assert (halves - render_sprites(values, 64)).abs().mean() < 5e-4


def test_no_values_make_no_images():
    assert render_sprites(torch.zeros(0, 5)).shape == (0, 1, 64, 64)


def test_the_renderer_is_one_and_survives_pickling():
    renderer = pickle.loads(pickle.dumps(SpriteRenderer(32)))
    values = torch.tensor([[2.0, 0.7, 30.0, 0.2, 0.9]])
    assert isinstance(renderer, ImageRenderer) and renderer.image_shape == (1, 32, 32)
    assert torch.equal(renderer.render(values), render_sprites(values, 32))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, 3.0, r"factor 'shape' must be one of 0 \(square\), 1 \(ellipse\), 2 \(heart\), got 3.0 in row 1"),
        (0, -1.0, "factor 'shape' .* got -1.0 in row 1"),
        (1, -0.5, "factor 'scale' must be finite and positive, got -0.5 in row 1"),
        (3, float("nan"), "factor 'x' must be finite, got nan in row 1"),
    ],
)
def test_a_bad_value_is_named(column, value, message):
    values = torch.tensor([[1.0, 1.0, 0.0, 0.5, 0.5]]).repeat(3, 1)
    values[1, column] = value
    with pytest.raises(ValueError, match=message):
        render_sprites(values)


def test_a_bad_shape_type_or_size_is_named():
    with pytest.raises(ValueError, match=r"\(B, F=5: shape, .*, got \(2, 6\)"):
        render_sprites(torch.zeros(2, 6))
    with pytest.raises(TypeError, match="float32 or float64, got torch.bfloat16"):
        render_sprites(torch.zeros(2, 5).bfloat16())
    with pytest.raises(ValueError, match="`image_size` must be an integer of at least 8, got 7"):
        sprites(image_size=7)

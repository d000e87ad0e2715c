from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from flowdis.data.render import RoomRenderer, render_rooms, rooms
from flowdis.data.sources import ImageRenderer
from tests.data.render.tracer import trace

SHAPES = pytest.mark.parametrize("shape", [0, 1, 2, 3], ids=["cube", "cylinder", "sphere", "capsule"])


def one(shape: float, scale: float = 1.0, orientation: float = 0.0) -> torch.Tensor:
    return torch.tensor([[0.0, 120.0, 240.0, scale, shape, orientation]], dtype=torch.float64)


def drawn(count: int, generator: torch.Generator) -> torch.Tensor:
    """Values anywhere in the ranges of the grid, in float64."""
    data = rooms()
    unit = torch.rand(count, 6, generator=generator, dtype=torch.float64)
    low = torch.tensor([factor.values[0] for factor in data.factors])
    high = torch.tensor([factor.values[-1] for factor in data.factors])
    values = low + unit * (high - low)
    values[:, 4] = torch.randint(4, (count,), generator=generator).double()
    return values


def test_the_grid_is_that_of_3dshapes():
    data = rooms()
    assert data.names == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    assert data.sizes == (10, 10, 10, 8, 4, 15) and len(data) == 480_000 and data.image_shape == (3, 64, 64)
    assert [factor.period for factor in data.factors] == [360.0, 360.0, 360.0, None, None, None]
    assert [factor.ordered for factor in data.factors] == [True, True, True, True, False, True]
    np.testing.assert_allclose(data.factors[0].values, np.linspace(0, 1, 10, endpoint=False) * 360)
    np.testing.assert_allclose(data.factors[3].values, np.linspace(0.75, 1.25, 8))
    np.testing.assert_allclose(data.factors[5].values, np.linspace(-30, 30, 15), atol=1e-12)
    assert rooms(published=True).factors == data.factors  # of which none is there twice


@SHAPES
@pytest.mark.parametrize(("scale", "orientation"), [(1.0, 0.0), (1.25, 17.0), (0.8, -25.0)])
def test_an_image_agrees_with_a_ray_tracer_better_than_sixteen_rays_a_pixel_do(shape, scale, orientation):
    values = one(shape, scale, orientation)
    truth = trace(values[0].tolist(), 32, 20)
    error = render_rooms(values, 32)[0].numpy() - truth
    assert (error**2).mean() < ((trace(values[0].tolist(), 32, 4) - truth) ** 2).mean()
    assert np.abs(error).mean() < 1.2e-3
    assert (np.abs(error).max(0) > 0.06).mean() < 6e-3  # pixels where three surfaces meet


@SHAPES
@pytest.mark.parametrize(("scale", "orientation"), [(0.4, 60.0), (2.0, -44.0), (3.0, 135.0)])
def test_values_beyond_the_grid_agree_with_the_ray_tracer_too(shape, scale, orientation):
    values = one(shape, scale, orientation)
    error = render_rooms(values, 32)[0].numpy() - trace(values[0].tolist(), 32, 12)
    assert np.abs(error).mean() < 2e-3


def test_a_room_turned_the_other_way_is_the_mirror_image(generator):
    values = drawn(40, generator)
    values[:8, 5] = torch.linspace(-90, 90, 8)
    turned = values.clone()
    turned[:, 5] *= -1
    torch.testing.assert_close(render_rooms(turned), render_rooms(values).flip(-1), atol=1e-9, rtol=0)


def test_a_whole_turn_shows_the_same_room(generator):
    values = drawn(12, generator)
    turned = values.clone()
    turned[:, 5] += 360
    torch.testing.assert_close(render_rooms(turned), render_rooms(values), atol=1e-9, rtol=0)


def test_a_third_of_the_hue_circle_permutes_the_channels(generator):
    values = drawn(12, generator).round()
    turned = values.clone()
    turned[:, :3] += 120
    assert torch.equal(render_rooms(turned), render_rooms(values).roll(1, 1))


@pytest.mark.parametrize(("factor", "dark"), [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])])
def test_a_hue_colours_its_surface_alone(factor, dark, generator):
    """Red floors, green walls and blue objects: the share of each stands in a channel of its own."""
    values = drawn(12, generator)
    values[:, :3] = torch.tensor([0.0, 120.0, 240.0])
    before = render_rooms(values)
    values[:, factor] += 60
    after = render_rooms(values)
    others = [channel for channel in (0, 1, 2) if channel != factor]
    change = after - before
    assert change[:, factor].abs().max() < 1e-12
    gained = [channel for channel in others if change[:, channel].abs().max() > 0.1]
    assert len(gained) == 1 and gained[0] in dark
    torch.testing.assert_close(change[:, gained[0]], before[:, factor])


@SHAPES
@pytest.mark.parametrize(
    ("column", "low", "high", "slope"),
    [(0, 0.0, 360.0, 0.017), (2, 0.0, 360.0, 0.017), (3, 0.3, 3.0, 25.0), (5, -60.0, 60.0, 0.5)],
    ids=["floor_hue", "object_hue", "scale", "orientation"],
)
def test_images_change_no_faster_however_small_the_steps(shape, column, low, high, slope):
    """A jump of any pixel by J would show as a slope of J over the step, here of J times several hundreds."""
    values = one(shape, 1.0, 13.0).repeat(500, 1)
    values[:, column] = torch.linspace(low, high, 500)
    images = render_rooms(values, 16)
    assert images.diff(dim=0).abs().max() < slope * (high - low) / 499


def test_every_step_of_every_factor_is_seen(generator):
    data = rooms()
    least = dict(zip(data.names, (0.05, 0.03, 0.005, 0.002, 0.004, 0.0015), strict=True))
    for name, size in zip(data.names, data.sizes, strict=True):
        classes = data.sample(12, generator=generator)[:, None].repeat(1, size, 1)
        classes[..., data.position(name)] = torch.arange(size)
        change = data.images(data.index(classes)).diff(dim=1).abs().mean((2, 3, 4))
        assert change.min() > least[name], name


def test_a_sphere_shows_by_its_room_that_it_is_turned():
    images = render_rooms(torch.cat([one(2, 1.0, angle) for angle in (-30.0, 0.0, 30.0)]))
    assert images.diff(dim=0).abs().mean((1, 2, 3)).min() > 0.02


def test_items_are_those_of_a_batch_in_any_order_and_size(generator):
    data = rooms()
    indices = torch.randint(len(data), (150,), generator=generator)
    indices[100:] = indices[:50]  # the same rooms again
    batch = data.images(indices)
    assert batch.dtype == torch.float32 and batch.shape == (150, 3, 64, 64)
    for row in (0, 7, 149):
        torch.testing.assert_close(data[int(indices[row])], batch[row], atol=2e-6, rtol=0)
    torch.testing.assert_close(batch[100:], batch[:50], atol=0, rtol=0)
    torch.testing.assert_close(render_rooms(data.values(indices).float(), chunk=7), batch, atol=2e-6, rtol=0)


def test_rooms_that_differ_in_hues_share_their_view(generator):
    values = drawn(3, generator).repeat_interleave(8, 0)
    values[:, :3] = torch.rand(24, 3, generator=generator) * 360
    values = values[torch.randperm(24, generator=generator)]
    apart = torch.cat([render_rooms(row[None], 32) for row in values])
    torch.testing.assert_close(render_rooms(values, 32), apart, atol=1e-12, rtol=0)


def test_float32_is_as_good_as_float64(generator):
    values = drawn(64, generator)
    torch.testing.assert_close(render_rooms(values.float()).double(), render_rooms(values), atol=2e-4, rtol=0)


def test_values_are_colours_that_add_up_to_no_more_than_white(generator):
    images = render_rooms(drawn(64, generator).float())
    assert images.min() >= 0 and images.max() <= 1


def test_rendering_is_repeatable_and_leaves_values_alone(generator):
    values = drawn(20, generator)
    kept = values.clone()
    with torch.inference_mode():
        first = render_rooms(values)
    assert torch.equal(first, render_rooms(values.requires_grad_())) and torch.equal(kept, values)


def test_images_of_few_pixels_have_no_values_beyond_white():
    data = rooms(image_size=16)
    values = torch.tensor(
        [[216.0, 324.0, 36.0, 0.89, shape, angle] for shape in (2.0, 3.0) for angle in range(-30, 31)]
    )
    images = data.at(values)
    assert float(images.min()) >= 0 and float(images.max()) <= 1


@pytest.mark.parametrize("size", [8, 28, 65])
def test_any_size_shows_the_same_room(size):
    """Images of two sizes, averaged over quarters."""
    images = [render_rooms(one(0, 1.0, 20.0), n) for n in (size, 64)]
    small, large = (torch.nn.functional.adaptive_avg_pool2d(image, 2) for image in images)
    assert (small - large).abs().max() < (0.02 if size % 2 == 0 else 0.05)


def test_no_values_make_no_images():
    assert render_rooms(torch.zeros(0, 6)).shape == (0, 3, 64, 64)


def test_the_renderer_is_one_and_survives_pickling():
    renderer = pickle.loads(pickle.dumps(RoomRenderer(32)))
    assert isinstance(renderer, ImageRenderer) and renderer.image_shape == (3, 32, 32)
    assert torch.equal(renderer.render(one(1)), render_rooms(one(1), 32))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (4, 7.0, r"factor 'shape' must be one of 0 \(cube\), .*, 3 \(capsule\), got 7.0 in row 1"),
        (4, 1.5, "factor 'shape' .* got 1.5 in row 1"),
        (3, 0.0, r"factor 'scale' must lie in \(0, 3\], got 0.0 in row 1"),
        (3, 3.5, r"factor 'scale' must lie in \(0, 3\], got 3.5 in row 1"),
        (1, float("nan"), "factor 'wall_hue' must be finite, got nan in row 1"),
        (5, float("inf"), "factor 'orientation' must be finite, got inf in row 1"),
    ],
)
def test_a_bad_value_is_named(column, value, message):
    values = one(2).repeat(3, 1)
    values[1, column] = value
    with pytest.raises(ValueError, match=message):
        render_rooms(values)


def test_a_bad_shape_type_or_size_is_named():
    with pytest.raises(ValueError, match=r"\(B, F=6: floor_hue, .*, got \(2, 5\)"):
        render_rooms(torch.zeros(2, 5))
    with pytest.raises(TypeError, match="float32 or float64, got torch.float16"):
        render_rooms(one(1).half())
    with pytest.raises(ValueError, match="`image_size` must be an integer of at least 8, got 4"):
        rooms(image_size=4)

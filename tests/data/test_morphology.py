"""Measurements of strokes against shapes whose measures are known, and against transformations of real digits."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from flowdis.data import TRANSFORMS, apply_path, digits
from flowdis.data.morphology import MORPHOLOGY, height, intensity, length, morphology, slant, thickness, width
from flowdis.paths import Path

Inside = Callable[[Tensor, Tensor], Tensor]

# An edge that covers a pixel by f is taken to lie where values, interpolated, cross 1/2: off by at most (f - 1/2)^2 / f
# of a pixel, 0.085 at f = 1/sqrt(2), on each side; and both errors are of one sign only where both edges lie alike.
EDGE = 0.17


def drawn(inside: Inside, size: int = 28, finer: int = 16) -> Tensor:
    """A shape on black, each pixel as bright as the share of it that is covered; x right, y down, from the centre."""
    at = (torch.arange(size * finer, dtype=torch.float64) + 0.5) / finer - size / 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    covered = inside(x, y).to(torch.float64)
    return covered.reshape(size, finer, size, finer).mean((1, 3))[None, None]


def bar(wide: float, long: float, degrees: float = 0.0, off: float = 0.0, slope: float = 0.0) -> Tensor:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def inside(x: Tensor, y: Tensor) -> Tensor:
        along, across = (x - off) * sin + (y - off) * cos, (x - off) * cos - (y - off) * sin
        return ((across + slope * along).abs() < wide / 2) & (along.abs() < long / 2)

    return drawn(inside)


def ring(radius: float, wide: float) -> Tensor:
    return drawn(lambda x, y: ((x.square() + y.square()).sqrt() - radius).abs() < wide / 2)


@pytest.mark.parametrize("degrees", [0, 15, 30, 45, 70, 90])
def test_a_bar_is_as_thick_and_long_as_it_was_drawn_wherever_it_lies(degrees: float) -> None:
    drawings = [(wide, off) for wide in (2.0, 2.5, 3.3, 5.0) for off in (0.0, 0.3)]
    images = torch.cat([bar(wide, 18.0, degrees, off) for wide, off in drawings])
    true = torch.tensor([wide for wide, _ in drawings], dtype=torch.float64)
    assert (thickness(images) - true).abs().max() <= EDGE + 0.01
    assert (thickness(images) - true).abs().mean() < 0.05
    assert (length(images) / 18 - 1).abs().max() < 0.1


@pytest.mark.parametrize(("radius", "wide"), [(8.0, 2.0), (8.0, 3.0), (6.0, 3.5)])
def test_a_ring_has_its_width_its_circumference_and_its_diameter(radius: float, wide: float) -> None:
    image = ring(radius, wide)
    assert abs(thickness(image).item() - wide) < 0.06
    assert length(image).item() == pytest.approx(2 * math.pi * radius, rel=0.02)
    # The outermost pixels of a curve are covered in part only, even where the curve reaches their far side.
    assert width(image).item() == height(image).item() == pytest.approx(2 * radius + wide, abs=0.15)


def test_boxes_between_pixels_have_their_exact_width_and_height() -> None:
    for wide, high, off in ((6.0, 10.0, 0.0), (6.25, 9.5, 0.0), (7.5, 12.25, 0.3125), (3.125, 20.0, 0.125)):
        image = drawn(lambda x, y: ((x - off).abs() < wide / 2) & ((y - off).abs() < high / 2))  # noqa: B023
        torch.testing.assert_close(height(image), torch.tensor([high], dtype=torch.float64), rtol=0, atol=1e-9)
        torch.testing.assert_close(width(image), torch.tensor([wide], dtype=torch.float64), rtol=0, atol=1e-9)


def test_a_gap_belongs_to_the_height() -> None:
    dotted = drawn(lambda x, y: (x.abs() < 1.5) & ((y.abs() < 2) | ((y + 7).abs() < 1)))
    assert height(dotted).item() == pytest.approx(2 + 7 + 1)


@pytest.mark.parametrize("slope", [-0.7, -0.2, 0.0, 0.35, 1.0])
def test_a_sheared_bar_has_its_slope_and_the_width_of_the_bar(slope: float) -> None:
    image = bar(4.0, 16.0, slope=slope)
    # Coverage by pixels blurs the bar by a variance of at most 1/12 + 1/12, beside 16^2 / 12.
    assert slant(image).item() == pytest.approx(slope, abs=0.01 + abs(slope) / 100)
    assert width(image).item() == pytest.approx(4.0, abs=0.15 + 1.2 * abs(slope))
    assert height(image).item() == pytest.approx(16.0)


def test_an_ellipse_that_lies_aslant_has_the_slant_of_its_second_moments() -> None:
    turn, long, short = math.radians(25), 11.0, 5.0

    def inside(x: Tensor, y: Tensor) -> Tensor:
        along = x * math.sin(turn) - y * math.cos(turn)  # the long axis leans to the right
        across = x * math.cos(turn) + y * math.sin(turn)
        return (along / long).square() + (across / short).square() < 1

    sin, cos = math.sin(turn), math.cos(turn)
    true = (long**2 - short**2) * sin * cos / (long**2 * cos**2 + short**2 * sin**2)
    assert slant(drawn(inside)).item() == pytest.approx(true, rel=5e-3)


def grey_digits(step: int) -> Tensor:
    return digits(train=False, colour=False)[0][::step]


@pytest.mark.parametrize("slope", [-0.4, 0.3])
def test_shearing_real_digits_adds_its_slope_to_their_slant_and_leaves_the_rest(slope: float) -> None:
    images = grey_digits(25)
    wide = torch.nn.functional.pad(images, (8, 8, 0, 0))
    path = Path(("shear",), torch.tensor([[slope / TRANSFORMS["shear"].unit.size]]))
    sheared = apply_path(wide, path)
    assert (slant(sheared) - slant(wide) - slope).abs().max() < 1e-3  # brightness moves along rows, and keeps its mean
    assert (height(sheared) - height(wide)).abs().mean() < 0.3
    assert (width(sheared) - width(wide)).abs().mean() < 0.4
    assert (thickness(sheared) - thickness(wide)).mean().abs() < 0.25


def thickened(images: Tensor, radius: float, finer: int = 8) -> Tensor:
    """Every pixel within `radius` of the ink, antialiased."""
    from scipy.ndimage import distance_transform_edt

    fine = torch.nn.functional.interpolate(images, scale_factor=finer, mode="bilinear", align_corners=False)
    reached = [torch.from_numpy(distance_transform_edt(image.numpy() < 0.5)) <= radius * finer for image in fine[:, 0]]
    return torch.nn.functional.avg_pool2d(torch.stack(reached)[:, None].to(images), finer)


def test_dilating_real_digits_thickens_them_by_twice_its_radius_or_more_where_angles_fill() -> None:
    images = grey_digits(60)
    rise = torch.sub(*(thickness(thickened(images, radius)) for radius in (0.75, 0.25)))
    # No point of the old middle line comes nearer to the edge than by the radius; junctions and tight bends fill up.
    assert 0.97 < rise.min() and 1.0 <= rise.median() < 1.2 and rise.quantile(0.9) < 1.3


def test_brightness_changes_intensity_alone_and_hue_nothing() -> None:
    images = grey_digits(100).double()
    whole, dimmed = morphology(images), morphology(images * 0.5)
    torch.testing.assert_close(dimmed.pop("intensity"), whole.pop("intensity") * 0.5)
    torch.testing.assert_close(dimmed, whole)
    red, green = (images.expand(-1, 3, -1, -1) * torch.eye(3)[c].reshape(3, 1, 1) for c in (0, 1))
    torch.testing.assert_close(morphology(red), morphology(green), rtol=0, atol=0)
    torch.testing.assert_close(morphology(red)["slant"], whole["slant"])


def test_a_value_does_not_depend_on_batch_mates_nor_on_where_the_image_is_cut() -> None:
    images = grey_digits(200).double()
    together = morphology(images)
    for name, measurement in MORPHOLOGY.items():
        one = torch.cat([measurement.measure(image[None]) for image in images])
        torch.testing.assert_close(one, together[name])
    wider = torch.nn.functional.pad(images, (3, 1, 2, 6))
    torch.testing.assert_close(morphology(wider), together)
    assert morphology(images.float())["thickness"].dtype == torch.float32


def test_moments_pass_gradients_on() -> None:
    images = grey_digits(250).double().requires_grad_()
    for measure in (slant, width, height):
        (slope,) = torch.autograd.grad(measure(images).sum(), images)
        assert slope.isfinite().all() and slope.abs().max() > 0


def test_what_cannot_be_measured_is_named() -> None:
    images = grey_digits(250)
    with pytest.raises(ValueError, match="got nothing in image 2"):
        thickness(torch.cat([images[:2], torch.zeros(1, 1, 28, 28)]))
    with pytest.raises(ValueError, match="more than one row high.* image 0"):
        slant(torch.ones(1, 1, 1, 5))
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        intensity(images[:0])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        height(images * 255)
    with pytest.raises(ValueError, match="did you mean 'thickness'"):
        morphology(images, ["thicknes"])
    assert list(morphology(images, ["length", "slant"])) == ["length", "slant"]

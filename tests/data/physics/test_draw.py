"""Antialiased shapes against their areas, their centres, and brute force."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowdis.data.physics import Bodies, BodyRenderer, DoublePendulum, Pendulum, Spring
from flowdis.data.physics.draw import disc, over, rod

FINE = 64


def centres(count: int, low: float, high: float, dtype: torch.dtype = torch.float64) -> Tensor:
    drawn = torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return (low + (high - low) * drawn).to(dtype)


def spread(inside: Tensor, size: int) -> Tensor:
    """Samples (.., FINE (size + 1) squared) of a shape, each shared out between the four pixels around it."""
    points = (torch.arange(FINE * (size + 1), dtype=torch.float64) + 0.5) / FINE - 1
    weights = (1 - (points[:, None] - torch.arange(size)).abs()).clamp_min(0) / FINE
    return weights.T @ inside.to(torch.float64) @ weights


def samples(size: int) -> tuple[Tensor, Tensor]:
    points = (torch.arange(FINE * (size + 1), dtype=torch.float64) + 0.5) / FINE - 1
    return points[None, :], points[:, None]


def centroid(images: Tensor) -> Tensor:
    pixels = torch.arange(images.shape[-1], dtype=images.dtype)
    return torch.stack([(images.sum(-2) * pixels).sum(-1), (images.sum(-1) * pixels).sum(-1)], -1) / images.sum(
        (-2, -1)
    ).unsqueeze(-1)


@pytest.mark.parametrize("radius", [0.7, 2.66, 3.28, 4.56, 9.3])
def test_a_disc_is_as_bright_as_it_is_large_and_centred_where_it_is(radius: float) -> None:
    where = centres(50, 11, 13)
    images = disc(where, radius, 25)
    assert (images.sum((1, 2)) - math.pi * radius**2).abs().max() < 1e-12 * radius**2
    assert (centroid(images) - where).abs().max() < 1e-12
    assert images.min() >= 0 and images.max() <= 1 + 1e-15
    single = disc(where.float(), radius, 25)
    assert single.dtype == torch.float32 and (centroid(single) - where).abs().max() < 1e-4


@pytest.mark.parametrize("radius", [0.7, 2.66, 3.28, 4.56])
def test_discs_are_those_of_supersampling(radius: float) -> None:
    where = centres(4, 6, 8)
    x, y = samples(14)
    inside = (x - where[:, :1, None]) ** 2 + (y - where[:, 1:, None]) ** 2 <= radius**2
    found, expected = disc(where, radius, 14), spread(inside, 14)
    assert (found - expected).abs().max() < 0.006  # one grey level of 256 is 0.004
    assert (found - expected).square().mean().sqrt() < 1.2e-3


def test_edges_are_a_pixel_wide_at_half_height() -> None:
    profile = disc(torch.tensor([[0.0, 100.0]], dtype=torch.float64), 60.0, 201)[0, 100]
    assert profile[:59].min() > 0.999 and profile[62:].max() < 1e-3
    assert profile[60] == pytest.approx(0.5, abs=0.01)


def test_discs_go_over_the_edge_of_the_image() -> None:
    where = torch.tensor([[-0.5, 5.0], [5.0, 10.5], [-20.0, 5.0]], dtype=torch.float64)
    brightness = disc(where, 3.0, 11).sum((1, 2))
    assert brightness[:2].tolist() == pytest.approx([math.pi * 4.5] * 2, rel=1e-3) and brightness[2] == 0


@pytest.mark.parametrize("width", [0.6, 1.0, 2.5])
def test_rods_are_those_of_supersampling(width: float) -> None:
    starts, ends = centres(6, 6, 8), centres(6, 6, 8).flip(0) + torch.tensor([5.0, -3.0], dtype=torch.float64)
    along = ends - starts
    length = along.norm(dim=1)
    images = rod(starts, ends, width, 16, longest=12.0)
    assert (images.sum((1, 2)) - width * length).abs().max() < 0.01 * width * 8
    assert (centroid(images) - (starts + ends) / 2).abs().max() < 1e-3
    x, y = samples(16)
    tangent = (along / length[:, None])[..., None, None]
    across, down = x - starts[:, 0, None, None], y - starts[:, 1, None, None]
    forward = across * tangent[:, 0] + down * tangent[:, 1]
    aside = across * tangent[:, 1] - down * tangent[:, 0]
    inside = (forward >= 0) & (forward <= length[:, None, None]) & (aside.abs() <= width / 2)
    assert (images - spread(inside, 16)).abs().max() < 0.03


def test_a_shape_covers_what_is_below_it() -> None:
    images = torch.full((1, 3, 2, 2), 0.5)
    over(images, torch.tensor([[[0.0, 1.0], [0.5, 0.25]]]), (1.0, 0.0, 0.5))
    assert images[0, 0].tolist() == [[0.5, 1.0], [0.75, 0.625]]
    assert images[0, 1].tolist() == [[0.5, 0.0], [0.25, 0.375]] and (images[0, 2] == 0.5).all()


@pytest.mark.parametrize("image_size", [32, 48])
def test_bodies_are_drawn_where_they_are(image_size: int) -> None:
    states = torch.tensor([[0.8, 0.5, -0.8, -0.5] + [0.0] * 4], dtype=torch.float64)
    look = BodyRenderer(Bodies(), (0.4, 0.3), 2.0, image_size, colour=True)
    image = look.render(states)[0]
    unit = image_size / 4
    assert look.pixels(states)[0, 0].tolist() == pytest.approx([2.8 * unit - 0.5, 1.5 * unit - 0.5])
    red, blue = image[0] - 0.2 * image[2], image[2] - 0.2 * image[0]  # colours are (1, .25, .2) and (.2, .7, 1)
    for channel, place, radius in ((red, (0.8, 0.5), 0.4), (blue, (-0.8, -0.5), 0.3)):
        channel = channel / 0.96
        assert float(channel.sum()) == pytest.approx(math.pi * (radius * unit) ** 2, rel=1e-6)
        x, y = centroid(channel).tolist()
        assert ((x + 0.5) / unit - 2, 2 - (y + 0.5) / unit) == pytest.approx(place, abs=1e-3 / unit)


def test_grey_images_of_discs_apart_are_as_bright_as_their_areas() -> None:
    states = torch.tensor([[0.8, 0.5, -0.8, -0.5] + [0.0] * 4])
    image = BodyRenderer(Bodies(), (0.4, 0.3), 2.0).render(states)
    assert image.dtype == torch.float32 and float(image.sum()) == pytest.approx(math.pi * 0.25 * 64, rel=1e-5)


def test_the_first_body_is_in_front() -> None:
    image = BodyRenderer(Bodies(), (0.25, 0.7), 2.0, colour=True).render(torch.zeros(1, 8))
    assert image[0, :, 16, 16].tolist() == pytest.approx([1.0, 0.25, 0.2], abs=1e-3)
    assert image[0, :, 16, 12].tolist() == pytest.approx([0.2, 0.7, 1.0], abs=1e-5)


def test_pendulums_hang_and_springs_go_up() -> None:
    spring = BodyRenderer(Spring(), (0.2,), 1.4)
    x, y = centroid(spring.render(torch.tensor([[0.7, 0.0]]))[0, 0]).tolist()
    assert (x, y) == pytest.approx((15.5, 7.5), abs=1e-3)
    assert Pendulum(length=2.0).places(torch.tensor([0.0, 1.0])).tolist() == [[0.0, -2.0]]
    quarter = math.pi / 2
    both = DoublePendulum(lengths=(1.0, 0.5)).places(torch.tensor([quarter, 2 * quarter, 0.0, 0.0]))
    assert both.flatten().tolist() == pytest.approx([1.0, 0.0, 1.0, 0.5], abs=1e-6)
    hung = BodyRenderer(Pendulum(), (0.1,), 1.4, rods=(1.0,)).render(torch.zeros(1, 2))[0, 0]
    assert (hung[17:24, 15:17] > 0.4).all() and hung[:14].max() == 0


def test_images_do_not_depend_on_those_beside_them() -> None:
    look = BodyRenderer(DoublePendulum(), (0.3, 0.3), 2.4, rods=(1.0, 1.0))
    states = torch.randn(150, 4, generator=torch.Generator().manual_seed(0))
    together = look.render(states)
    assert torch.allclose(together[70:71], look.render(states[70:71]), atol=1e-6)
    assert look.render(states[:0]).shape == (0, 1, 32, 32)


def test_what_cannot_be_drawn_is_named() -> None:
    with pytest.raises(ValueError, match="radii"):
        BodyRenderer(Spring(), (0.0,), 1.0)
    with pytest.raises(ValueError, match="image_size"):
        BodyRenderer(Spring(), (0.1,), 1.0, image_size=7)
    with pytest.raises(ValueError, match="reach"):
        BodyRenderer(Spring(), (0.1,), 0.0)

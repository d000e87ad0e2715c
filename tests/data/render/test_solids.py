from __future__ import annotations

import math

import pytest
import torch

from flowdis.data.render.camera import DISTANCE, HEIGHT, PITCH, Camera
from flowdis.data.render.pose import Pose
from flowdis.data.render.solids import SOLIDS, cast_shadow

CUBE, CYLINDER, SPHERE, CAPSULE = SOLIDS
SCALES = torch.tensor([0.75, 1.0, 1.25], dtype=torch.float64)


@pytest.fixture
def camera() -> Camera:
    return Camera.of(64, SCALES)


@pytest.fixture
def pose() -> Pose:
    return Pose.of(torch.tensor([-20.0, 0.0, 30.0], dtype=torch.float64))


def covered(solid, camera: Camera, pose: Pose, scale: torch.Tensor) -> torch.Tensor:
    cover, _ = solid.view(camera, pose, solid.radius * scale, solid.height * scale)
    return cover.sum((1, 2)) * camera.step**2


def test_a_sphere_is_seen_as_the_ellipse_that_its_cone_cuts(camera, pose):
    radius = SPHERE.radius * SCALES
    distance = torch.hypot(HEIGHT - radius, torch.full_like(radius, DISTANCE))
    cone = (radius / distance).square()  # the squared sine of its half angle
    off = torch.atan2(HEIGHT - radius, torch.full_like(radius, DISTANCE)) - PITCH  # from the axis of view
    rest = off.cos().square() - cone
    expected = math.pi * (cone * (1 - cone)).sqrt() / rest * (cone / rest).sqrt()
    assert (covered(SPHERE, camera, pose, SCALES) / expected - 1).abs().max() < 2e-3


def test_a_cube_is_seen_as_the_hull_of_its_corners(camera, pose):
    from scipy.spatial import ConvexHull

    for number, area in enumerate(covered(CUBE, camera, pose, SCALES)):
        half, height = CUBE.radius * SCALES[number], CUBE.height * SCALES[number]
        corners = [
            a * pose.right[number] * half + b * pose.far[number] * half + torch.tensor([0, c, 0]) * height
            for a in (-1, 1)
            for b in (-1, 1)
            for c in (0.0, 1.0)
        ]
        to = torch.stack(corners) - torch.tensor([0.0, HEIGHT, -DISTANCE])
        depth = to[:, 2] * math.cos(PITCH) - to[:, 1] * math.sin(PITCH)
        rise = to[:, 2] * math.sin(PITCH) + to[:, 1] * math.cos(PITCH)
        hull = ConvexHull(torch.stack([to[:, 0] / depth, rise / depth], -1).numpy())
        assert float(area) == pytest.approx(hull.volume, rel=2e-3)  # in the plane, volume is area


def test_a_capsule_without_a_middle_is_a_sphere(camera, pose):
    ball = SPHERE.view(camera, pose, 0.6 * SCALES, 1.2 * SCALES)
    capsule = CAPSULE.view(camera, pose, 0.6 * SCALES, 1.2 * SCALES)
    inside = ball[0] > 0
    torch.testing.assert_close(capsule[0], ball[0], atol=1e-9, rtol=0)
    torch.testing.assert_close(capsule[1][inside], ball[1][inside], atol=1e-9, rtol=0)


def test_a_ball_hides_the_share_of_sky_that_is_counted_over_the_hemisphere(camera, pose):
    """The sky seen from the floor, weighed by the cosine: counted over directions, those that hit the ball."""
    radius = 0.7
    shade = cast_shadow(camera, pose, SPHERE, torch.ones(3, dtype=torch.float64))[0]
    row, column = 50, 20
    reach = HEIGHT / -float(camera.y[row])
    point = torch.tensor([reach * float(camera.x[column]), 0.0, reach * float(camera.z[row]) - DISTANCE])
    u, v = torch.meshgrid(*[(torch.arange(1000, dtype=torch.float64) + 0.5) / 1000] * 2, indexing="ij")
    flat, angle = u.sqrt(), 2 * math.pi * v  # directions as dense as the cosine
    to = torch.stack([flat * angle.cos(), (1 - u).sqrt(), flat * angle.sin()], -1)
    centre = torch.tensor([0.0, radius, 0.0]) - point
    hits = (centre.norm() ** 2 - (to @ centre.double()).square() < radius**2) & (to @ centre.double() > 0)
    assert (1 - float(shade[row, column])) / 0.8 == pytest.approx(float(hits.double().mean()), abs=2e-3)


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda solid: solid.name)
def test_shadows_fade_with_the_distance_and_follow_the_object(camera, pose, solid):
    shade = cast_shadow(camera.part(slice(40, 64)), pose, solid, SCALES)
    assert bool(((shade > 0.19) & (shade < 1)).all())
    assert bool((shade[:, -1].diff(dim=0).amax(-1) < 0).all())  # the larger, the darker

from __future__ import annotations

import math

import pytest
import torch

from flowdis.data.render.camera import DISTANCE, HEIGHT, PITCH, Camera
from flowdis.data.render.cube import view_cube
from flowdis.data.render.pose import Pose
from flowdis.data.render.round_solids import view_round
from flowdis.data.render.solids import SOLIDS, light_on_floor

CUBE, CYLINDER, SPHERE, CAPSULE = SOLIDS
ROUND, FLAT = torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)
SCALES = torch.tensor([0.75, 1.0, 1.25], dtype=torch.float64)


@pytest.fixture
def camera() -> Camera:
    return Camera.of(64, SCALES)


@pytest.fixture
def pose() -> Pose:
    return Pose.of(torch.tensor([-20.0, 0.0, 30.0], dtype=torch.float64))


def test_a_sphere_is_seen_as_the_ellipse_that_its_cone_cuts(camera, pose):
    radius = SPHERE.radius * SCALES
    distance = torch.hypot(HEIGHT - radius, torch.full_like(radius, DISTANCE))
    cone = (radius / distance).square()  # the squared sine of its half angle
    off = torch.atan2(HEIGHT - radius, torch.full_like(radius, DISTANCE)) - PITCH  # from the axis of view
    rest = off.cos().square() - cone
    expected = math.pi * (cone * (1 - cone)).sqrt() / rest * (cone / rest).sqrt()
    cover, _ = view_round(camera, pose, radius, 2 * radius, ROUND)
    assert (cover.sum((1, 2)) * camera.step**2 / expected - 1).abs().max() < 2e-3


def test_a_cube_is_seen_as_the_hull_of_its_corners(camera, pose):
    from scipy.spatial import ConvexHull

    cover, _ = view_cube(camera, pose, CUBE.radius * SCALES, CUBE.height * SCALES)
    for number, area in enumerate(cover.sum((1, 2)) * camera.step**2):
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


def test_the_middle_of_a_capsule_looks_as_that_of_a_cylinder_does(camera, pose):
    """Far from the ends, flat or round, which a long object has above and below the row of the axis of view."""
    radius, height = torch.full_like(SCALES, 0.3), torch.full_like(SCALES, 2.0)
    rows = camera.part(slice(28, 34))
    capsule, cylinder = (view_round(rows, pose, radius, height, flat) for flat in (ROUND, FLAT))
    assert capsule[0].max() == 1
    torch.testing.assert_close(capsule, cylinder, atol=1e-9, rtol=0)


def test_a_ball_hides_the_share_of_sky_that_is_counted_over_the_hemisphere(camera, pose):
    """The sky seen from the floor, weighed by the cosine: counted over directions, those that hit the ball."""
    radius = 0.7
    sizes = torch.full_like(SCALES, radius)
    light = light_on_floor(camera, pose, 0, 0, sizes, 2 * sizes)[0]
    row, column = 50, 20
    reach = HEIGHT / -float(camera.y[row])
    point = torch.tensor([reach * float(camera.x[column]), 0.0, reach * float(camera.z[row]) - DISTANCE])
    u, v = torch.meshgrid(*[(torch.arange(1000, dtype=torch.float64) + 0.5) / 1000] * 2, indexing="ij")
    flat, angle = u.sqrt(), 2 * math.pi * v  # directions as dense as the cosine
    to = torch.stack([flat * angle.cos(), (1 - u).sqrt(), flat * angle.sin()], -1)
    centre = torch.tensor([0.0, radius, 0.0]) - point
    hits = (centre.norm() ** 2 - (to @ centre.double()).square() < radius**2) & (to @ centre.double() > 0)
    assert (1 - float(light[row, column])) / 0.8 == pytest.approx(float(hits.double().mean()), abs=2e-3)


@pytest.mark.parametrize(("cubes", "cylinders"), [(3, 0), (0, 3), (0, 0)], ids=["cube", "cylinder", "ball"])
def test_shadows_fade_with_the_distance_and_grow_with_the_object(camera, pose, cubes, cylinders):
    light = light_on_floor(camera.part(slice(40, 64)), pose, cubes, cylinders, 0.6 * SCALES, 1.2 * SCALES)
    assert bool(((light > 0.19) & (light < 1)).all())
    assert bool((light[:, -1].diff(dim=0).amax(-1) < 0).all())
    assert bool((light[:, -1, -1] > light[:, 0, 32]).all())


def test_floors_of_all_objects_are_those_of_each(camera):
    pose = Pose.of(torch.tensor([10.0, -25.0, 5.0], dtype=torch.float64))
    together = light_on_floor(camera, pose, 1, 1, 0.6 * SCALES, 1.2 * SCALES)
    for number, kinds in enumerate([(1, 0), (0, 1), (0, 0)]):
        some = slice(number, number + 1)
        alone = light_on_floor(camera, pose.part(some), *kinds, 0.6 * SCALES[some], 1.2 * SCALES[some])
        assert torch.equal(together[some], alone)

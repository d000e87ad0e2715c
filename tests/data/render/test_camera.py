from __future__ import annotations

import math

import pytest
import torch

from flowdis.data.render.camera import DISTANCE, HEIGHT, Camera
from flowdis.data.render.cube import view_cube
from flowdis.data.render.pose import Pose
from flowdis.data.render.round_solids import view_round
from flowdis.data.render.solids import SOLIDS

REACH = math.tan(math.radians(27.0))


@pytest.fixture
def camera() -> Camera:
    return Camera.of(64, torch.zeros(0, dtype=torch.float64))


def test_a_point_is_seen_where_a_pinhole_projects_it(camera):
    """Pixels are found by their rays: the one nearest to the direction of the point."""
    point = torch.tensor([0.4, 0.9, 0.2], dtype=torch.float64)
    to = point - torch.tensor([0.0, HEIGHT, -DISTANCE])
    forward = torch.tensor([0.0, 0.5 - HEIGHT, DISTANCE], dtype=torch.float64)
    forward = forward / forward.norm()
    up = torch.linalg.cross(forward, torch.tensor([1.0, 0.0, 0.0]).double())
    depth = to @ forward
    column = (to[0] / depth / REACH + 1) * 32 - 0.5
    row = (1 - (to @ up) / depth / REACH) * 32 - 0.5
    rays = torch.stack(torch.broadcast_tensors(camera.x, camera.y, camera.z), -1)
    nearest = int((torch.nn.functional.cosine_similarity(rays, to, dim=-1)).argmax())
    assert abs(nearest // 64 - float(row)) <= 0.51 and abs(nearest % 64 - float(column)) <= 0.51


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda solid: solid.name)
@pytest.mark.parametrize("scale", [0.2, 0.75, 1.25, 2.0, 3.0])
def test_a_window_holds_all_of_an_object(camera, solid, scale):
    pose = Pose.of(torch.linspace(-90, 90, 7, dtype=torch.float64))
    size = torch.full((7,), scale, dtype=torch.float64)
    place = camera, pose, solid.radius * size, solid.height * size
    cover, _ = (
        view_cube(*place) if solid.name == "cube" else view_round(*place, torch.full((7,), solid.name == "cylinder"))
    )
    rows, columns = camera.window(solid.radius * solid.reach * scale, solid.height * scale)
    assert cover.max() > 0.99
    cover[:, rows, columns] = 0
    assert cover.max() == 0


def test_a_window_is_much_smaller_than_the_image(camera):
    rows, columns = camera.window(0.62 * 2**0.5, 1.24)
    assert (rows.stop - rows.start) * (columns.stop - columns.start) < 64 * 64 / 2


def test_the_middle_row_is_that_of_the_axis_of_view(camera):
    assert camera.row(0.0) == 31.5
    assert camera.row(float(camera.rise[3])) == pytest.approx(3)

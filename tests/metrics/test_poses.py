from __future__ import annotations

import pytest
import torch

from flowdis.data.scenes import StillScenes
from flowdis.data.transforms import apply_path
from flowdis.metrics.poses import draw_poses, fit_scene_probes, scene_factors
from flowdis.paths import Path, Unit
from tests.metrics.worlds import FACTORS, Renderer, world


def test_what_can_be_read_is_what_is_drawn_and_what_tells_scenes_apart():
    found = scene_factors(world())
    assert [(f.name, f.ordered, f.period) for f in found] == [
        ("level", True, None), ("angle", True, 360.0), ("kind", False, None),
    ]  # fmt: skip
    assert found[2].size == 2
    assert [f.name for f in scene_factors(world()[torch.tensor([1, 1])])] == ["level", "angle"]
    assert [f.name for f in scene_factors(torch.rand(2, 3, 8, 8), ("hue", "scale"))] == ["hue", "scale"]
    assert "hue" not in [f.name for f in scene_factors(torch.rand(2, 1, 8, 8))]
    labelled = StillScenes(torch.rand(4, 1, 8, 8), {"digit": torch.tensor([3, 7, 7, 1])})
    assert scene_factors(labelled, ["digit"])[0].size == 8
    with pytest.raises(ValueError, match="`names` must be one of level, angle, kind, got 'shape'"):
        scene_factors(world(), ["shape"])


@pytest.mark.parametrize("continuous", [True, False])
def test_images_show_the_values_that_are_told(generator, continuous):
    scenes = world(continuous=continuous)
    poses = draw_poses(scenes, scene_factors(scenes), 200, generator=generator)
    shown = Renderer().render(poses.values[:, [2, 0, 1]])
    torch.testing.assert_close(poses.images().double(), shown.double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(poses.images(slice(20, 50)), poses.images()[20:50])
    level, angle, kind = poses.values.unbind(-1)
    assert level.min() >= 0.1 and level.max() <= 0.9 + 1e-9
    assert set(kind.tolist()) == {0.0, 1.0}
    assert len((angle % 360).unique()) == (200 if continuous else 8)
    assert len(level.unique()) == (200 if continuous else 5)
    assert float(level.mean()) == pytest.approx(0.5, abs=0.07)


def test_poses_of_still_images_are_paths_from_them(generator):
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    units = {"scale": Unit("factor", 2.0, logarithmic=True)}
    poses = draw_poses(images, scene_factors(images, ["scale", "hue"]), 30, generator=generator, units=units)
    scale, hue = poses.values.unbind(-1)
    assert scale.min() >= 0.6 and scale.max() <= 2.0
    picked = torch.randint(5, (30,), generator=torch.Generator().manual_seed(0))
    path = Path(("scale", "hue"), torch.stack([scale.log2(), hue / 90], -1).unsqueeze(0))
    shown = apply_path(images[picked], path, {**units, "hue": Unit("degree", 90.0)})
    torch.testing.assert_close(poses.images(), shown)


@pytest.mark.parametrize("continuous", [True, False])
def test_true_motions_are_told_with_the_amounts_that_they_have(generator, continuous):
    scenes = world(continuous=continuous)
    poses = draw_poses(scenes, scene_factors(scenes), 40, generator=generator)
    wished = torch.where(poses.values[:, 0] < 0.5, 1.2, -1.2)
    frames, run = poses.motion("level", wished, slice(5, 25))
    assert frames.shape == (2, 20, 3, 8, 8)
    torch.testing.assert_close(frames[0], poses.images(slice(5, 25)))
    before, after = frames[..., 0, 0, 0].double()
    torch.testing.assert_close(after - before, 0.2 * run.double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(run.double().abs(), torch.full((20,), 1.2 if continuous else 1.0).double())
    torch.testing.assert_close(frames[0, :, 1:], frames[1, :, 1:])


def test_the_same_generator_draws_the_same_poses():
    first, same, other = (
        draw_poses(world(), FACTORS, 9, generator=torch.Generator().manual_seed(seed)).values for seed in (3, 3, 4)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_factors_that_are_not_there_are_named(generator):
    with pytest.raises(ValueError, match="`factors` must be one of .*, got 'level'"):
        draw_poses(torch.rand(3, 1, 8, 8), FACTORS[1:2], 4, generator=generator)
    with pytest.raises(ValueError, match="`factors` must hold at least one that moves"):
        draw_poses(world(), FACTORS[:1], 4, generator=generator)
    with pytest.raises(ValueError, match="`count` must be a finite number > 0, got 0"):
        draw_poses(world(), FACTORS, 0, generator=generator)


def test_probes_of_scenes_read_scenes(generator):
    probes = fit_scene_probes(world(), ["angle", "kind"], generator=generator, count=600, steps=80)
    poses = draw_poses(world(), probes.factors, 200, generator=generator)
    accuracy = probes.accuracy(probes.read(poses.images()), poses.values)
    assert accuracy["angle"] > 0.95
    assert accuracy["kind"] == 1.0

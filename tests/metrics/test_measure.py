from __future__ import annotations

import json

import pytest
import torch

from flowdis.data import FactorScenes, StillScenes
from flowdis.metrics.columns import METRICS, metric_of
from flowdis.metrics.labelled import labelled_scenes
from flowdis.metrics.measure import Probed, measure
from flowdis.metrics.poses import fit_scene_probes
from tests.data.test_factor_scenes import rendered, sliding_model
from tests.metrics.toys import small_model


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def still_scenes():
    """A dot beside the centre, whose angle is easily read, on noise."""
    images = 0.2 * torch.rand(6, 3, 8, 8, generator=seeded(1), dtype=torch.float64)
    images[..., 3:5, 4:6] = 1.0
    return StillScenes(images, {"digit": torch.arange(6) % 3})


@pytest.fixture(scope="module")
def probed():
    scenes = still_scenes()
    labelled = labelled_scenes(scenes, 400, generator=seeded(), names=["rotate", "scale"])
    probes = fit_scene_probes(scenes, ["rotate", "scale"], generator=seeded(), count=256, steps=40)
    return Probed(scenes, scenes, labelled, probes)


@pytest.fixture(scope="module")
def measured(probed):
    return measure(small_model("rotate", "scale"), probed, limit=3, quiet=True)


def test_every_section_gives_columns_that_the_table_knows(measured):
    assert measured.failures == {}
    scores = measured.scores()
    known = [name for name in METRICS if name.startswith("codes.") and name != "codes.udr"]
    assert set(known) <= set(scores)
    assert {"equivariance.orbit.rotate", "flows.eqerr", "flows.response.score", "flows.vp"} <= set(scores)
    assert all(metric_of(name).direction is not None for name in scores)
    json.dumps(measured.to_json(), allow_nan=False)


def test_degenerate_flows_stand_beside(measured):
    static, untrained = measured.controls().values()
    errors = measured.results["equivariance"]["orbit"]
    assert static["equivariance.orbit.scale"] == errors["scale"].identity
    assert static["flows.vp"] == pytest.approx(0.5, abs=0.05)  # chance of two flows
    assert static["flows.eqerr"] == pytest.approx(1.0, rel=1e-12)
    assert set(untrained) == {"flows.eqerr", "flows.response.score", "flows.vp"}


def test_models_are_measured_on_the_same_scenes_each_time(measured, probed):
    again = measure(small_model("rotate", "scale"), probed, limit=3, sections=["equivariance", "response"], quiet=True)
    assert again.scores() == {name: measured.scores()[name] for name in again.scores()}
    assert set(again.results) == {"equivariance", "response"}


def test_what_does_not_apply_is_left_out():
    scenes = FactorScenes(rendered(), ("x",))
    single = measure(sliding_model(), Probed(scenes, scenes), limit=4, quiet=True)
    assert set(single.results) == {"equivariance", "pairs"}
    assert single.scores()["equivariance.orbit.x"] < 1e-4 and single.scores()["flows.eqerr"] < 1e-6
    with pytest.raises(ValueError, match="`sections` must be one of"):
        measure(sliding_model(), Probed(scenes, scenes), sections=["everything"])

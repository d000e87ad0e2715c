from __future__ import annotations

import json
import math

import pytest
import torch

from flowdis.data import StillScenes
from flowdis.metrics.model_capsules import capsule_scores
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from flowdis.models.topographic import TopographicEncoder
from flowdis.paths import Unit
from tests.metrics.toys import small_model

RING = 15


class HueRings(TopographicEncoder):
    """Two rings, each with a bump at the site of the image's mean hue, or wherever it is told to stay."""

    def __init__(self, still: bool = False) -> None:
        super().__init__((3, 8, 8), 2 * RING, ring=RING)
        self.still = still

    def forward(self, images):
        red, green, blue = images.mean((-1, -2)).unbind(-1)
        angle = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
        if self.still:
            angle = torch.zeros_like(angle)
        sites = 2 * math.pi * torch.arange(RING, dtype=images.dtype) / RING
        ring = (3 * (angle.unsqueeze(-1) - sites).cos()).exp()
        return Posterior(torch.cat([ring, ring], -1), torch.zeros(*angle.shape, 2 * RING, dtype=images.dtype))


def model(still=False):
    units = {"hue": Unit("degree", 24.0)}
    config = LatentFlowConfig((3, 8, 8), units, dim=2 * RING, encoder="topographic", encoder_options={"ring": RING})
    made = LatentFlow(config, encoder=HueRings(still), generator=torch.Generator().manual_seed(0))
    return made.double().eval()


def coloured(count=6):
    images = torch.zeros(count, 3, 8, 8, dtype=torch.float64)
    images[:, 0] = torch.linspace(0.5, 1.0, count, dtype=torch.float64)[:, None, None]
    return StillScenes(images)


def test_rings_that_turn_with_the_hue_score_one_and_those_that_stay_score_nothing(generator):
    turning = capsule_scores(model(), coloured(), generator=generator, batch_size=4)
    assert turning.score > 0.99 and turning.errors["hue"].ratio < 0.1  # mean colours are a hexagon, hues a circle
    still = capsule_scores(model(still=True), coloured(), generator=generator)
    assert still.errors["hue"].collapsed
    assert still.score == pytest.approx(still.controls["static"], abs=1e-12)
    assert json.loads(json.dumps(turning.to_json()))["score"] == turning.score


def test_models_without_rings_and_scenes_without_the_transformation_are_refused(generator):
    with pytest.raises(ValueError, match="`model` must have a topographic encoder, got ConvEncoder"):
        capsule_scores(small_model("hue"), coloured(), generator=generator)
    scenes = StillScenes(torch.rand(2, 1, 8, 8, generator=generator))
    if "hue" not in scenes.transformations:
        with pytest.raises(ValueError, match="`scenes` must show transformations out of hue"):
            capsule_scores(model(), scenes, generator=generator)

"""Sets of a few images: they are learned, in any batch size, and one image is a batch too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowdis.data import FactorScenes, SequenceBatch
from flowdis.data.render import sprites
from flowdis.training import Trainer, TrainingConfig
from flowdis.training.recipes import recipe


def eight() -> FactorScenes:
    scenes = FactorScenes(sprites(image_size=32))
    return scenes[torch.linspace(0, len(scenes) - 1, 8).long()]


class Stills:
    """The same images in every batch, which do not move."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def sample(self, batch_size: int, **_: object) -> SequenceBatch:
        amounts = torch.zeros(1, len(self.images), 1)
        return SequenceBatch(("x",), self.images.expand(2, *self.images.shape), torch.arange(2.0), amounts, length=1)


def trainer(scenes: FactorScenes, **settings: object) -> Trainer:
    made = recipe("demo").with_transformations(("x",), scenes.transformations)
    config = TrainingConfig(**{"ramp": 0.0, "solver_steps": 1, **settings})
    sequences = made.sequences(scenes)
    return Trainer(made.model(scenes.image_shape, sequences.units), sequences, config, quiet=True)


def test_eight_images_are_learned_by_heart() -> None:
    made = trainer(eight(), steps=80, batch_size=8, learning_rate=5e-3)
    images = made.sequences.sample(8, generator=torch.Generator().manual_seed(1)).first
    made.sequences = Stills(images)
    made.run()
    with torch.no_grad():
        again = made.model.decode(made.model.encode(images).mean)
    assert float((again - images).square().mean()) < 0.01 < float((images.mean() - images).square().mean())
    assert 0 <= float(again.min()) and float(again.max()) <= 1


@pytest.mark.parametrize(("count", "batch_size"), [(8, 3), (5, 8), (1, 2)])
def test_any_number_of_images_trains_in_any_batch_size(count: int, batch_size: int) -> None:
    made = trainer(eight()[:count], steps=2, batch_size=batch_size)
    assert made.run().finished and all(torch.isfinite(p).all() for p in made.model.parameters())


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_codes_do_not_depend_on_the_batch_and_one_image_keeps_its_axis(batch_size: int) -> None:
    made = trainer(eight(), steps=1, batch_size=2)
    images = made.sequences.sample(8, generator=torch.Generator().manual_seed(1)).first
    with torch.no_grad():
        whole = made.model.encode(images).mean
        parts = torch.cat([made.model.encode(part).mean for part in images.split(batch_size)])
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)

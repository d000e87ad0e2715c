from __future__ import annotations

import math

import pytest
import torch
from PIL import Image

from flowdis.paths import Path, Unit
from flowdis.plots import demo_figures
from tests.plots.toys import stills, tiny_model


def test_the_gallery_of_two_known_flows(tmp_path):
    model = tiny_model(("hue", "rotate"))
    start = Path(("hue", "rotate"), torch.rand(1, 3, 2, generator=torch.Generator().manual_seed(0)))
    gallery = demo_figures(model, stills(3, 3, 8, 8), start=start, shown=1, moving=2, frames=2)
    assert list(gallery.figures)[:-1] == [
        "Hue from 0° to 360°",
        "Rotate from 0° to 360°",
        "First rotate 45°, then hue 120°",
        "At once rotate 45° and hue 120°",
        "Twice as far, and undone: there along the path, back along its inverse",
    ]
    assert len(gallery.animations) == 4
    assert all("the truth above" in caption for caption in gallery.animations)
    stills_, moving = gallery.save(tmp_path / "pictures", magnify=1)
    names = {file.name for file in (tmp_path / "pictures").iterdir()}
    assert names == {file.name for file in [*stills_.values(), *moving.values()]}
    assert {"rotate.png", "rotate.gif", "in_turn.gif", "undone.png", "latent_portrait.png"} <= names
    with Image.open(tmp_path / "pictures" / "rotate.gif") as image:
        assert image.n_frames == 24
        assert image.size == (2 * 8 + 2, 2 * 8 + 2)


@pytest.mark.parametrize(
    ("names", "units", "count"),
    [(("scale",), None, 3), (("brightness", "shear"), None, 6), (("age",), {"age": Unit("year", 10.0)}, 3)],
)
def test_any_transformations_make_a_gallery(names, units, count):
    channels = 1 if "brightness" in names else 3
    model = tiny_model(names, channels=channels, units=units)
    gallery = demo_figures(model, stills(2, channels, 8, 8), shown=1, moving=1, frames=2)
    assert len(gallery.figures) == count
    compared = all("the truth above" in caption for caption in gallery.animations)
    assert compared == ("age" not in names)
    assert set(gallery.stems) == set(gallery.figures) | set(gallery.animations)


def test_classes_take_turns_and_keep_their_poses():
    """The second class is the third image: its pose, brightness 2, is what the strip starts from."""
    model = tiny_model(("brightness",), channels=1)
    images = torch.stack([torch.full((1, 8, 8), value) for value in (0.1, 0.2, 0.4)])
    doubled = math.log(2) / model.units["brightness"].step
    start = Path(("brightness",), torch.tensor([0.0, 0.0, doubled])[None, :, None])
    gallery = demo_figures(model, images, labels=torch.tensor([5, 5, 3]), start=start, shown=2, moving=1, frames=1)
    sources = [axes.get_images()[0].get_array()[0, 0, 0] for axes in next(iter(gallery.figures.values())).axes[:4:2]]
    assert sources == [round(0.1 * 255), round(0.8 * 255)]


def test_numbers_below_one_are_refused():
    with pytest.raises(ValueError, match="`shown`"):
        demo_figures(tiny_model(), stills(2, 3, 8, 8), shown=0)

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.quiver import Quiver

from flowdis.fields import LinearField
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.paths import Unit
from flowdis.plots import latent_portrait
from tests.plots.toys import clipped, stills, texts, tiny_model


def test_every_flow_has_a_panel_and_a_bar_in_its_natural_unit():
    model = tiny_model(("scale", "translate_x", "hue"))
    figure = latent_portrait(model, stills(12, 3, 8, 8), labels=torch.arange(12) % 3, orbits=3, arrows=5)
    assert len(figure.axes) == 2 * 3
    found = texts(figure)
    assert {"scale (factor)", "translate x (pixels)", "hue (degrees)"} <= set(found)
    assert {"180°", "×2.00", "+4 px"} <= set(found)
    assert not clipped(figure)


def test_a_turn_in_latent_space_is_drawn_as_a_round_orbit():
    """A linear field that turns the first two of four latents, once round in 360 degrees."""
    matrix = torch.zeros(1, 4, 4)
    matrix[0, 0, 1], matrix[0, 1, 0] = -math.pi / 4, math.pi / 4
    fields = LinearField(("rotate",), 4, generator=torch.Generator())
    fields.load_state_dict({"matrix": matrix})
    config = LatentFlowConfig((1, 8, 8), {"rotate": Unit("degree", 45.0)}, dim=4, channels=(4,), field="linear")
    model = LatentFlow(config, fields=fields).eval()
    figure = latent_portrait(model, stills(6, 1, 8, 8), orbits=2, arrows=4)
    panel = figure.axes[0]
    (lines,) = panel.findobj(LineCollection)
    pieces = np.stack(lines.get_segments())
    orbit = pieces[: len(pieces) // 2, 0]
    centre = orbit.mean(0)  # of the starts of all pieces: every point once
    radius = np.linalg.norm(orbit - centre, axis=1)
    assert radius.std() / radius.mean() < 1e-4
    (arrows,) = panel.findobj(Quiver)
    outward = np.stack([arrows.X, arrows.Y], -1) - centre
    velocity = np.stack([arrows.U, arrows.V], -1)
    assert np.abs((outward * velocity).sum(-1)).max() < 1e-4 * np.linalg.norm(velocity, axis=-1).max()


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_images_and_a_flow_of_ones_own(count):
    model = tiny_model(("age",), units={"age": Unit("year", 10.0)})
    figure = latent_portrait(model, stills(count, 3, 8, 8))
    figure.draw_without_rendering()
    assert {"age (year)", "10 year"} <= set(texts(figure))


def test_codes_that_do_not_move_are_still_drawn():
    fields = LinearField(("hue",), 4, generator=torch.Generator())
    fields.load_state_dict({"matrix": torch.zeros(1, 4, 4)})
    config = LatentFlowConfig((3, 8, 8), {"hue": Unit("degree", 90.0)}, dim=4, channels=(4,), field="linear")
    latent_portrait(LatentFlow(config, fields=fields).eval(), stills(3, 3, 8, 8)).draw_without_rendering()


def test_what_does_not_fit_is_refused():
    model = tiny_model(("rotate",))
    with pytest.raises(ValueError, match="`images` must end in"):
        latent_portrait(model, stills(2, 3, 9, 8))
    with pytest.raises(ValueError, match="`orbits`"):
        latent_portrait(model, stills(2, 3, 8, 8), orbits=0)
    assert all(parameter.grad is None for parameter in model.parameters())

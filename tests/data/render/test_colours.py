from __future__ import annotations

import colorsys

import torch

from flowdis.data.render.colours import pure_colours


def test_they_are_those_of_hsv_at_full_saturation_and_value():
    hues = torch.arange(-720, 720, 7, dtype=torch.float64)
    expected = [colorsys.hsv_to_rgb(float(hue) / 360 % 1, 1, 1) for hue in hues]
    torch.testing.assert_close(pure_colours(hues), torch.tensor(expected, dtype=torch.float64))


def test_a_third_of_the_circle_permutes_the_channels():
    hues = torch.arange(0, 360, 4, dtype=torch.float64)
    assert torch.equal(pure_colours(hues + 120), pure_colours(hues).roll(1, -1))

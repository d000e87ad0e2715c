"""A sheet of samples: images, reconstructions, edits by one amount."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowdis.dynamics import FlowError
from flowdis.editing import decode, edit, encode
from flowdis.plots.canvas import to_pixels
from flowdis.plots.samples import sample_sheet
from tests.models.toys import small_model, stills

MODEL, IMAGES = small_model(), stills(3, 3, 8, 8)


def test_rows_are_images_reconstructions_and_edits() -> None:
    MODEL.train()
    figure = sample_sheet(MODEL, IMAGES)
    assert MODEL.training
    assert [text.get_text() for text in figure.texts] == ["image", "reconstruction", "rotate 45°", "hue 90°"]
    rotate, hue = MODEL.flows()
    rows = [IMAGES, decode(MODEL, encode(MODEL, IMAGES)), edit(MODEL, IMAGES, rotate(45)), edit(MODEL, IMAGES, hue(90))]
    shown = [axes.images[0].get_array() for axes in figure.axes]
    np.testing.assert_array_equal(np.stack(shown), to_pixels(torch.cat(rows)))


def test_a_flow_that_cannot_be_integrated_has_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(model, images, path):
        if "hue +1" in repr(path):
            raise FlowError("hue blows up")
        return images

    monkeypatch.setattr("flowdis.plots.samples.edit", failing)
    assert [text.get_text() for text in sample_sheet(MODEL, IMAGES).texts] == ["image", "reconstruction", "rotate 45°"]


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="`images` must be at least one, got none"):
        sample_sheet(MODEL, IMAGES[:0])

"""Other flows for the same encoder and decoder: shared while in use, saved and loaded as one model."""

from __future__ import annotations

import pytest
import torch

from flowdis.fields import ConstantField, GuidedField, LinearField
from flowdis.models import LatentFlow
from flowdis.models.sharing import with_fields
from flowdis.paths import Unit
from tests.models.toys import small_model, stills

UNITS = {"thin": Unit("pixel", 0.7), "lean": Unit("slope", 0.3)}


def test_the_modules_are_shared_and_the_flows_new() -> None:
    model = small_model().eval()
    other = with_fields(model, ConstantField(tuple(UNITS), 4), UNITS)
    assert other.encoder is model.encoder and other.decoder is model.decoder
    assert other.names == ("thin", "lean") and model.names == ("rotate", "hue")
    assert not other.training
    assert other.config.field == "constant" and other.config.own_modules == ()


def test_it_is_saved_and_loaded_like_any_model(tmp_path) -> None:
    model = with_fields(small_model(), LinearField(tuple(UNITS), 4, generator=torch.Generator().manual_seed(1)), UNITS)
    model.eval().save_pretrained(tmp_path)
    again = LatentFlow.from_pretrained(tmp_path)
    images = stills(2, 3, 8, 8)
    path = model.flows("lean")[0](0.5)
    torch.testing.assert_close(again(images, path), model(images, path), rtol=0, atol=1e-6)
    assert again.units == UNITS


def test_fields_of_a_kind_that_is_not_listed_are_the_user_s_own() -> None:
    bank = GuidedField(("up",), 4, [lambda z: z[:, 0]])
    assert with_fields(small_model(), bank, {"up": Unit()}).config.own_modules == ("fields",)


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="`fields` must have names"):
        with_fields(small_model(), ConstantField(("one", "two"), 4), UNITS)

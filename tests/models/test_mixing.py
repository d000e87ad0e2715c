"""Flows renamed, turned round and merged, without training anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flowdis.models import LatentFlow
from flowdis.models.mixing import merge, mix, rename
from flowdis.paths import Unit
from tests.models.toys import small_config, small_model, stills

IMAGES = stills(2, 3, 8, 8)


def test_a_renamed_flow_does_what_it_did() -> None:
    model = small_model()
    named = rename(model, {"rotate": "spin"}, units={"spin": Unit("turn", 0.25)}, backwards=["hue"])
    assert named.names == ("spin", "hue") and model.names == ("rotate", "hue")
    spin, hue = named.flows()
    rotate, own = model.flows()
    assert torch.allclose(named(IMAGES, spin(0.5)), model(IMAGES, rotate.by_amount(2.0)), atol=1e-6)
    assert torch.allclose(named(IMAGES, hue.by_amount(0.7)), model(IMAGES, own.by_amount(-0.7)), atol=1e-6)


def test_renaming_twice_is_renaming_once() -> None:
    model = small_model()
    there = rename(rename(model, {"rotate": "a"}, backwards=["a"]), {"a": "rotate"}, backwards=["rotate"])
    path = model.flows("rotate")[0](30.0)
    assert torch.equal(there(IMAGES, path), model(IMAGES, path))
    assert torch.allclose(there.log_diffusion, model.log_diffusion)


def test_a_merged_flow_runs_all_that_it_is_made_of() -> None:
    model = small_model()
    both = merge(model, {"rotate": 1.0, "hue": -0.5}, "both")
    assert both.names == ("both",) and both.units["both"] == model.units["rotate"]
    rotate, hue = model.flows()
    together = rotate.by_amount(0.8) + hue.by_amount(-0.4)
    assert torch.allclose(both(IMAGES, both.flows()[0].by_amount(0.8)), model(IMAGES, together), atol=1e-6)


def test_what_is_mixed_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = small_model()
    for named in (rename(model, {"hue": "shade"}), mix(model, {"x": {"hue": 2.0}}, {"x": Unit()})):
        named.save_pretrained(tmp_path / named.names[0])
        back = LatentFlow.from_pretrained(tmp_path / named.names[0])
        path = back.flows()[0].by_amount(0.3)
        assert back.config == named.config and torch.equal(back(IMAGES, path), named(IMAGES, path))


def test_copies_share_no_weights_and_keep_their_dynamics() -> None:
    config = replace(small_config(), dynamics="underdamped", dynamics_options={"damping": 1.5})
    model = LatentFlow(config).double().train()
    named = rename(model, {"hue": "shade"})
    assert named.training and named.dtype == torch.float64 and named.dynamics == model.dynamics
    with torch.no_grad():
        for parameter in named.parameters():
            parameter.zero_()
    assert all(bool(weights.any()) for name, weights in model.named_parameters() if name.endswith("weight"))


def test_names_that_do_not_fit_are_told() -> None:
    model = small_model()
    with pytest.raises(ValueError, match="`names` must be one of rotate, hue, got 'hues'"):
        rename(model, {"hues": "shade"})
    with pytest.raises(ValueError, match="got 'hue' twice"):
        rename(model, {"rotate": "hue"})
    with pytest.raises(ValueError, match="`units` must be one of a, hue, got 'b'"):
        rename(model, {"rotate": "a"}, units={"b": Unit()})
    with pytest.raises(ValueError, match="two flows or more"):
        merge(model, {"hue": 1.0}, "x")
    with pytest.raises(ValueError, match="not all 0"):
        mix(model, {"x": {"hue": 0.0}}, {"x": Unit()})
    with pytest.raises(ValueError, match="`units` must be one for each"):
        mix(model, {"x": {"hue": 1.0}}, {})

"""The model: what it is made of, and that a folder gives back what was put there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from flowdis.data import units_of
from flowdis.dynamics import Solver
from flowdis.fields import FIELDS, LinearField
from flowdis.models import LIKELIHOODS, LatentFlow, LatentFlowConfig
from flowdis.paths import Unit
from tests.models.toys import (
    CentredDecoder,
    CentredEncoder,
    small_config,
    small_model,
    stills,
    turning_model,
)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        mine[key].dtype == theirs[key].dtype and torch.equal(mine[key], theirs[key]) for key in mine
    )


@pytest.mark.parametrize("field", FIELDS)
def test_a_saved_model_comes_back_bit_for_bit(field: str, tmp_path: Path) -> None:
    config = replace(
        small_config(),
        field=field,
        field_options={} if field in ("linear", "constant") else {"hidden": 6},
        likelihood="gaussian",
        solver=Solver(steps_per_unit=7.0),
        units={"spin": Unit("turn", 0.25), "grow": Unit("factor", 1.2, logarithmic=True)},
    )
    model = LatentFlow(config, generator=torch.Generator().manual_seed(0)).eval()
    model.save_pretrained(tmp_path / "a/b")
    back = LatentFlow.from_pretrained(tmp_path / "a/b")
    assert back.config == model.config and same_weights(back, model) and not back.training
    images = stills(2, 3, 8, 8)
    path = model.flows("spin")[0](0.5) >> model.flows("grow")[0](1.5)
    assert torch.equal(back(images, path), model(images, path))
    model.save_pretrained(tmp_path / "a/b")  # over the old one
    assert same_weights(LatentFlow.from_pretrained(str(tmp_path / "a/b")), model)


def test_a_saved_model_keeps_its_dtype_and_can_be_read_by_others(tmp_path: Path) -> None:
    model = small_model().double()
    model.save_pretrained(tmp_path)
    assert same_weights(LatentFlow.from_pretrained(tmp_path), model)
    modes = {(tmp_path / name).stat().st_mode & 0o777 for name in ("config.json", "model.safetensors")}
    (tmp_path / "plain").write_text("")
    assert modes == {(tmp_path / "plain").stat().st_mode & 0o777}


def test_own_modules_are_asked_for(tmp_path: Path) -> None:
    model = turning_model()
    assert model.config.own_modules == ("encoder", "decoder", "fields")
    model.save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"`encoder` must be passed.*own encoder \(CentredEncoder\), decoder \(.*, fields \(Lin"
    ):
        LatentFlow.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="`decoder` must be passed"):
        LatentFlow.from_pretrained(tmp_path, encoder=CentredEncoder(), fields=LinearField(("rotate",), 2))
    back = LatentFlow.from_pretrained(
        tmp_path, encoder=CentredEncoder(), decoder=CentredDecoder(), fields=LinearField(("rotate",), 2)
    )
    assert same_weights(back, model)


def test_own_modules_need_to_know_of_one_batch_axis_only() -> None:
    model = turning_model()
    images = stills(3, 2, 1, 1, 2).double()
    z = model.encode(images).mean
    assert z.shape == (3, 2, 2) and model.encode(images).log_std.shape == (3, 2, 2)
    assert (model.decode(z) - images).abs().max() < 1e-14
    assert model.encode(images[0, 0]).mean.shape == (2,) and model.decode(z[0, 0]).shape == (1, 1, 2)


def test_own_fields_must_fit() -> None:
    config = LatentFlowConfig((1, 1, 2), units_of(["rotate"]), dim=2)
    for fields in (LinearField(("turn",), 2), LinearField(("rotate",), 3)):
        with pytest.raises(ValueError, match=r"`fields` must have names \('rotate',\) and dim 2"):
            LatentFlow(config, encoder=CentredEncoder(), decoder=CentredDecoder(), fields=fields)


def test_weights_of_a_wrapped_model_lose_the_prefix(tmp_path: Path) -> None:
    model = small_model()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file({f"module.{key}": value for key, value in weights.items()}, tmp_path / "model.safetensors")
    assert same_weights(LatentFlow.from_pretrained(tmp_path), model)


def test_weights_that_do_not_fit_are_all_named(tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["extra"] = weights.pop("log_diffusion")
    weights["encoder.head.0.bias"] = torch.zeros(3)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError) as caught:
        LatentFlow.from_pretrained(tmp_path)
    for told in ("missing log_diffusion", "unknown extra", r"encoder.head.0.bias has shape (3,), wanted (8,)"):
        assert told in str(caught.value)


def test_missing_files_and_foreign_configs(tmp_path: Path) -> None:
    for source in (tmp_path / "nowhere", "./nowhere", "no/where/at/all"):
        with pytest.raises(FileNotFoundError, match="must be a model folder or the name of a hub repository"):
            LatentFlow.from_pretrained(source)
    with pytest.raises(FileNotFoundError, match=r"must hold config\.json, which is missing"):
        LatentFlow.from_pretrained(tmp_path)
    small_model().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for foreign, told in (
        ({"model_type": "bert"}, "format 'flowdis.latent_flow', got None"),
        ([1, 2], "must be a JSON object, got list"),
        ({**config, "version": 99}, "version 99, and .* needs flowdis newer than"),
        ({**config, "colour": "red"}, r"unknown keys \['colour'\]"),
        ({key: value for key, value in config.items() if key != "units"}, r"lacks \['units'\]"),
        ({**config, "units": {"rotate": {"size": -1}}}, "positive"),
        ({**config, "units": ["rotate"]}, "units|items"),
        ({**config, "field": "magnetic"}, "`field` must be one of potential"),
        ({**config, "solver": {"method": "magic"}}, "`method` must be one of rk4"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(foreign))
        with pytest.raises(ValueError, match=f"is not the config of a flowdis model: .*{told}"):
            LatentFlow.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes(b"\xff\x00 not JSON")
    with pytest.raises(ValueError, match="is not the config of a flowdis model"):
        LatentFlow.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        LatentFlow.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold model\.safetensors"):
        LatentFlow.from_pretrained(tmp_path)


def test_what_the_hub_does_not_have_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="demo/model: there is no such folder, and the hub gives no config"):
        LatentFlow.from_pretrained("demo/model", local_files_only=True)


def test_a_crash_leaves_the_old_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    model.save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def crash(source: Path, target: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("flowdis._files.os.replace", crash)
    with pytest.raises(OSError, match="no space left"):
        small_model(("hue", "rotate")).save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*.partial"))


def test_unknown_flows_are_listed() -> None:
    model = small_model()
    assert [flow.name for flow in model.flows()] == ["rotate", "hue"]
    assert [flow.name for flow in model.flows("hue")] == ["hue"]
    with pytest.raises(ValueError, match=r"`names` must be one of rotate, hue, got 'rotat' \(did you mean"):
        model.flows("rotat")


def test_config_is_checked_at_birth() -> None:
    for changes, told in (
        ({"field": "fields"}, "`field` must be one of"),
        ({"likelihood": "poisson"}, "`likelihood` must be one of bernoulli, gaussian"),
        ({"dim": 0}, "`dim` must be"),
        ({"noise": 0.0}, "`noise` must be"),
        ({"temperature": -1.0}, "`temperature` must be"),
        ({"units": {}}, "`units` must name at least one"),
    ):
        with pytest.raises(ValueError, match=told):
            replace(small_config(), **changes)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_are_those_of_torch_distributions(name: str) -> None:
    images, output = stills(2, 3, 4, 5).double(), 3 * stills(2, 3, 4, 5).double() - 1
    likelihood = LIKELIHOODS[name]
    if name == "bernoulli":  # without the normaliser of the continuous one, as is usual for images
        mean = output.sigmoid()
        theirs = images * mean.log() + (1 - images) * (1 - mean).log()
    else:
        mean = (output + 0.5).clamp(0, 1)
        kinds = {"gaussian": torch.distributions.Normal, "laplace": torch.distributions.Laplace}
        theirs = kinds[name](output + 0.5, 0.2).log_prob(images)
    assert torch.allclose(likelihood.log_density(images, output, 0.2), theirs.sum((1, 2, 3)), rtol=1e-12)
    assert torch.allclose(likelihood.mean(output), mean, rtol=1e-12)

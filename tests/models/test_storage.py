"""Where models are found, what is refused there, and how old configs are brought up to date."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfApi

import flowdis as fd
from flowdis.models import ModelCard, WaveMachine, WaveMachineConfig, load, packaged_models
from flowdis.models.versions import ConfigFormat
from tests.models.toys import small_model, stills

SAVED = Path(__file__).parent / "saved"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_packaged_digits_are_as_exact_as_their_card_says() -> None:
    model = load("digits")
    assert isinstance(model, fd.LatentFlow) and model.dtype == torch.float32 and not model.training
    assert packaged_models() == ("digits",)
    images, _ = fd.data.digits(train=False)
    sequences = fd.metrics.protocol_sequences(model, images[::5], "orbit", generator=torch.Generator().manual_seed(0))
    errors = fd.metrics.equivariance_error(model, sequences)
    card = (Path(fd.__file__).parent / "pretrained/digits/README.md").read_text().split("protocol *orbit*")[1]
    for name in model.names:
        told = float(card.split(f"| {name} | ")[1].split(" |")[0].replace(",", ""))
        assert errors[name].error < 1.1 * told  # of 200 digits rather than 1,000
        assert errors[name].error < 0.3 * errors[name].identity


def test_a_packaged_model_is_small() -> None:
    folder = Path(fd.__file__).parent / "pretrained/digits"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5e6


def test_a_name_of_two_models_is_refused_and_either_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()  # a folder of images, say
    assert load("digits").names == ("scale", "rotate", "hue")
    small_model().save_pretrained("digits")
    for loader in (load, fd.LatentFlow.from_pretrained):
        with pytest.raises(ValueError, match=r"`source` must name one model.*'\./digits' names the folder, 'packaged:"):
            loader("digits")
    assert load("./digits").names == load(Path("digits")).names == ("rotate", "hue")
    assert load("packaged:digits").names == ("scale", "rotate", "hue")


def test_either_kind_is_loaded_by_its_format(tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path / "flow")
    machine = WaveMachine(WaveMachineConfig((1, 8, 8), shape=(1, 4, 4), frames=2, channels=(2,)))
    machine.save_pretrained(tmp_path / "wave")
    assert isinstance(load(tmp_path / "flow"), fd.LatentFlow)
    assert isinstance(load(tmp_path / "wave"), WaveMachine)
    with pytest.raises(ValueError, match="that of a WaveMachine, which `flowdis.load` reads"):
        fd.LatentFlow.from_pretrained(tmp_path / "wave")
    with pytest.raises(ValueError, match="`encoder` must be left out for a wave machine"):
        load(tmp_path / "wave", encoder=torch.nn.Identity())


def test_half_precision_on_disk_is_single_precision_in_memory(tmp_path: Path) -> None:
    small_model().half().save_pretrained(tmp_path)
    assert load(tmp_path).dtype == torch.float32
    assert load(tmp_path, dtype=torch.float64).dtype == torch.float64


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"must hold model\.safetensors, got pytorch_model\.bin alone: pickled"):
        load(tmp_path)


def test_a_model_of_before_fields_had_linear_parts_edits_as_it_did() -> None:
    """It was saved, and the numbers were printed, by the release that first wrote version 1."""
    model = load(SAVED / "version_1")
    assert model.config.field_options["linear"] is False
    rotate, scale = model.flows()
    images = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    edited = fd.edit(model, images, rotate(90) >> scale(1.5))
    then = torch.tensor([0.4724006, 0.4820316, 0.4712244, 0.4611070, 0.4888519, 0.4666132, 0.4683103, 0.4788147])
    torch.testing.assert_close(edited.flatten()[:8], then, atol=1e-5, rtol=0)
    assert edited.sum().item() == pytest.approx(29.960678, abs=1e-4)
    assert model.config.to_json()["version"] == 2


def test_migrations_run_from_the_version_that_came() -> None:
    steps = (lambda v: {**v, "b": v["a"] + 1}, lambda v: {**v, "c": v["b"] * 10})
    made = ConfigFormat("letters", steps)
    assert made.version == 3
    assert made.read({"format": "letters", "version": 1, "a": 1}) == {"a": 1, "b": 2, "c": 20}
    assert made.read({"format": "letters", "version": 2, "b": 5}) == {"b": 5, "c": 50}
    assert made.read(made.stamp({"c": 7})) == {"c": 7}
    for bad in (0, -1, "1", None, True):
        with pytest.raises(ValueError, match="must have a version from 1 to 3"):
            made.read({"format": "letters", "version": bad})
    with pytest.raises(ValueError, match=r"needs flowdis newer than .*; pip install -U flowdis"):
        made.read({"format": "letters", "version": 4})


@pytest.mark.parametrize(
    ("foreign", "told"),
    [
        ({"_class_name": "AutoencoderKL"}, "AutoencoderKL of diffusers"),
        ({"model_type": "vit", "architectures": ["ViTModel"]}, "vit of transformers"),
        ({"architecture": "resnet18", "pretrained_cfg": {}}, "resnet18 of timm"),
    ],
)
def test_configs_of_other_libraries_are_recognised(foreign: dict[str, object], told: str, tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(foreign))
    for loader in (load, WaveMachine.from_pretrained):
        with pytest.raises(ValueError, match=f"seems to be that of {told}"):
            loader(tmp_path)


def test_what_is_pushed_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, bytes] = {}

    class Repository:
        repo_id = "someone/turning"

    def upload(self: HfApi, *, folder_path: str, allow_patterns: list[str], **told: object) -> str:
        files = [file for file in Path(folder_path).rglob("*") if file.is_file()]
        assert all(any(file.match(pattern) for pattern in allow_patterns) for file in files)
        assert told["repo_id"] == "someone/turning"
        sent.update({file.name: file.read_bytes() for file in files})
        return "https://hub/commit"

    monkeypatch.setattr(HfApi, "create_repo", lambda self, **_: Repository())
    monkeypatch.setattr(HfApi, "upload_folder", upload)
    model = small_model()
    assert model.push_to_hub("someone/turning") == "https://hub/commit"
    assert set(sent) == {"config.json", "model.safetensors", "README.md"}
    assert b'fd.load("someone/turning")' in sent["README.md"]

    card = ModelCard("see ![it](strip.png)", {"strip.png": b"picture"})
    card.write(tmp_path)
    model.push_to_hub("someone/turning", card=ModelCard.read(tmp_path))
    assert set(sent) == {"config.json", "model.safetensors", "README.md", "strip.png"}
    assert sent["README.md"] == card.text.encode() and sent["strip.png"] == b"picture"
    for name, content in sent.items():
        if name in ("config.json", "model.safetensors"):
            (tmp_path / name).write_bytes(content)
    images = stills(2, 3, 8, 8)
    assert torch.equal(fd.encode(load(tmp_path), images), fd.encode(model, images))


def test_the_code_on_a_card_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_model().save_pretrained("path/to/this/folder")
    fd.data.save_images(stills(2, 3, 8, 8), "photos")
    code = Path("path/to/this/folder/README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(code, {})
    assert len(list(Path("edited").glob("*.png"))) == 2


def test_a_card_of_ones_own_is_not_written_over_by_chance(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    small_model().save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    small_model().save_pretrained(tmp_path, card=ModelCard("theirs"))
    assert (tmp_path / "README.md").read_text() == "theirs"
    with pytest.raises(ValueError, match=r"`pictures` must be named like strip\.png"):
        ModelCard("x", {"../strip.png": b""})

"""What a person may do wrong: each is answered by what came and what is wanted, in one line, with status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import flowdis as fd
from flowdis.cli import main
from flowdis.training import Trainer
from tests.models.toys import small_model, stills

MODEL = small_model().eval()
IMAGES = stills(2, 3, 8, 8)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    small_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def album(tmp_path: Path) -> Path:
    fd.data.save_images(stills(5, 3, 8, 8), tmp_path / "album")
    return tmp_path / "album"


@pytest.fixture
def never_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Trainer) -> None:
        raise AssertionError("training was begun")

    monkeypatch.setattr(Trainer, "run", refuse)


def refused(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command is refused with."""
    assert main([str(word) for word in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("flowdis: ") and captured.err.count("\n") == 1, captured.err
    return captured.err


@pytest.mark.parametrize(
    ("images", "error", "told"),
    [
        (255 * IMAGES, ValueError, r"`images` must lie in \[0, 1\], got values from .*; divide by 255 first"),
        ((255 * IMAGES).to(torch.uint8), TypeError, r"in \[0, 1\], got uint8; divide by 255 first"),
        (IMAGES.where(IMAGES < 0.9, torch.nan), ValueError, r"`images` must be finite, got nan at index \("),
        (IMAGES - 0.5, ValueError, r"`images` must lie in \[0, 1\], got values from -0\.\d+ to"),
        (IMAGES.movedim(1, -1), ValueError, r"got shape \(2, 8, 8, 3\); this looks like \(H, W, C\): move"),
        (IMAGES[:, :1], ValueError, r"must end in \(C, H, W\) = \(3, 8, 8\), got shape \(2, 1, 8, 8\)"),
        (IMAGES[..., 1:], ValueError, r"must end in \(C, H, W\) = \(3, 8, 8\), got shape \(2, 3, 8, 7\)"),
        (IMAGES[0, 0], ValueError, r"`images` must have shape \(\*, C, H, W\), got \(8, 8\)"),
        ((IMAGES > 0.5).long(), TypeError, "`images` must be a floating-point tensor, got dtype torch.int64"),
    ],
)
def test_images(images: Tensor, error: type[Exception], told: str) -> None:
    (rotate, _), standard = MODEL.flows(), IMAGES[0]
    # Shapes that annotations rule out are refused by the checks themselves where annotations are not looked at.
    for attempt in (
        lambda: fd.encode(MODEL, images),
        lambda: fd.edit(MODEL, images, rotate(10)),
        lambda: fd.trajectory(MODEL, images, rotate(10)),
        lambda: fd.invariant(MODEL, images, rotate),
        lambda: fd.canonicalize(MODEL, images, rotate, standard),
    ):
        unchecked(attempt, error, told)


def unchecked(attempt: object, error: type[Exception], told: str) -> None:
    """Expects an error, with annotations not looked at, as when the library is used."""
    import jaxtyping

    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(error, match=told):
            attempt()
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_codes() -> None:
    with pytest.raises(ValueError, match=r"`z` must end in D=4 latents, got shape \(2, 3\)"):
        fd.decode(MODEL, torch.zeros(2, 3))
    with pytest.raises(ValueError, match="`z` must be finite, got nan at index"):
        MODEL.transport(MODEL.flows()[0](1.0), torch.full((2, 4), torch.nan))


def test_unknown_transformations_list_the_choices(
    tmp_path: Path, model_folder: Path, album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = r"must be one of rotate, hue, got 'scale'"
    with pytest.raises(ValueError, match=f"`names` {choices}"):
        MODEL.flows("scale")
    with pytest.raises(ValueError, match=f"`path` {choices}"):
        fd.parse_path("rotate 10 then scale 1.3", MODEL.flows())
    with pytest.raises(ValueError, match="must read like 'rotate 45 then hue 120', could not read 'rotate a bit'"):
        fd.parse_path("rotate a bit", MODEL.flows())
    edit = ["edit", "--model", model_folder, "--out", tmp_path / "out", "--path"]
    assert "`path` must be one of rotate, hue, got 'rotat'" in refused([*edit, "rotat 5", album], capsys)
    assert "could not read ''" in refused([*edit, "rotate 5 then ", album], capsys)
    train = ["train", "--out", tmp_path / "run", "--transforms", "spin"]
    assert "must be one of rotate, scale, hue," in refused(train, capsys)
    assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()


def test_amounts_of_the_wrong_shape() -> None:
    names = ("rotate", "hue")
    for amounts, told in (
        (torch.zeros(1, 3), r"`amounts` must end in K=2 \(rotate, hue\), got shape \(1, 3\)"),
        (torch.zeros(2), r"must have shape \(S, \*, K\) with S >= 1 segments, got \(2,\)"),
        (torch.zeros(0, 2), r"with S >= 1 segments, got \(0, 2\)"),
        (torch.full((1, 2), torch.inf), r"`amounts` must be finite, got inf at index \(0, 0\)"),
    ):
        with pytest.raises(ValueError, match=told):
            fd.Path(names, amounts)
    rotate, _ = MODEL.flows()
    with pytest.raises(
        ValueError, match=r"one per sample of `z` with shape \(2, 4\), got amounts of shape \(1, 3, 2\)"
    ):
        fd.edit(MODEL, IMAGES, rotate(torch.tensor([1.0, 2.0, 3.0])))
    with pytest.raises(ValueError, match="`value` in unit 'factor' must be positive, got -2.0"):
        fd.flows(fd.data.units_of(["scale"]))[0](-2.0)


def test_a_path_for_another_model() -> None:
    other = small_model(("scale", "rotate"))
    told = r"`path` must move the model's transformations \(rotate, hue\), got a path over \(scale, rotate\)"
    with pytest.raises(ValueError, match=told):
        fd.edit(MODEL, IMAGES, other.flows("rotate")[0](10))
    with pytest.raises(ValueError, match="paths belong to different models"):
        MODEL.flows("rotate")[0](10) >> other.flows("rotate")[0](10)


def test_frames_that_are_none() -> None:
    rotate, _ = MODEL.flows()
    for frames, told in ((0, "at least 1, got 0"), (torch.tensor([0.5, 0.2]), "ascending times in"), (-3, "got -3")):
        with pytest.raises(ValueError, match=f"`frames` must be .*{told}"):
            fd.edit(MODEL, IMAGES, rotate(10), frames=frames)


def test_bad_files_in_a_folder(
    album: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (album / "notes.txt").write_text("not an image")
    whole = (album / "0001.png").read_bytes()
    (album / "0001.png").write_bytes(whole[: len(whole) // 2])
    command = ["edit", "--model", model_folder, "--path", "hue 90", "--out", tmp_path / "out", album]
    told = refused(command, capsys)
    assert f"could not read {album / '0001.png'} as an image" in told and "skip_bad" in told
    assert list((tmp_path / "out").iterdir()) == []
    assert main([str(word) for word in [*command, "--skip-bad"]]) == 0
    captured = capsys.readouterr()
    assert "4 edited, 2 left out" in captured.out
    assert [name for name in ("0001.png", "notes.txt") if name in captured.err] == ["0001.png", "notes.txt"]
    assert captured.err.count("\n") == 2
    assert sorted(file.stem for file in (tmp_path / "out").iterdir()) == ["0000", "0002", "0003", "0004"]
    train = ["train", "--out", tmp_path / "run", "--data", album, "--transforms", "rotate"]
    assert "could not read" in refused([*train, "--no-skip-bad"], capsys)
    assert "at least 5 images, of which one is for testing, got 4" in refused_after_warnings(train, capsys)


def refused_after_warnings(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    assert main([str(word) for word in arguments]) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_sources_and_targets_of_an_edit(
    album: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit = ["edit", "--model", model_folder, "--path", "hue 90", "--out"]
    before = (album / "0000.png").read_bytes()
    assert "`out` must be another folder than the images'" in refused([*edit, album, album], capsys)
    assert (album / "0000.png").read_bytes() == before
    out = tmp_path / "out"
    assert "does not exist" in refused([*edit, out, tmp_path / "nowhere.png"], capsys)
    assert "got none" in refused([*edit, out], capsys)
    (tmp_path / "empty").mkdir()
    assert "a folder without files" in refused([*edit, out, tmp_path / "empty"], capsys)
    assert "`frames` must be" in refused([*edit, out, album, "--frames", "0"], capsys)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/0000.png").write_bytes(before)
    assert "0000 twice" in refused([*edit, out, album, tmp_path / "other"], capsys)


def test_a_model_folder_without_a_model(
    model_folder: Path, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = model_folder / "config.json"
    commands = [
        ["edit", "--model", model_folder, "--path", "hue 90", "--out", tmp_path / "out", album],
        ["evaluate", "--models", model_folder, "--data", album],
    ]
    config.write_text(json.dumps({"model_type": "bert", "hidden_size": 768}))
    for command in commands:
        assert "config.json is not the config of a flowdis model: " in refused(command, capsys)
    config.unlink()
    for command in commands:
        assert f"model folder {model_folder} must hold config.json, which is missing" in refused(command, capsys)
    assert not (tmp_path / "out").exists()


def test_images_that_do_not_fit_the_model(
    model_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told = refused(["evaluate", "--models", model_folder], capsys)
    assert "`data` must be a folder where images are of shape (3, 8, 8); digits are (3, 28, 28)" in told
    fd.data.save_images(stills(5, 1, 8, 8), tmp_path / "grey")
    told = refused(["train", "--out", tmp_path / "run", "--data", tmp_path / "grey"], capsys)
    assert "`images` must have 3 channels for hue, got 1: colour them first" in told
    fd.data.save_images(stills(5, 1, 140, 30), tmp_path / "large")
    told = refused(["train", "--out", tmp_path / "run", "--data", tmp_path / "large"], capsys)
    assert "`image_shape` must be given" in told and "--image-shape 1 64 64" in told and "(1, 140, 30)" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("never_trained")
def test_a_folder_that_cannot_be_written_is_told_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/model").write_text("a file where a folder is wanted")
    for command in (["demo"], ["train"]):
        for out in ("file", "file/below", "half"):
            told = refused([*command, "--out", tmp_path / out], capsys)
            assert "`folder` must be a folder" in told and "is a file" in told
    assert not (tmp_path / "half/run.json").exists()


@pytest.mark.usefixtures("never_trained")
@pytest.mark.parametrize("command", ["demo", "train"])
def test_a_full_or_locked_disk_is_told_before_training(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("flowdis.data.files.tempfile.TemporaryFile", refuse)
    told = refused([command, "--out", tmp_path / "locked"], capsys)
    assert f"`folder` must be a place to write in, got {tmp_path / 'locked'}: Permission denied" in told


@pytest.mark.usefixtures("never_trained")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--minutes", "0"], "`minutes` must be a finite number > 0, got 0"),
        (["--steps", "-1"], "`steps` must be"),
        (["--steps", "5", "--minutes", "1"], "`minutes` or `steps` must be given, got both"),
        (["--recipe", "soup"], "`recipe` must be one of demo, factors, pictures, published, flow_factorized, vae"),
        (["--field", "magnetic"], "`field` must be one of potential"),
        (["--likelihood", "poisson"], "`likelihood` must be one of bernoulli"),
        (["--dim", "0"], "`dim` must be"),
        (["--dynamics", "lattice"], "`dynamics` must be one of overdamped, underdamped, got 'lattice'"),
        (["--damping", "2"], "`damping` must be left out unless `dynamics` is underdamped, got 2.0 for overdamped"),
        (["--dynamics", "underdamped", "--damping", "-1"], "`damping` must be a finite number >= 0, got -1.0"),
        (["--dynamics", "underdamped", "--damping", "0"], "`coupling` must be given where `damping` is 0"),
        (
            ["--recipe", "vae", "--dynamics", "underdamped"],
            "`dynamics` must be overdamped for vae, whose flows are fitted",
        ),
        (["--transforms", "rotate", "rotate"], "`transforms` must be different names, got rotate twice"),
        (["--device", "abacus"], "`device` must be one of auto, cuda, mps, cpu, got 'abacus'"),
        (["--device", "cpu:7"], "`device` must be on this machine, which has 1 of cpu"),
        (["--device", "cuda:99"], "`device` must be on this machine, which has"),
        (["--data", "nowhere"], "nowhere"),
        (["--image-shape", "3", "32", "32"], "digits are (3, 28, 28)"),
        (["--limit", "0"], "`limit` must be"),
    ],
)
def test_options_of_train(options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in refused(["train", "--out", tmp_path / "run", *options], capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("never_trained")
def test_a_folder_of_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoint.pt").write_text("")
    told = refused(["train", "--out", tmp_path], capsys)
    assert "`out` must be a new folder, or hold the same run" in told and "checkpoint.pt is of neither" in told
    (tmp_path / "run.json").write_text('{"format": "another"}')
    assert "run.json must have format 'flowdis.run'" in refused(["train", "--out", tmp_path], capsys)
    (tmp_path / "run.json").write_text("{")
    assert "run.json must hold JSON" in refused(["train", "--out", tmp_path], capsys)


def test_a_report_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "without metrics.json" in refused(["report", tmp_path], capsys)
    (tmp_path / "metrics.json").write_text("[1, 2]")
    assert "metrics.json must hold a JSON object, got list" in refused(["report", tmp_path], capsys)
    (tmp_path / "metrics.json").write_text("{}")
    assert "must be a model folder" in refused(["report", tmp_path], capsys)

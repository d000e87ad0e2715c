"""The forecast demonstration, from an empty folder to films, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from flowdis.cli import main
from flowdis.cli.runs import Run
from flowdis.models import WaveMachine

TINY = ["--steps", "2", "--batch-size", "2", "--sequences", "3", "--tested", "2", "--quiet"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished demonstration, hardly trained."""
    folder = tmp_path_factory.mktemp("forecast") / "new/spring"
    assert main(["forecast-demo", "--out", str(folder), "--data", "spring", *TINY]) == 0
    return folder


def test_metrics_are_what_was_promised(demo: Path) -> None:
    metrics = json.loads((demo / "metrics.json").read_text())
    names = ["lattice", "uncoupled", "gru", "persistence"]
    for column in ("valid_time", "valid_time_error", "frame_error", "frame_errors"):
        assert list(metrics[column]) == names
    assert all(1 <= value <= 61 for value in metrics["valid_time"].values())
    assert all(len(values) == 60 for values in metrics["frame_errors"].values())
    assert (metrics["seen"], metrics["steps"], metrics["sequences"], metrics["seed"]) == (10, 60, 2, 0)
    models = metrics["models"]
    assert list(models) == names[:3] and all(report["training_steps"] == 2 for report in models.values())
    assert models["gru"]["parameters"] == pytest.approx(models["lattice"]["parameters"], rel=0.005)
    assert models["lattice"]["stability"]["untrained"]["growth"] < 1 and "stability" not in models["gru"]


def test_films_figures_and_models_are_there(demo: Path) -> None:
    with Image.open(demo / "films/truth_lattice_uncoupled_gru_persistence.gif") as gif:
        assert gif.n_frames == 70
    assert {file.name for file in (demo / "figures").iterdir()} == {"frames.png", "errors.png"}
    for kind in ("lattice", "uncoupled", "gru"):
        model = WaveMachine.from_pretrained(demo / kind / "model")
        assert model.config.dynamics == ("gru" if kind == "gru" else "lattice")
        history = Run(demo / kind).read_history()
        assert history[0]["step"] == 0 and ("stability.growth" in history[0]) == (kind != "gru")


def test_a_finished_demo_is_left_as_it_is(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in demo.rglob("*") if file.is_file()}
    assert main(["forecast-demo", "--out", str(demo), "--data", "spring", *TINY]) == 0
    assert "holds this run, finished" in capsys.readouterr().err
    assert main(["forecast-demo", "--out", str(demo), "--data", "spring", *TINY, "--seed", "1"]) == 2
    assert "was begun with recipe.training.seed 0, now 1" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in demo.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--data", "planets"], "`data` must be one of spring, pendulum, two_body, digits"),
        (["--models", "lattice", "lstm"], "`models` must be one of lattice, uncoupled, published, dense, gru"),
        (["--models", "gru", "gru"], "`models` must be one or more different names"),
        (["--minutes", "0"], "`minutes` must be a finite number > 0"),
        (["--sequences", "0"], "`sequences` must be a finite number > 0"),
        (["--tested", "-1"], "`tested` must be a finite number > 0"),
    ],
)
def test_bad_options_are_told_in_one_line_before_anything_is_written(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forecast-demo", "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()

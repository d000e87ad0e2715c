"""`flowdis forecast-demo`: what it leaves behind, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from flowdis.cli import main
from flowdis.models import WaveMachine

SMALL = ["--data", "spring", "--steps", "1", "--sequences", "3", "--tested", "2", "--batch-size", "2", "--quiet"]


def test_it_leaves_figures_films_models_and_measures_of_each_beside_persistence(tmp_path: Path, capsys) -> None:
    out = tmp_path / "forecast"
    assert main(["forecast-demo", *SMALL, "--models", "lattice", "gru", "--out", str(out)]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    for measure in ("valid_time", "frame_error"):
        assert metrics[measure].keys() == {"lattice", "gru", "persistence"}
        assert all(value >= 0 for value in metrics[measure].values())
    with Image.open(out / "films" / "truth_lattice_gru_persistence.gif") as film:
        assert film.n_frames == 70
    assert {path.name for path in (out / "figures").iterdir()} == {"frames.png", "errors.png"}
    assert WaveMachine.from_pretrained(out / "lattice" / "model").image_shape == (1, 32, 32)
    capsys.readouterr()
    assert main(["forecast-demo", *SMALL, "--models", "lattice", "gru", "--out", str(out)]) == 0
    assert "holds this run, finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "pendelum"], "`data` must be one of spring, pendulum, two_body, got 'pendelum' (did you mean"),
        (["--models", "lattice", "lattice"], "`models` must be one or more different names"),
        (["--models", "lstm"], "`models` must be one of lattice"),
    ],
)
def test_what_does_not_fit_is_named(words: list[str], told: str, tmp_path: Path, capsys) -> None:
    assert main(["forecast-demo", *SMALL, *words, "--out", str(tmp_path / "out")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

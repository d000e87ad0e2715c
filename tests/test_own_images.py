"""Training on one's own images from the command line: mixed folders, tables of attributes, videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from flowdis.cli import main
from flowdis.cli.subjects import load_subject
from flowdis.data import save_images
from flowdis.models import LatentFlow
from tests.data.test_album import write_video
from tests.models.toys import stills

TINY = ["--steps", "2", "--batch-size", "4", "--limit", "2", "--dim", "4"]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Twelve pictures of 12 x 10 pixels as PNG and JPEG, in grey, RGB and RGBA; a broken one, a text, and a table."""
    folder = tmp_path / "mixed"
    files = save_images(stills(12, 3, 10, 12), folder)
    for number, file in enumerate(files):
        with Image.open(file) as opened:
            image = opened.convert(("RGB", "L", "RGBA")[number % 3])
        if number % 4 == 1:
            file.unlink()
            image.convert("RGB").save(file.with_suffix(".jpg"))
        else:
            image.save(file)
    (folder / "broken.png").write_bytes(files[0].read_bytes()[:60])
    (folder / "notes.txt").write_text("not an image")
    names = sorted(file.name for file in folder.iterdir() if file.stem.isdecimal())
    rows = [f"{name},{number / 3},{'yes' if number % 2 else 'no'}" for number, name in enumerate(names)]
    (folder / "table.csv").write_text("\n".join(["file,age,glasses", *rows]) + "\n")
    return folder


def test_a_mixed_folder_trains_and_a_first_look_tells_what_was_read(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--data", str(mixed), "--transforms", "rotate,hue", "--out", str(tmp_path / "run"), *TINY]
    command += ["--attributes", str(mixed / "table.csv"), "--split", "3"]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert [name for name in ("broken.png", "notes.txt", "table.csv") if name in captured.err] == [
        "broken.png",
        "notes.txt",
    ]
    assert "12 images, 2 of them to test on, 2 files left out" in captured.out
    assert LatentFlow.from_pretrained(tmp_path / "run/model").names == ("rotate", "hue")
    page = (tmp_path / "run/first_look/index.html").read_text()
    for told in ("broken.png", "notes.txt", "JPEG", "RGBA", "12 × 10", "Attributes", "2 images to test on"):
        assert told in page, told
    assert page.count("<img") >= 4 and "http" not in page.replace("http-equiv", "")
    assert json.loads((tmp_path / "run/run.json").read_text())["data"]["split"] == 3
    refused = ["--no-skip-bad", "--fresh"]
    assert main([*command, *refused]) == 2
    assert "could not read" in capsys.readouterr().err


def test_attributes_go_with_their_images_and_each_bad_row_is_named(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = mixed / "table.csv"
    subject = load_subject(str(mixed), attributes=table)
    assert subject.attributes is not None and subject.album is not None and subject.tested is not None
    assert subject.attributes["age"].mul(3).round().tolist() == list(range(12))
    assert subject.train.classes["glasses"].tolist() == (subject.attributes["glasses"][~subject.tested]).long().tolist()
    capsys.readouterr()
    lines = table.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[1], "old")
    table.write_text("\n".join([*lines[:-1], "gone.png,1,no"]))
    train = ["train", "--data", str(mixed), "--transforms", "rotate", "--out", str(tmp_path / "run"), *TINY]
    assert main([*train, "--attributes", str(table), "--no-skip-bad"]) == 2
    (mixed / "broken.png").unlink()
    (mixed / "notes.txt").unlink()
    capsys.readouterr()
    assert main([*train, "--attributes", str(table), "--no-skip-bad"]) == 2
    told = capsys.readouterr().err
    for wrong in ("line 4", "must be a finite number, got 'old'", "line 13: gone.png is not among", "no row for"):
        assert wrong in told, (wrong, told)
    kept = load_subject(str(mixed), attributes=table)
    assert len(kept.train) + len(kept.test) == 10
    assert main(["train", "--data", "digits", "--attributes", str(table), "--out", str(tmp_path / "run")]) == 2
    assert "`attributes` must be of a folder of one's own images" in capsys.readouterr().err


def test_a_video_trains_along_time_or_as_still_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = write_video(tmp_path / "film.mkv", [8 * k for k in range(30)], (16, 12))
    out = tmp_path / "run"
    assert main(["train", "--data", str(film), "--out", str(out), *TINY]) == 0
    assert LatentFlow.from_pretrained(out / "model").names == ("time",)
    capsys.readouterr()
    stills_out = tmp_path / "stills"
    assert main(["train", "--data", str(film), "--transforms", "scale", "--out", str(stills_out), *TINY]) == 0
    assert "30 images, 6 of them to test on" in capsys.readouterr().out
    subject = load_subject(str(film), moving=("time",))
    assert list(subject.train.transformations) == ["time"] and subject.image_shape == (3, 12, 16)
    short = write_video(tmp_path / "short.mkv", [0, 100, 200], (16, 12))
    assert main(["train", "--data", str(short), "--out", str(tmp_path / "other"), *TINY]) == 2
    assert "recordings of at least 4 frames, got 3" in capsys.readouterr().err

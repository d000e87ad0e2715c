"""Every picture of the documentation is made by a program, and shown on a page."""

from __future__ import annotations

import runpy
import shlex
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

MADE = runpy.run_path(str(ROOT / "docs/make_images.py"))
IMAGES = {file.name for file in (ROOT / "docs/images").iterdir()}


def test_every_picture_has_the_command_that_makes_it() -> None:
    scripted = [image for images in MADE["SCRIPTS"].values() for image in images]
    assert sorted([*scripted, *MADE["RUNS"]]) == sorted(IMAGES)
    for command, images in MADE["SCRIPTS"].items():
        text = (ROOT / shlex.split(command)[1]).read_text()
        for image in images:
            assert image in text or f'"{Path(image).stem}"' in text, f"{command} does not write {image}"


def test_every_picture_is_shown() -> None:
    pages = "".join(page.read_text() for page in PAGES)
    assert not [image for image in IMAGES if f"images/{image}" not in pages]


def test_a_picture_is_copied_out_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for image, (_, file) in MADE["RUNS"].items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(image.encode())
    monkeypatch.setitem(MADE["main"].__globals__, "IMAGES", tmp_path / "images")
    for image in MADE["RUNS"]:
        monkeypatch.setattr(sys, "argv", ["make_images.py", image, str(tmp_path)])
        if MADE["RUNS"][image][1] != "strips.png":  # two programs write a file of that name
            MADE["main"]()
            assert (tmp_path / "images" / image).read_bytes() == image.encode()

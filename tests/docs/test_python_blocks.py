"""Every block of Python in the README and the pages runs, those of a page one after the other."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import flowdis as fd
from tests.docs.givens import GIVEN
from tests.docs.pages import ROOT, blocks, name, with_python

Names = dict[str, Any]


def readme(found: Names, printed: list[str]) -> None:
    assert found["images"].shape == (10, 3, 28, 28)
    assert found["frames"].shape == (8, 10, 3, 28, 28)
    for key in ("turned", "bigger", "in_turn", "at_once", "truth"):
        assert found[key].shape == found["images"].shape
    assert found["walk"].z.shape == (16, 10, 64)
    assert found["walk"].log_q.shape == (16, 10)
    torch.testing.assert_close(found["back"], found["z"], atol=1e-4, rtol=1e-4)  # float32
    assert len([float(number) for number in printed[0].split()]) == 3
    assert len(printed) == 2


def tour(found: Names, printed: list[str]) -> None:
    assert found["edited"].shape == (10, 3, 28, 28)
    assert found["frames"].shape == (24, 10, 3, 28, 28)
    assert found["same"].shape == (10, 8)
    assert found["upright"].shape == (10, 3, 28, 28)
    assert found["degrees"].shape == (10,)
    assert Path("turning.gif").stat().st_size > 0


def staying(found: Names, printed: list[str]) -> None:
    walk, held, density = found["walk"], found["held"], found["density"]
    assert walk.log_density.shape == walk.outside.shape == (8, 10)
    assert found["kept"].shape == (10, 3, 28, 28) and found["same"].shape == (10, 8)
    began = density.outside(fd.encode(found["model"], found["images"]))
    assert not (held.outside.any(0) & ~began).any()
    again = fd.CodeDensity.load("density.safetensors")
    assert again.border == density.border


def migration(found: Names, printed: list[str]) -> None:
    assert found["frames"].shape == (8, 5, 3, 8, 8)
    assert found["predicted"].shape == found["digits"].shape
    assert found["positions"].shape == (24, 2, 1, 6, 7)
    assert found["sprites"].names == ("shape", "scale", "orientation", "x", "y")
    assert found["scores"] == {"codes.mig": 0.25} and len(found["table"].rows) == 1


def unlabelled(found: Names, printed: list[str]) -> None:
    assert found["path"].segments == 4 and found["again"].shape == found["other_images"].shape
    assert "rotate" in found["model"].names and Path("found.png").stat().st_size > 0


def own_models(found: Names, printed: list[str]) -> None:
    assert found["model"].config.latent_shape == (4, 8, 8)


CHECKS: dict[str, Callable[[Names, list[str]], None]] = {
    "README.md": readme,
    "docs/migration.md": migration,
    "docs/own_models.md": own_models,
    "docs/staying.md": staying,
    "docs/tour.md": tour,
    "docs/unlabelled.md": unlabelled,
}
"""What must come of a page's code, beside that it runs."""


def test_every_page_with_python_says_what_its_code_takes_for_granted() -> None:
    assert {name(page) for page in with_python()} == set(GIVEN) >= set(CHECKS)


def test_the_readme_has_one_block() -> None:
    assert len(blocks((ROOT / "README.md").read_text(), "python")) == 1


@pytest.mark.parametrize("page", with_python(), ids=name)
def test_the_code_of_the_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = GIVEN[name(page)](tmp_path, monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small samples, untrained models and edits that leave the data
        for number, block in enumerate(blocks(page.read_text(), "python")):
            exec(compile(block, f"{name(page)}, block {number + 1}", "exec"), found)
    if name(page) in CHECKS:
        CHECKS[name(page)](found, capsys.readouterr().out.splitlines())

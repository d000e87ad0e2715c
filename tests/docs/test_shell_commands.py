"""Every command in the README and the pages runs, on a budget of two steps; programs of minutes read their options."""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import flowdis as fd
from flowdis.cli import main
from flowdis.plots import Gallery
from tests.data.readers import toys
from tests.docs.pages import PAGES, ROOT, Words, blocks, commands

BUDGETS = ("--minutes", "--steps", "--seed", "--limit")
"""Options that say how much is done, not what: commands that differ in them alone are run once."""
SHORT = {
    "demo": ("--steps", "2", "--batch-size", "4", "--limit", "2", "--quiet"),
    "train": ("--steps", "2", "--batch-size", "2", "--limit", "2", "--quiet"),
    "forecast-demo": ("--steps", "2", "--batch-size", "2", "--sequences", "4", "--tested", "2", "--quiet"),
    "evaluate": ("--limit", "2", "--samples", "100", "--quiet"),
    "edit": ("--quiet",),
    "report": ("--quiet",),
    "export": ("--format", "torch", "--quiet"),
    "completion": (),
}
"""What is put after each command."""
NOT_HERE = {
    "pip": "installs",
    "python3": "makes an environment",
    "source": "enters an environment",
    "OMP_NUM_THREADS=1": "is this run of the tests",
    "pytest": "is this run of the tests",
    "ruff": "checks style",
    "mypy": "checks types",
    "sphinx-build": "builds the pages",
    "tensorboard": "shows curves until it is interrupted",
    "mkdir": "makes a folder for a shell's completion",
    "echo": "writes a shell's completion there",
}
"""What `.ci/run` does of what the pages say, rather than a test, by first word."""


def option(words: Words, name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def without_budget(words: Words) -> Words:
    places = {place for place, word in enumerate(words) if word in BUDGETS}
    return tuple(word for place, word in enumerate(words) if place not in places and place - 1 not in places)


def distinct(names: tuple[str, ...]) -> dict[Words, Words]:
    """The commands of these names, one of those that differ in their budget alone."""
    every = [words[1:] for _, words in commands("flowdis")]
    complete = [words for words in every if len(words) > 1 and "--help" not in words and words[0] in names]
    return {tuple(sorted(without_budget(words))): words for words in reversed(complete)}


_TRAINING = distinct(("demo", "train", "forecast-demo"))
MAKING = {key: words for key, words in _TRAINING.items() if "--resume" not in words}
USING = {key: words for key, words in _TRAINING.items() if "--resume" in words} | distinct(
    ("edit", "evaluate", "report", "export", "completion")
)
PACKAGED = "digits"  # a model that needs no run
OUT = {"demo": "demo", "forecast-demo": "forecast", "train": ""}


def out_of(words: Words) -> str:
    return option(words, "--out") or OUT[words[0]]


def shown(words: Words) -> str:
    return " ".join(words)


def read_by(words: Words) -> Words:
    """The runs and models that a command reads."""
    if words[0] == "report":
        ends = [place for place, word in enumerate(words) if word.startswith("--")]
        return words[1 : min(ends, default=len(words))]
    path = (
        option(words, "--model") or option(words, "--models") or (option(words, "--out") if "--resume" in words else "")
    )
    return (path,) if path and path != PACKAGED else ()


def few_digits(**options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = fd.data.digits(**options)
    return images[::100], labels[::100]


class Nothing:
    """What is measured where nothing is."""

    def to_json(self) -> dict[str, Any]:
        return {}


class World:
    """A folder with all that commands read, and what those that make something made, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._made = folder, {}
        images = torch.rand(10, 3, 24, 24, generator=torch.Generator().manual_seed(0))
        fd.data.save_images(images, folder / "photos")
        fd.data.save_images(images[:1], folder, ["photo.png"])
        toys.write_shapes3d(folder / "3dshapes.h5")

    def short(self, words: Words, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The command with budgets of seconds: few steps and images, small models, nothing measured after it.

        `tests/test_cli.py` has what it measures and draws at its end.
        """
        model = fd.Recipe.model
        small = {"dim": 8, "channels": (4,), "decoder_hidden": 0}
        monkeypatch.setattr(fd.Recipe, "model", lambda self, *given: model(replace(self, **small), *given))
        monkeypatch.setattr("flowdis.cli.pipeline.demo_figures", lambda *_, **__: Gallery())
        monkeypatch.setattr("flowdis.cli.pipeline.evaluate", lambda *_, **__: Nothing())
        monkeypatch.setattr("flowdis.cli.subjects._TRAIN", 8)
        monkeypatch.setattr("flowdis.cli.subjects._TEST", 4)
        monkeypatch.setattr("flowdis.cli.subjects.digits", few_digits)
        kept = without_budget(words) if words[0] == "train" else words
        one = ("--only", "equivariance") if words[0] == "evaluate" and "--only" not in words else ()
        return [*kept, *SHORT[words[0]], *one]  # all sections take minutes, and are tested in `tests/metrics`

    def enter(self, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
        """A folder of its own beside the world's files."""
        here = self.folder / "runs_of_tests" / name
        here.mkdir(parents=True)
        for file in ("photos", "photo.png", "3dshapes.h5"):
            os.symlink(self.folder / file, here / file)
        monkeypatch.chdir(here)
        return here

    def made(self, words: Words, monkeypatch: pytest.MonkeyPatch) -> Path:
        """What a command that trains left behind; it is run if it has not been yet."""
        key = tuple(sorted(without_budget(words)))
        if key not in self._made:
            here = self.enter(monkeypatch, f"making-{list(MAKING).index(key)}")
            assert main(self.short(words, monkeypatch)) == 0
            self._made[key] = here / out_of(words)
        return self._made[key]

    def bring(self, path: str, along: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Puts the run that pages write to a path there, made by a command that they give for it.

        Where several write there, by one that names the transformations of the path that is edited along.
        """
        top = path.removesuffix("/model")
        wanted = [words for words in MAKING.values() if out_of(words) == top]
        assert wanted, f"no page says what makes {path}"
        moved = [name for name in fd.data.TRANSFORMS if name in along.split()]
        named = [words for words in wanted if all(name in " ".join(words) for name in moved)]
        source = self.made((named or wanted)[0], monkeypatch)
        monkeypatch.chdir(here)
        if not (here / top).exists():
            shutil.copytree(source, here / top)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("words", MAKING.values(), ids=shown)
@pytest.mark.filterwarnings("ignore")
def test_a_command_that_makes_something_makes_it(words: Words, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    out = world.made(words, monkeypatch)
    assert any(out.rglob("*.safetensors")), sorted(out.rglob("*"))


@pytest.mark.parametrize("words", USING.values(), ids=shown)
@pytest.mark.filterwarnings("ignore")
def test_a_command_that_reads_a_run_reads_it(words: Words, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world.enter(monkeypatch, f"using-{list(USING.values()).index(words)}")
    expanded = tuple("runs/beta_vae-0" if word == "runs/*" else word for word in words)  # as a shell would
    for path in read_by(expanded):
        world.bring(path, option(words, "--path") or "", here, monkeypatch)
    assert main(list(words) if "--resume" in words else world.short(expanded, monkeypatch)) == 0
    if (out := option(words, "--out")) is not None:
        assert any(Path(out).iterdir()) if Path(out).is_dir() else any(here.glob(f"{out}*"))


class Read(Exception):
    """Raised when options have been read, before anything is done."""


def programs() -> dict[str, Words]:
    return {shown(words): words for _, words in commands("python")}


@pytest.mark.parametrize("words", programs().values(), ids=shown)
def test_programs_read_the_options_that_the_pages_give(words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their work takes minutes; examples and benchmarks have tests of their own parts."""
    parse: Callable[..., Any] = argparse.ArgumentParser.parse_args

    def read(self: argparse.ArgumentParser, *arguments: Any, **options: Any) -> None:
        parse(self, *arguments, **options)
        raise Read

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", read)
    monkeypatch.chdir(ROOT)
    _, first, *rest = words
    module = first == "-m"
    monkeypatch.setattr(sys, "argv", [rest[0], *rest[1:]] if module else [first, *rest])
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples"), str(ROOT), *sys.path])
    with pytest.raises(Read):
        if module:
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(str(ROOT / first), run_name="__main__")


def test_all_other_commands_are_what_ci_runs() -> None:
    lines = [line for page in PAGES for line in "".join(blocks(page.read_text(), "bash")).splitlines()]
    parts = [part.split() for line in lines for part in line.split("&&")]
    others = [words for words in parts if words and words[0] not in ("flowdis", "python")]
    run = (ROOT / ".ci/run").read_text()
    for words in others:
        assert words[0] in NOT_HERE, f"neither a test nor .ci/run runs {' '.join(words)}"
        if words[0] in ("ruff", "mypy"):
            assert " ".join(words) in run
        if words[0] == "sphinx-build":
            assert f"-W -b {words[words.index('-b') + 1]} docs" in run

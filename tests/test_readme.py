"""The front door: the README's commands are what is run on a bare machine, and its code does what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import flowdis as fd
from flowdis.cli import main
from flowdis.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def steps(command: str) -> list[list[str]]:
    """The words of each command of a line that joins them by &&."""
    return [shlex.split(part) for part in command.split("&&")]


def shell_commands() -> Iterator[tuple[str, list[str]]]:
    """Every `flowdis ...` line of the pages, with its arguments."""
    for page in PAGES:
        for line in "".join(blocks(page.read_text(), "bash")).splitlines():
            for words in steps(line):
                if words[:1] == ["flowdis"] and "--help" not in words:
                    yield f"{page.name}: {line}", words[1:]
        for line in re.findall(r"`flowdis ([^`\n]+ [^`\n]+)`", page.read_text()):
            if "--help" not in line:
                yield f"{page.name}: {line}", shlex.split(line)


def test_the_two_commands_are_what_a_bare_machine_runs():
    """Its lines may add options after them, say --quiet, and write elsewhere than here."""
    first, second = (block for block in blocks(README, "bash") if block.startswith("pip install"))
    lines = [shlex.split(line, comments=True) for line in (ROOT / ".ci/run").read_text().splitlines() if "'" not in line]
    run = [[word.removeprefix("$work/") for word in words if word != "--quiet"] for words in lines]
    for command in (*steps(first), *steps(second)):
        assert any(words[: len(command)] == command for words in run), f".ci/run does not run {shlex.join(command)}"


def test_the_code_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    names = ("scale", "rotate", "hue")
    model = fd.LatentFlow(fd.LatentFlowConfig((3, 28, 28), fd.data.units_of(names), dim=8, channels=(4,)))
    model.save_pretrained(tmp_path / "demo/model")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(README, "python")
    found: dict[str, object] = {}
    exec(code, found)

    assert found["images"].shape == (10, 3, 28, 28)
    assert found["frames"].shape == (8, 10, 3, 28, 28)
    for name in ("turned", "bigger", "in_turn", "at_once", "truth"):
        assert found[name].shape == found["images"].shape
    assert found["walk"].z.shape == (16, 10, 8)
    assert found["walk"].log_q.shape == (16, 10)
    torch.testing.assert_close(found["back"], found["z"], atol=1e-4, rtol=1e-4)  # float32, untrained fields
    printed = capsys.readouterr().out.splitlines()
    assert len([float(number) for number in printed[0].split()]) == 3
    assert len(printed) == 2


@pytest.mark.parametrize(("line", "arguments"), [pytest.param(*case, id=case[0]) for case in shell_commands()])
def test_commands_in_the_pages_can_be_read(line, arguments, monkeypatch):
    """Their options exist and their values are of the right kind; nothing is run."""
    monkeypatch.setattr(COMMANDS[arguments[0]], "run", lambda self: 0)
    assert main(arguments) == 0, line


def test_links_within_the_repository_lead_somewhere():
    for page in PAGES:
        text = page.read_text()
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)", text) + re.findall(r"^```\{image\} (\S+)$", text, re.M)
        for target in targets:
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_tables_of_results_are_marked_alike():
    """What writes the figures finds every table that stands in the pages."""
    source = (ROOT / "docs/make_tables.py").read_text()
    names = re.findall(r"<!-- table: ([\w-]+) -->", README + (ROOT / "docs/results.md").read_text())
    assert {"demo-orbit", "published"} <= set(names)
    assert all(f'"{name}"' in source for name in names)

"""The front door: the README's commands are what a bare machine runs; `tests/docs` runs all that the pages say."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator

import pytest

from flowdis.cli import main
from flowdis.cli.commands import COMMANDS
from tests.docs.pages import PAGES, ROOT, blocks

README = (ROOT / "README.md").read_text()


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
    lines = [
        shlex.split(line, comments=True) for line in (ROOT / ".ci/run").read_text().splitlines() if "'" not in line
    ]
    run = [[word.removeprefix("$work/") for word in words if word != "--quiet"] for words in lines]
    for command in (*steps(first), *steps(second)):
        assert any(words[: len(command)] == command for words in run), f".ci/run does not run {shlex.join(command)}"


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


ERROR = {"error": 30.0, "floor": 20.0, "identity": 90.0, "black": 80.0, "constant": 70.0, "linear": 60.0}


def metrics(seed: int) -> dict[str, object]:
    """What a run leaves behind, its errors those above times one more than its seed."""
    error = {name: value * (seed + 1) for name, value in ERROR.items()}
    each = {name: error | {"without_last": {"error": 25.0}} for name in ("scale", "rotate", "hue")}
    return {
        "protocols": {"published": {"equivariance": each}, "orbit": {"equivariance": each}},
        "composition": {"pairs": {"rotate 45, hue 120": {"sequential": error, "linear": error}}},
        "backwards": {"hue": {"controls": {"forward": error, "backward": error}}},
        "round": {"hue": error},
        "undo": {"pixels": 0.01, "latent": 1e-6},
        "log_likelihood": {"nats_per_sequence": -1234.0},
        "training": {"steps": 10, "seconds": 300.0, "frames_per_second": 1e3, "parameters": 5, "seed": seed},
    }


def make_tables():
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "docs/make_tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    return tables


def test_a_table_that_is_still_empty_is_filled_and_what_follows_it_stays():
    page = "<!-- table: one -->\n<!-- end -->\nwords\n<!-- table: two -->\n| 2 |\n<!-- end -->\n"
    filled = make_tables().replace(page, {"one": "| 1 |"})
    assert filled == page.replace("one -->\n", "one -->\n| 1 |\n")


def test_tables_of_results_are_medians_over_runs(tmp_path, monkeypatch):
    tables = make_tables()
    pages = [tmp_path / page.name for page in tables.PAGES]
    for page, source in zip(pages, tables.PAGES, strict=True):
        page.write_text(source.read_text())
    runs = [tmp_path / f"{seed}.json" for seed in range(3)]
    for seed, file in enumerate(runs):
        file.write_text(json.dumps(metrics(seed)))
    monkeypatch.setattr(tables, "PAGES", pages)
    tables.main(["--demo", *map(str, runs), "--published", str(runs[0])])

    readme, results = (page.read_text() for page in pages)
    assert "| **flowdis** | 60.0 | 60.0 | 60.0 |" in readme
    assert "| flowdis / floor | 1.50 | 1.50 | 1.50 |" in readme
    assert "| **flowdis**, frames 1 to 8 | 30.0 | 30.0 | 30.0 |" in results
    assert "| hue, once round | 60.0 | 40.0 | 180 | 1.50 |" in results
    assert "| seeds | 0, 1, 2 |" in results
    assert "—" not in "".join(line for line in (readme + results).splitlines() if line.startswith("|"))

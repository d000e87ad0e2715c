from __future__ import annotations

import json
import sys

import pytest

from benchmarks import unlabelled
from flowdis.training.recipes import recipe


def test_runs_are_made_once_and_come_to_a_table(tmp_path, monkeypatch, capsys):
    out = tmp_path / "runs.jsonl"
    rows = ["known", "weak", "none, one to three"]
    command = ["unlabelled", "--steps", "2", "--batch-size", "8", "--images", "20", "--seeds", "0", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*command, "--rows", *rows, "--json"])
    unlabelled.main()
    table = {line["row"]: line for line in json.loads(capsys.readouterr().out)}
    assert list(table) == rows
    assert "accuracy" not in table["known"] and 0 <= table["weak"]["accuracy"][0] <= 1
    assert all(line["(0.25, 2)"][0] > 0 for line in table.values())
    lines = out.read_text().splitlines()
    assert len(lines) == 3 and "collapsed" in json.loads(lines[1])["warnings"][0]
    monkeypatch.setattr(unlabelled, "run", lambda *a, **b: pytest.fail("ran twice"))
    monkeypatch.setattr(sys, "argv", [*command, "--rows", *rows])
    unlabelled.main()
    assert "| known | 1 | – |" in capsys.readouterr().out


def test_rows_move_as_they_say():
    one, several = (unlabelled.ROWS[f"none, one {many}"]() for many in ("at a time", "to three"))
    assert one.single == 1.0 and several.single == 3 / 7  # three sets of one out of seven
    assert unlabelled.ROWS["known"]() == recipe("demo")
    assert unlabelled.ROWS["known, at speeds"]().motions["rotate"].speed == (0.5, 1.5)

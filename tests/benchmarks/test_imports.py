from __future__ import annotations

import json
import sys

import pytest

from benchmarks import imports


def test_both_imports_are_timed_in_processes_of_their_own(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["imports", "--json", "--repeats", "1"])
    imports.main()
    report = json.loads(capsys.readouterr().out)
    assert report["ratio"] == pytest.approx(report["flowdis_seconds"] / report["torch_seconds"])
    assert report["torch_seconds"] > 0.1

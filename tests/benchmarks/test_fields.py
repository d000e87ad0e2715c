from __future__ import annotations

import json
import sys

from benchmarks import fields


def test_a_quick_run_prints_every_comparison_as_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fields", "--quick", "--json"])
    fields.main()
    report = json.loads(capsys.readouterr().out)
    assert {"torch", "threads", "device", "dtype", "repeats", "potential", "solenoidal"} <= report.keys()
    rows = {row["name"]: row for row in report["rows"]}
    for kind, target in {"potential": 10, "solenoidal": 100}.items():
        for name in (f"{kind} forward", f"{kind} forward and backward"):
            assert rows[name]["target"] == target
            assert rows[name]["ratio"] == rows[name]["autograd_ms"] / rows[name]["closed_ms"]
    assert rows["potential forward"]["difference"] < 1e-4  # float32, values near 1
    assert rows["helmholtz forward"]["closed_ms"] > 0
    assert "solenoidal forward and backward" in fields.table(report)

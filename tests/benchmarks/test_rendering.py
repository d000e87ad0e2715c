from __future__ import annotations

import json
import sys

import torch

from benchmarks import rendering


def test_a_quick_run_prints_every_rate_as_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rendering", "--quick", "--json"])
    threads = torch.get_num_threads()
    rendering.main()
    assert torch.get_num_threads() == threads
    report = json.loads(capsys.readouterr().out)
    assert {"torch", "device", "dtype", "image_size", "repeats"} <= report.keys()
    rows = report["rows"]
    assert {(row["name"], row["threads"]) for row in rows} == {
        (name, threads) for name in ("rooms", "hues", "sprites") for threads in (1, 2)
    }
    assert all(row["per_second"] > 0 and row["per_core_second"] > 0 for row in rows)
    assert [row["name"] for row in rows if row["target"]] and "a core second" in rendering.table(report)


def test_rooms_of_hue_frames_share_their_views(generator):
    values = rendering.drawn(32, generator, "hues")
    assert len(values[:, 3:].unique(dim=0)) == 4 and len(values[:, :3].unique(dim=0)) == 32

from __future__ import annotations

import json
import sys

import pytest
import torch

from benchmarks import lattice
from flowdis.dynamics import Lattice


def test_a_quick_run_prints_every_time_as_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lattice", "--quick", "--json"])
    lattice.main()
    report = json.loads(capsys.readouterr().out)
    ours, theirs = report["rows"]
    assert ours["name"] == "flowdis" and theirs["name"] == "one convolution a term"
    for key, ratio in report["times"].items():
        assert ours[key] > 0 and ratio == pytest.approx(theirs[key] / ours[key])
    assert ours["steps_per_second"] == pytest.approx(1 / ours["seconds_per_step"])
    assert [row["sites"] for row in report["growth"]] == [36, 64, 144]
    assert report["difference"] < 0.1 and isinstance(report["exponent"], float)
    assert "time grows as sites^" in lattice.table(report)


@torch.no_grad()
def test_both_ways_converge_to_one_motion():
    gaps = []
    for step in (0.02, 0.01):
        generator = torch.Generator().manual_seed(0)
        system = Lattice((3, 5, 6), step=step, damping=0.3, generator=generator).double()
        state = torch.randn(2, system.state_size, generator=generator, dtype=torch.float64)
        steps = round(1 / step)
        ours = system(state, 1, every=steps)[-1]
        gaps.append(float((ours - lattice.ByConvolution(system).run(state, steps)).abs().max()))
    assert gaps[0] < 1e-2 and gaps[0] / gaps[1] == pytest.approx(4, rel=0.05)

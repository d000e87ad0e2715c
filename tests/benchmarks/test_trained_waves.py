from __future__ import annotations

import json
import sys

import pytest
import torch

from benchmarks import trained_waves
from flowdis.cli import main


@pytest.fixture
def few(monkeypatch):
    """No more than twelve sequences of anything."""
    turning = trained_waves.turning
    monkeypatch.setattr(
        trained_waves, "turning", lambda seed, speeds, count, steps: turning(seed, speeds, min(count, 12), steps)
    )
    monkeypatch.setattr(trained_waves, "_SEQUENCES", 2)


def test_folders_come_to_a_table_and_figures(tmp_path, monkeypatch, capsys, few):
    run, out = tmp_path / "digits-0", tmp_path / "out"
    tiny = ["--steps", "2", "--batch-size", "2", "--sequences", "3", "--tested", "2", "--quiet"]
    words = ["forecast-demo", "--data", "digits", "--models", "lattice", "uncoupled", "dense", "--out", str(run)]
    assert main([*words, *tiny]) == 0
    command = ["trained_waves", "--runs", str(run), "--out", str(out), "--permutations", "99", "--json"]
    monkeypatch.setattr(sys, "argv", command)
    trained_waves.main()
    found = json.loads(capsys.readouterr().out)
    assert list(found["models"]) == ["lattice", "uncoupled", "dense", "lattice, untrained"]
    for rows in found["models"].values():
        assert rows[0]["charge"] == 0 and 0 <= rows[0]["coherence"] <= 1
    lattice = found["lattices"][0]
    assert lattice["total charge"] == 0 and len(lattice["pinwheels"]) == 4
    # What is not damped goes back the way it came; what is damped more, less so.
    retraced = lattice["retraced"]
    invariance = lattice["invariance"]
    assert invariance.keys() == {"state", "averaged", "power"} and all(0 <= share <= 1 for share in invariance.values())
    assert retraced["0 times"] < 0.01 < retraced["1 times"] < retraced["4 times"]
    assert {file.name for file in out.iterdir()} == {"couplings.png", "orientation-0.png", "waves.json", "waves.md"}


def test_an_orientation_map_tells_the_angle_that_sites_answer_to(monkeypatch, few):
    """A machine whose sites are tuned on purpose."""
    preferred = torch.linspace(0, torch.pi, 7, dtype=torch.float64)[:-1]

    def tuned(machine, frames, steps=60):
        turned = torch.deg2rad(trained_waves.turning(0, (10.0, 20.0), 12, 69).states[10:, :, 0])
        return torch.cos(2 * (turned[..., None, None, None] - preferred[None, :]))

    monkeypatch.setattr(trained_waves, "activity_of", tuned)
    harmonic = trained_waves.orientation_map(None, seed=0)
    apart = harmonic[0, 0] * torch.polar(torch.ones_like(preferred), -2 * preferred)
    assert bool((apart.angle().abs() < 0.2).all())

from __future__ import annotations

import json
import sys

import pytest
import torch

from benchmarks import frozen
from flowdis.cli import subjects
from flowdis.models import LatentFlow


def test_a_vae_is_trained_once_and_flows_are_compared(tmp_path, monkeypatch, capsys):
    command = ["frozen", "--steps", "2", "--batch-size", "8", "--pairs", "8", "--sequences", "20", "--limit", "10"]
    command += ["--fitted", "20"]
    monkeypatch.setattr(sys, "argv", [*command, "--dim", "4", "--out", str(tmp_path), "--json"])
    frozen.main()
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "frozen.json").read_text())
    assert set(found["errors"]) == {"published", "orbit"} and set(found["errors"]["orbit"]) == {
        "scale",
        "rotate",
        "hue",
    }
    rows = [row for errors in found["errors"].values() for row in errors.values()]
    assert all(set(row) == {"error", "linear", "constant", "identity", "floor"} for row in rows)
    assert found["beaten"] == all(row["error"] < min(row["linear"], row["constant"]) for row in rows)
    vae, flows = (LatentFlow.from_pretrained(tmp_path / name, **own(tmp_path, name)) for name in ("vae", "flows"))
    assert all(torch.equal(a, b) for a, b in zip(vae.encoder.parameters(), flows.encoder.parameters(), strict=True))
    monkeypatch.setattr(frozen.Recipe, "model", lambda *a, **b: pytest.fail("trained twice"))
    monkeypatch.setattr(sys, "argv", [*command, "--dim", "4", "--out", str(tmp_path)])
    frozen.main()
    assert "| orbit | hue |" in capsys.readouterr().out


def own(folder, name):
    """The modules that the flows are saved with."""
    if name == "vae":
        return {}
    vae = LatentFlow.from_pretrained(folder / "vae")
    return {"encoder": vae.encoder, "decoder": vae.decoder}


def test_rooms_move_in_all_their_factors(monkeypatch):
    subject = subjects.load_subject("rooms")
    chosen = frozen.vae_recipe(subject, dim=8, training=frozen.TrainingConfig(steps=1))
    assert set(chosen.motions) == set(subject.train.transformations) and chosen.dim == 8
    units = chosen.sequences(subject.train).units
    assert chosen.model(subject.image_shape, units).names == tuple(chosen.motions)

from __future__ import annotations

import json
import sys

import pytest
import torch

import flowdis as fd
from benchmarks import invariance


def test_every_representation_is_read_and_comes_to_a_table(tmp_path, monkeypatch, capsys):
    names = ("scale", "rotate", "hue")
    config = fd.LatentFlowConfig(
        (3, 28, 28), fd.data.units_of(names), dim=4, channels=(4,), decoder_hidden=8, field_options={"hidden": 8}
    )
    fd.LatentFlow(config, generator=torch.Generator().manual_seed(0)).save_pretrained(tmp_path / "model")
    command = ["invariance", "--model", str(tmp_path / "model"), "--train", "30", "--test", "10", "--neighbours", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "found.json")])
    invariance.main()
    assert "| canonicalized images | 0." in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["accuracy"])[1:4] == ["codes", "mean of the orbit", "invariant, 3 harmonics"] and found["gap"] > 0
    assert all(0 <= row[told] <= 1 for row in found["accuracy"].values() for told in ("turned", "upright"))


def test_turns_are_anywhere_on_the_circle():
    images = fd.data.digits(train=False, colour=False)[0][:3].repeat(20, 1, 1, 1)
    turned = invariance.turned(images, torch.Generator().manual_seed(0))
    assert (turned - images).abs().amax((1, 2, 3)).min() > 0.05  # none stays as it was
    assert turned.sum().item() == pytest.approx(images.sum().item(), rel=0.05)

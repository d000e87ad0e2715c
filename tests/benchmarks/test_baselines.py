from __future__ import annotations

import sys

import pytest

from benchmarks import baselines
from flowdis.training.recipes import RECIPES


def test_every_recipe_is_trained_once_for_each_seed_and_then_all_are_measured(tmp_path, monkeypatch):
    """The command line of training and measuring is replaced by one that notes what it was called with."""
    calls = tmp_path / "calls"
    note = [sys.executable, "-c", f"import sys; print(*sys.argv[1:], file=open({str(calls)!r}, 'a'))"]
    for name in ("training", "evaluation"):
        made = getattr(baselines, name)
        monkeypatch.setattr(baselines, name, lambda *a, made=made: [*note, *made(*a)[2:]])
    out = tmp_path / "out"
    command = ["baselines", "--out", str(out), "--seeds", "2", "--recipes", "vae", "factors", "--workers", "1"]
    monkeypatch.setattr(sys, "argv", command)
    baselines.main()
    *trained, measured = calls.read_text().splitlines()
    wanted = [("vae", 0), ("factors", 0), ("vae", 1), ("factors", 1)]
    for line, (recipe, seed) in zip(trained, wanted, strict=True):
        assert f"--recipe {recipe} --seed {seed} --minutes 3.0" in line
    names = [f"{recipe}-{seed}" for recipe in ("vae", "factors") for seed in (0, 1)]
    assert " ".join(str(out / name) for name in names) in measured


def test_a_training_that_fails_tells_what_it_printed(tmp_path):
    with pytest.raises(RuntimeError, match="so it is"):
        baselines.run([sys.executable, "-c", "raise SystemExit('so it is')"], tmp_path / "log")


def test_recipes_are_those_of_the_library():
    assert set(baselines.RECIPES) <= set(RECIPES)

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from benchmarks import ablation
from benchmarks.ablation import Budget, default_rows, experiment, summary
from flowdis.training.recipes import recipe

ROWS = ["", "kl_path=0,frames=2"]


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Runs the command on two rows, and returns what it printed and the file of runs."""

    def run(*arguments, rows=ROWS):
        file = tmp_path / "runs" / "ablation.jsonl"
        command = ["ablation", "--quick", "--json", "--out", str(file), "--rows", *rows, *arguments]
        monkeypatch.setattr(sys, "argv", command)
        ablation.main()
        return json.loads(capsys.readouterr().out), file

    return run


def test_a_quick_run_prints_errors_and_floors_and_is_not_repeated(call, monkeypatch):
    report, file = call()
    assert [row["row"] for row in report["rows"]] == ROWS
    for row in report["rows"]:
        assert (row["seeds"], row["steps"], row["failures"]) == (1, 2, [])
        assert row["orbit"].keys() == {"scale", "rotate", "hue"}
        for found in row["orbit"].values():
            assert found.keys() == {"error", "floor", "identity", "error_over_floor"}
            assert found["error_over_floor"] == pytest.approx(found["error"] / found["floor"])
    assert "kl_path=0,frames=2" in ablation.text(report["rows"])

    made = []
    again = ablation.run
    monkeypatch.setattr(ablation, "run", lambda tried, *rest, **named: made.append(tried.row) or again(tried, *rest))
    assert call()[0] == report and made == []

    lines = file.read_text().splitlines()
    file.write_text(lines[0] + "\n" + lines[1][:40])  # what an interruption in the middle of a line leaves
    assert call()[0] == report and made == [ROWS[1]]
    assert call()[0] == report and made == [ROWS[1]]

    assert [row["seeds"] for row in call("--seeds", "0", "1")[0]["rows"]] == [2, 2]


def test_every_default_row_changes_the_recipe_and_makes_a_model():
    rows = default_rows()
    tried = [experiment(row, Budget(), 0) for row in rows]
    assert len({(repr(one.recipe), repr(one.options)) for one in tried}) == len(rows)
    by_row = dict(zip(rows, tried, strict=True))
    assert by_row["kl_path=0"].recipe.training.weights.kl_path == 0
    assert by_row["energy=0.01"].recipe.training.weights.energy == 0.01
    assert by_row["channels=24-48"].recipe.channels == (24, 48)
    assert by_row["linear=false"].model((3, 28, 28)).fields.linear is False
    assert by_row["single=1"].recipe.single == 1
    assert by_row["ramp=0"].recipe.training.ramp == 0
    clocked = by_row["field=potential,clocked=true,hamilton_jacobi=0.1"]
    for one in (clocked, by_row["field=linear"]):
        model = one.model((3, 28, 28))
        assert model.config.field == one.recipe.field
    assert clocked.model((3, 28, 28)).fields.clocked


def test_without_changes_it_is_the_recipe():
    base = recipe("demo")
    tried = experiment("", Budget(minutes=2.0), 7)
    assert tried.recipe == base.with_training(replace(base.training, minutes=2.0, seed=7))


@pytest.mark.parametrize(
    ("row", "message"),
    [("kl_pat=0", "did you mean 'kl_path'"), ("kl_path", "settings like"), ("field=curl", "must be one of")],
)
def test_unknown_settings_are_named(row, message):
    with pytest.raises(ValueError, match=message):
        experiment(row, Budget(), 0)


def test_medians_are_over_seeds_that_did_not_fail():
    def found(error, failure=None):
        orbit = {} if failure else {"hue": {"error": error, "floor": 2.0, "identity": 9.0}}
        return {"row": "", "orbit": orbit, "failure": failure, "steps": 5}

    (row,) = summary([found(3.0), found(5.0), found(4.0), found(0.0, "flow of hue failed")], [""])
    assert row["orbit"]["hue"] == {"error": 4.0, "floor": 2.0, "identity": 9.0, "error_over_floor": 2.0}
    assert (row["seeds"], row["failures"]) == (3, ["flow of hue failed"])
    assert "failed: flow of hue failed" in ablation.text([row])


def test_rows_change_other_recipes_and_dynamics_and_are_measured_by_both_protocols(call):
    row = "dynamics=underdamped,damping=0.5,stiffness=0.5"
    report, _ = call("--recipe", "published", "--protocols", "published", "orbit", rows=[row])
    (found,) = report["rows"]
    assert found["published"].keys() == found["orbit"].keys() == {"scale", "rotate", "hue"}
    made = experiment(row, Budget(recipe="published"), 0).model((3, 28, 28))
    assert (made.dynamics.damping, made.dynamics.stiffness) == (0.5, 0.5)
    assert (
        "linear" not in experiment("field=wave", Budget(recipe="published"), 0).model((3, 28, 28)).config.field_options
    )

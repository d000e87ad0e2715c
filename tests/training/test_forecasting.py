"""Recipes of forecasts: models alike but for their dynamics."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowdis.dynamics import Lattice
from flowdis.models.latent_dynamics import GatedLatent
from flowdis.training.forecasting import FORECASTERS, MOVING, ForecastRecipe

SMALL = ForecastRecipe(seen=2, steps=3, count=3, tested=2)


@pytest.mark.parametrize("name", list(MOVING))
def test_data_are_drawn_from_the_seed_in_bytes(name: str) -> None:
    (train, test), (again, _), (other, _) = (
        recipe.data(name) for recipe in (SMALL, SMALL, SMALL.with_training(replace(SMALL.training, seed=1)))
    )
    assert train.pixels.dtype == torch.uint8 and (len(train), train.length) == (3, MOVING[name].length - 1)
    assert (len(test), test.length) == (2, 4)
    assert torch.equal(train.pixels, again.pixels) and not torch.equal(train.pixels, other.pixels)
    assert not torch.equal(train.pixels[:5, :2], test.pixels)


def test_models_differ_in_their_dynamics_alone() -> None:
    machines = {kind: SMALL.machine(kind, (1, 8, 8)) for kind in FORECASTERS}
    lattice = machines["lattice"]
    for kind, machine in machines.items():
        assert machine.config.frames == 2 and machine.config.likelihood == "gaussian"
        if kind == "gru":
            assert isinstance(machine.dynamics, GatedLatent)
            continue
        assert isinstance(machine.dynamics, Lattice) and machine.dynamics.shape == lattice.dynamics.shape
        assert torch.equal(machine.dynamics.oscillators.raw_stiffness, lattice.dynamics.oscillators.raw_stiffness)
        for part in ("encoder", "decoder"):
            ours, theirs = getattr(machine, part).state_dict(), getattr(lattice, part).state_dict()
            assert all(torch.equal(ours[key], theirs[key]) for key in theirs), (kind, part)
    assert not machines["uncoupled"].dynamics.oscillators.neighbour.any()
    assert lattice.dynamics.oscillators.neighbour.all()


def test_the_objective_spans_what_is_seen_and_foretold() -> None:
    assert SMALL.bound().length == 5
    assert SMALL.with_training(replace(SMALL.training, minutes=2.0)).training.minutes == 2.0


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(ValueError, match="`data` must be one of spring, .*, got 'planets'"):
        SMALL.data("planets")
    with pytest.raises(ValueError, match="`models` must be one of lattice, uncoupled, .* got 'lstm'"):
        SMALL.machine("lstm", (1, 8, 8))

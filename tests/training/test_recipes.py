"""Recipes: parts that fit together, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowdis.data import TRANSFORMS
from flowdis.dynamics import Solver
from flowdis.objectives import bound
from flowdis.training import TrainingConfig
from flowdis.training.recipes import RECIPES, Recipe, orbit_motions, recipe
from tests.models.toys import stills


@pytest.mark.parametrize("name", RECIPES)
def test_a_model_depends_on_the_seed_alone(name: str) -> None:
    chosen = recipe(name)
    torch.rand(1)
    state = torch.get_rng_state()
    one, again = chosen.model((3, 28, 28)), chosen.model((3, 28, 28))
    other = chosen.with_training(replace(chosen.training, seed=7)).model((3, 28, 28))
    assert torch.equal(torch.get_rng_state(), state)
    for (key, mine), same, theirs in zip(one.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, same), key
        assert mine.unique().numel() == 1 or not torch.equal(mine, theirs), key
    assert one.names == ("scale", "rotate", "hue") == tuple(chosen.motions)


@pytest.mark.parametrize("name", RECIPES)
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    chosen = recipe(name)
    model = chosen.model((3, 28, 28))
    generator = torch.Generator().manual_seed(0)
    batch = chosen.sequences(stills(5, 3, 28, 28)).sample(4, generator=generator, frames=1)
    result = bound(model, batch, weights=chosen.training.weights, solver=Solver(steps=2), generator=generator)
    result.loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", TRANSFORMS)
def test_any_transformation_can_be_trained(name: str) -> None:
    chosen = Recipe("own", orbit_motions([name]), training=TrainingConfig(seed=3), dim=6)
    batch = chosen.sequences(stills(5, 3, 12, 16)).sample(3, generator=torch.Generator().manual_seed(0))
    model = chosen.model((3, 12, 16))
    assert model.names == batch.names == (name,) and model.units[name] == TRANSFORMS[name].unit
    assert torch.isfinite(bound(model, batch, solver=Solver(steps=1)).loss)


def test_motions_go_both_ways_and_start_anywhere() -> None:
    sequences = recipe("demo").sequences(stills(5, 3, 28, 28))
    batch = sequences.sample(500, generator=torch.Generator().manual_seed(0), frames=1)
    assert ((batch.amounts[0] > 0).any(0) & (batch.amounts[0] < 0).any(0)).all()
    assert batch.start is not None and (batch.start.amounts[0].std(0) > 0.3).all()
    assert batch.amounts[0].abs().amax(0)[1] * 45 > 170  # half a turn


def test_unknown_recipes_are_listed() -> None:
    with pytest.raises(ValueError, match=r"`recipe` must be one of demo, published, got 'demos' \(did you mean"):
        recipe("demos")

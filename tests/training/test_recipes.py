"""Recipes: parts that fit together, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowdis.baselines import BetaVAE, TopographicVAE
from flowdis.data import TRANSFORMS, Orbit, Steps, Transformation
from flowdis.data.protocols import even_motions
from flowdis.dynamics import Solver
from flowdis.objectives import FlowBound, bound
from flowdis.paths import Unit
from flowdis.training import Trainer, TrainingConfig
from flowdis.training.motions import orbit_motions
from flowdis.training.recipes import RECIPES, Recipe, recipe
from tests.models.toys import stills

FACTORS = {
    "scale": Transformation(Unit("factor", 1.25, logarithmic=True), "factor", (), (0.5, 1.0)),
    "x": Transformation(Unit("position", 0.25), "factor", (), (0.0, 1.0)),
    "wall_hue": Transformation(Unit("degree", 90.0), "factor", (), (0.0, 360.0), 360.0),
}


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
def test_every_parameter_that_is_trained_gets_a_finite_gradient(name: str) -> None:
    chosen = recipe(name)
    model = chosen.model((3, 28, 28))
    generator = torch.Generator().manual_seed(0)
    objective = chosen.objective or FlowBound(chosen.training.weights, solver_steps=2)
    # The hidden layers of the published discriminator are wide.
    objective = replace(objective, hidden=8) if name == "factor_vae" else objective
    batch = chosen.sequences(stills(5, 3, 28, 28)).sample(4, generator=generator, frames=objective.frames(1))
    parts = objective.parts(model, generator)
    result = objective(model, batch, parts=parts, generator=generator)
    result.loss.backward()
    fitted = chosen.objective is not None
    for key, parameter in model.named_parameters():
        if fitted and not key.startswith(("encoder", "decoder")):
            assert parameter.grad is None, key
        else:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_serves_other_transformations(name: str) -> None:
    chosen = recipe(name).with_transformations(("x", "wall_hue", "scale"), FACTORS)
    assert tuple(chosen.motions) == ("x", "wall_hue", "scale")
    units = {factor: kind.unit for factor, kind in FACTORS.items()}
    model = chosen.model((1, 16, 16), units)
    assert model.names == ("x", "wall_hue", "scale") and model.units["x"] == Unit("position", 0.25)
    for factor, motion in chosen.motions.items():
        assert isinstance(motion, Orbit if chosen.poses is None else Steps)
        motion.check(factor, FACTORS[factor], chosen.length)
        start, changes = motion.draw(200, FACTORS[factor], chosen.length, torch.Generator().manual_seed(0))
        if FACTORS[factor].period is None:  # nothing leaves the range
            unit = FACTORS[factor].unit
            low, high = (float(unit.to_amount(value)) * unit.step for value in FACTORS[factor].range)
            for reached in (start, start + changes.sum(0)):
                assert low - 1e-9 <= reached.min() and reached.max() <= high + 1e-9, factor
    with pytest.raises(ValueError, match="`names` must be one of scale, x, wall_hue, got 'y'"):
        chosen.with_transformations(("y",), FACTORS)
    with pytest.raises(ValueError, match="`units` must be one of x, got 'wall_hue'"):
        chosen.model((1, 16, 16), {"x": Unit("position", 0.25)})


def test_transformations_that_a_recipe_knows_move_as_it_has_them() -> None:
    published = recipe("published").with_transformations(("rotate", "translate_x"))
    assert published.motions == {"rotate": recipe("published").motions["rotate"], "translate_x": Orbit()}
    assert recipe("demo").with_motions({"hue": Steps(20.0)}).motions == {"hue": Steps(20.0)}
    # A factor that happens to share a name is another transformation.
    assert orbit_motions(["scale"], FACTORS) == {"scale": Orbit()} != orbit_motions(["scale"])


def test_even_steps_go_once_round_or_over_the_whole_range() -> None:
    motions = even_motions(("wall_hue", "x", "scale"), 15, 14, FACTORS)
    generator = torch.Generator().manual_seed(0)
    turn, across, ratio = (motions[n].draw(50, FACTORS[n], 14, generator)[1].sum(0) for n in motions)
    torch.testing.assert_close(turn, torch.full((50,), 14 * 24.0).double())  # and one step more is a turn
    torch.testing.assert_close(across, torch.full((50,), 1.0).double())
    torch.testing.assert_close(ratio, torch.full((50,), 2.0).double().log())
    assert (even_motions(("x",), 5, 8, FACTORS)["x"].draw(5, FACTORS["x"], 8, generator)[1].sum(0) <= 1 + 1e-9).all()


def test_baselines_have_the_objectives_of_their_papers() -> None:
    assert recipe("vae").objective == BetaVAE(beta=1.0) and recipe("beta_vae").objective == BetaVAE(beta=4.0)
    changed = replace(recipe("beta_vae"), objective=replace(recipe("beta_vae").objective, beta=8.0))
    assert changed.objective.beta == 8.0
    topographic = recipe("topographic_vae")
    assert topographic.objective == TopographicVAE() and topographic.dim == 15 * 15
    batch = topographic.sequences(stills(3, 3, 16, 16)).sample(2, generator=torch.Generator().manual_seed(0))
    assert len(batch.frames) == 15 == topographic.encoder_options["ring"]
    published = recipe("flow_factorized")
    assert published.objective is None and published.field_options == {"clocked": True, "forced": True}
    weights = published.training.weights
    assert (weights.hamilton_jacobi, weights.start_speed, weights.kl_initial, weights.kl_path) == (1.0,) * 4


def test_a_recipe_s_repr_is_the_same_in_every_process() -> None:
    assert all(" at 0x" not in repr(chosen) for chosen in RECIPES.values())


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_and_ends_with_flows_that_move(name: str) -> None:
    chosen = replace(recipe(name), channels=(4,), decoder_hidden=8)
    chosen = chosen.with_training(replace(chosen.training, steps=2, batch_size=4, solver_steps=1))
    if name == "factor_vae":
        chosen = replace(chosen, objective=replace(chosen.objective, hidden=8))
    sequences = chosen.sequences(stills(6, 3, 8, 8))
    model = chosen.model((3, 8, 8), sequences.units)
    result = Trainer(model, sequences, chosen.training, quiet=True, objective=chosen.objective).run()
    assert result.finished and result.steps == 2
    z = model.encode(stills(2, 3, 8, 8)).mean
    with torch.no_grad():
        for flow in model.flows():
            moved = model.transport(flow.by_amount(1.0), z).z[-1]
            assert moved.isfinite().all() and not torch.allclose(moved, z, atol=1e-7)


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
    with pytest.raises(ValueError, match=r"`recipe` must be one of demo, .*, got 'demos' \(did you mean"):
        recipe("demos")

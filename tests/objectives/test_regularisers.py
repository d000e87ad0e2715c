"""Regularisers of clocked potentials: of those that move alone, at the time that is theirs."""

from __future__ import annotations

import pytest
import torch

from flowdis.data import units_of
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.objectives import FlowBound, Weights, hamilton_jacobi, start_speed
from flowdis.paths import Path
from tests.baselines.toys import NAMES, batch
from tests.models.toys import small_model

F64 = torch.float64


def clocked() -> LatentFlow:
    config = LatentFlowConfig(
        (3, 8, 8),
        units_of(NAMES),
        dim=4,
        channels=(4,),
        decoder_hidden=8,
        field="potential",
        field_options={"hidden": 8, "clocked": True, "forced": True},
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return LatentFlow(config, generator=torch.Generator().manual_seed(0)).double()


def latents(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 4, generator=torch.Generator().manual_seed(1), dtype=F64)


def test_the_residual_is_that_of_the_potential_that_moves_at_its_own_time() -> None:
    model, z = clocked(), latents(2, 3)
    path = Path(NAMES, torch.tensor([[[2.0, 0.0], [0.0, -1.0], [0.5, 0.5]]], dtype=F64))
    times = torch.tensor([0.5, 1.0], dtype=F64)
    found = hamilton_jacobi(model, path, z, times)
    for sample, moved in enumerate(([0], [1], [0, 1])):
        expected = torch.zeros((), dtype=F64)
        for frame, time in enumerate(times):
            for k in moved:
                clock = (time * path.amounts[0, sample, k]).requires_grad_()
                point = z[frame, sample].clone().requires_grad_()
                potential = model.fields.potential(point, clock.expand(2))[k]
                gradient, slope = torch.autograd.grad(potential, (point, clock))
                force = model.fields.force.potential(z[frame, sample], clock.expand(2))[k].square()
                expected = expected + (slope + 0.5 * gradient.square().sum() + force).square() / 2
        torch.testing.assert_close(found[sample], expected, rtol=1e-9, atol=1e-12)


def test_the_starting_speed_is_that_of_the_potential_that_moves() -> None:
    model, z = clocked(), latents(3)
    path = Path(NAMES, torch.tensor([[[2.0, 0.0], [0.0, -1.0], [0.0, 0.0]]], dtype=F64))
    speeds = model.fields.velocities(z, torch.zeros(3, 2, dtype=F64)).square().sum(-1)
    expected = torch.stack([speeds[0, 0], speeds[1, 1], torch.zeros((), dtype=F64)])
    torch.testing.assert_close(start_speed(model, path, z), expected, rtol=1e-12, atol=0)


def test_one_row_of_amounts_serves_all_samples_and_no_sample_knows_of_the_others() -> None:
    model, z, times = clocked(), latents(2, 3), torch.tensor([0.5, 1.0], dtype=F64)
    shared = Path(NAMES, torch.tensor([[2.0, 0.5]], dtype=F64))
    whole = hamilton_jacobi(model, shared, z, times), start_speed(model, shared, z[0])
    alone = hamilton_jacobi(model, shared, z[:, :1], times), start_speed(model, shared, z[0, :1])
    for together, one in zip(whole, alone, strict=True):
        assert together.shape == (3,)
        torch.testing.assert_close(together[:1], one, rtol=1e-12, atol=0)


def test_the_published_terms_are_part_of_the_bound_and_weighed() -> None:
    model, drawn = clocked().float(), batch(FlowBound())
    plain, heavy = (
        FlowBound(Weights(hamilton_jacobi=1.0, start_speed=weight), solver_steps=2)(
            model, drawn, generator=torch.Generator().manual_seed(0)
        )
        for weight in (1.0, 401.0)
    )
    assert {"hamilton_jacobi", "start_speed"} <= plain.terms.keys()
    extra = heavy.loss - plain.loss
    torch.testing.assert_close(extra, 400 * plain.terms["start_speed"].mean(), rtol=1e-2, atol=1e-2)


def test_the_objective_of_flows_is_the_bound() -> None:
    model, objective = small_model(NAMES), FlowBound(Weights(kl_initial=0.5), solver_steps=2)
    drawn = batch(objective)
    one, again = (
        objective(model, drawn, generator=torch.Generator().manual_seed(0), progress=progress)
        for progress in (0.0, 1.0)
    )
    assert torch.equal(one.loss, again.loss) and one.images == drawn.length + 1 and one.parts_loss is None
    assert objective.frames(3) == 3 and objective.parts(model, torch.Generator()) is None
    with pytest.raises(ValueError, match="`solver_steps` must be"):
        FlowBound(solver_steps=0)


@pytest.mark.parametrize("name", ["hamilton_jacobi", "start_speed"])
def test_other_fields_have_no_clock(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"`weights.{name}` must be 0 unless .* clocked potentials, got HelmholtzField"
    ):
        FlowBound(Weights(**{name: 1.0}), solver_steps=2)(small_model(NAMES), batch(FlowBound()))
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number"):
        Weights(**{name: -1.0})

"""The topographic VAE: what its bound is made of, and flows that roll its codes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowdis.baselines import TopographicVAE, roll_flows
from flowdis.data import Orbit, Steps, TransformSequences
from flowdis.dynamics import Solver
from flowdis.paths import Path
from tests.baselines.toys import NAMES, batch, sequences, small_model
from tests.models.toys import stills

OBJECTIVE = TopographicVAE()


def test_the_loss_is_the_negative_bound_of_every_frame() -> None:
    model = small_model(OBJECTIVE).double()
    drawn = batch(OBJECTIVE, 2)
    drawn = replace(drawn, frames=drawn.frames.double())
    bound = OBJECTIVE(model, drawn, generator=torch.Generator().manual_seed(0))
    noise = torch.Generator().manual_seed(0)
    z, u = model.encoder.z(drawn.frames), model.encoder.u(drawn.frames)
    codes = model.encoder.codes(z.sample(noise), u.sample(noise))
    pixels = torch.distributions.Bernoulli(logits=model.output(codes), validate_args=False).log_prob(drawn.frames)
    expected = z.kl().sum(0) + u.kl().sum(0) - pixels.sum((0, -3, -2, -1))
    torch.testing.assert_close(bound.loss, expected.mean(), rtol=1e-12, atol=0)
    assert bound.images == 3


def test_a_closed_window_wraps_from_the_last_frame_to_the_first() -> None:
    model, drawn = small_model(OBJECTIVE), batch(OBJECTIVE)
    opened, closed = (
        TopographicVAE(closed=shut)(model, drawn, generator=torch.Generator().manual_seed(0)) for shut in (False, True)
    )
    for name in ("kl_z", "kl_u"):
        assert torch.equal(opened.terms[name], closed.terms[name])
    assert not torch.allclose(opened.terms["reconstruction"], closed.terms["reconstruction"])


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_the_sequences_rolls_codes_by_one_site(name: str) -> None:
    model = small_model(OBJECTIVE).double()
    roll_flows(model, batch(OBJECTIVE, 16))
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = model.flows(name)[0](120.0)
    moved = model.transport(step, z, solver=Solver(steps=64)).z[-1]
    torch.testing.assert_close(moved, z.unflatten(-1, (-1, 3)).roll(1, -1).flatten(-2), rtol=0, atol=1e-6)
    # Three steps of a ring of three sites go once round, and half of two makes one.
    round_trip = model.transport(3.0 * step, z, solver=Solver(steps=192)).z[-1]
    torch.testing.assert_close(round_trip, z, rtol=0, atol=1e-5)


def test_rolls_of_all_transformations_are_one_flow_and_commute() -> None:
    model = small_model(OBJECTIVE).double()
    roll_flows(model, batch(OBJECTIVE, 16))
    rotate, hue = model.fields.matrix * model.fields.matrix.new_tensor([120 / 45, 120 / 90])[:, None, None]
    torch.testing.assert_close(rotate, hue)


def test_the_size_of_a_step_is_read_from_the_sequences() -> None:
    model = small_model(OBJECTIVE).double()
    drawn = batch(OBJECTIVE, 16)
    roll_flows(model, drawn)
    whole = model.fields.matrix.clone()
    roll_flows(model, replace(drawn, amounts=drawn.amounts / 2))
    torch.testing.assert_close(model.fields.matrix, 2 * whole)


def test_sequences_that_go_both_ways_or_leave_one_out_are_refused() -> None:
    model = small_model(OBJECTIVE)
    both = TransformSequences(stills(6, 3, 8, 8), {name: Orbit(reach=90.0) for name in NAMES}, length=2)
    drawn = both.sample(8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="`batch` must move rotate one way only, by even steps"):
        OBJECTIVE(model, drawn, generator=torch.Generator())
    one = TransformSequences(stills(6, 3, 8, 8), {name: Steps(30.0) for name in NAMES}, length=2, which="hue")
    drawn = one.sample(8, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(OBJECTIVE(model, drawn, generator=torch.Generator()).loss)
    with pytest.raises(ValueError, match="`batch` must move every transformation, got none that moves rotate"):
        roll_flows(model, drawn)


def test_sequences_are_taken_whole() -> None:
    drawn = sequences().sample(4, generator=torch.Generator().manual_seed(0), frames=1)
    with pytest.raises(ValueError, match="`batch` must hold all 3 frames, got 2 of them"):
        OBJECTIVE(small_model(OBJECTIVE), drawn, generator=torch.Generator())


def test_a_roll_there_and_back_changes_nothing() -> None:
    model = small_model(OBJECTIVE).double()
    roll_flows(model, batch(OBJECTIVE, 16))
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    path = Path(NAMES, torch.tensor([[0.7, -0.4]], dtype=torch.float64))
    back = model.transport(~path, model.transport(path, z).z[-1]).z[-1]
    torch.testing.assert_close(back, z, rtol=0, atol=1e-6)

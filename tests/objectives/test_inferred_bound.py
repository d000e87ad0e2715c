"""Bounds of sequences whose amounts nobody tells."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from flowdis.data import SequenceBatch, TransformSequences
from flowdis.data.motions import Steps
from flowdis.data.physics import bouncing_balls
from flowdis.dynamics import Solver
from flowdis.models import LatentFlow, LatentFlowConfig
from flowdis.models.amount_posteriors import (
    CategoricalPosterior,
    LaplacePrior,
    SpikeChain,
    SpikeSlabPosterior,
    collapse,
)
from flowdis.objectives import FlowBound, SparseBound, WeakBound, bound
from flowdis.objectives.inferred_bound import how_far
from flowdis.paths import Unit
from flowdis.training import Trainer, TrainingConfig
from tests.models.toys import small_config, stills

NAMES = ("rotate", "hue")
MOVES = {"rotate": Steps(10.0, speed=(0.5, 1.5)), "hue": Steps(20.0, speed=(0.5, 1.5))}
SMALL = {"channels": (4,), "hidden": 8}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sequences(single: float = 1.0, length: int = 3) -> TransformSequences:
    return TransformSequences(stills(6, 3, 8, 8), MOVES, length=length, single=single)


def model(supervision: str, amounts: nn.Module | None = None) -> LatentFlow:
    torch.manual_seed(0)
    options = {} if amounts is not None else SMALL
    config = replace(small_config(), supervision=supervision, supervision_options=options)
    return LatentFlow(config, amounts=amounts, generator=seeded())


class Certain(nn.Module):
    """Tells the true amounts of a batch, as surely as single precision allows."""

    def __init__(self, batch: SequenceBatch, weak: bool) -> None:
        super().__init__()
        self.weak = weak
        amounts = batch.amounts.expand(batch.length, -1, -1) / (batch.length / len(batch.amounts))
        self.amounts = amounts

    def forward(self, frames: Tensor) -> CategoricalPosterior | SpikeSlabPosterior:
        on = torch.where(self.amounts != 0, 60.0, -60.0)
        if self.weak:
            return CategoricalPosterior(on[0])
        return SpikeSlabPosterior(on, self.amounts, torch.full_like(on, -16.0))


def test_a_weak_bound_that_is_sure_is_the_known_one_and_the_price_of_knowing() -> None:
    batch = sequences().sample(5, generator=seeded())
    sure = model("weak", Certain(batch, weak=True))
    objective = WeakBound(balance=0.0, temperatures=(0.1, 0.1))
    # Both draw from the same place: what the relaxed rows take comes first.
    generator = seeded(1)
    torch.rand(5, 2, generator=generator)
    known = bound(sure, batch, solver=Solver(steps=8), generator=generator)
    ours = objective(sure, batch, generator=seeded(1))
    assert float(ours.loss.detach()) == pytest.approx(float(known.loss.detach()) + math.log(2), rel=1e-5)
    assert torch.allclose(ours.terms["kl_amounts"], torch.full((5,), math.log(2)))


def test_a_sparse_bound_that_is_sure_is_the_known_one_and_its_divergences() -> None:
    batch = sequences(single=0.5).sample(5, generator=seeded())
    sure = model("none", Certain(batch, weak=False))
    chain, slab = SpikeChain(on=0.4, keep=0.5), LaplacePrior(scale=0.5)
    generator = seeded(1)
    torch.rand(3, 5, 2, generator=generator)
    torch.rand(3, 5, 2, generator=generator)
    # Three unit segments of a third of the amounts each are the sequence's one segment.
    steps = replace(batch, amounts=batch.amounts.expand(3, -1, -1) / 3, times=torch.arange(4.0))
    known = bound(sure, steps, solver=Solver(steps=2), generator=generator)
    ours = SparseBound(chain=chain, slab=slab, balance=0.0, temperatures=(0.1, 0.1))(sure, batch, generator=seeded(1))
    posterior = sure.amounts(batch.frames)
    price = (posterior.kl_spikes(chain) + posterior.kl_slabs(slab)).mean()
    assert float(ours.loss.detach()) == pytest.approx(float((known.loss + price).detach()), rel=1e-4)


@pytest.mark.parametrize("objective", [WeakBound(), SparseBound(), SparseBound(hard=True)])
def test_every_parameter_gets_a_finite_gradient(objective: WeakBound | SparseBound) -> None:
    trained = model("weak" if isinstance(objective, WeakBound) else "none")
    batch = sequences().sample(1, generator=seeded())
    result = objective(trained, batch, generator=seeded(1), progress=0.5)
    assert all(term.shape == (1,) for term in result.terms.values())
    result.loss.backward()
    for name, parameter in trained.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name


def test_balance_looks_at_the_batch_and_the_divergence_at_each_sequence() -> None:
    batch = sequences().sample(40, generator=seeded())
    both = {bool(column) for column in (batch.amounts[0, :, 0] != 0).tolist()}
    assert both == {True, False}
    ours = WeakBound()(model("weak", Certain(batch, weak=True)), batch, generator=seeded(1))
    share = float((batch.amounts[0, :, 0] != 0).double().mean())
    expected = math.log(2) + share * math.log(share) + (1 - share) * math.log(1 - share)
    assert ours.terms["balance"].tolist() == pytest.approx([expected] * 40, abs=1e-5)
    assert ours.terms["kl_amounts"].tolist() == pytest.approx([math.log(2)] * 40)
    spikes, without = (
        SparseBound(balance=weight)(model("none", Certain(batch, weak=False)), batch, generator=seeded(1))
        for weight in (10.0, 0.0)
    )
    assert spikes.terms["balance"].tolist() == pytest.approx([expected] * 40, abs=1e-5)
    spread = float(spikes.terms["reconstruction"].detach().std(correction=0))
    assert float((spikes.loss - without.loss).detach()) == pytest.approx(10 * expected * spread, rel=1e-3)


@pytest.mark.parametrize("objective", [WeakBound(entropy=3.0), SparseBound(entropy=3.0, warm=0.0)])
def test_being_sure_costs_less_and_less_in_spreads_of_the_reconstruction(objective: WeakBound | SparseBound) -> None:
    batch, weak = sequences().sample(40, generator=seeded()), isinstance(objective, WeakBound)
    sure = model("weak" if weak else "none", Certain(batch, weak=weak))
    prices = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        # The temperature stays, so that both draw the same rows.
        steady = replace(objective, temperatures=(0.1, 0.1))
        one, other = (
            term(sure, batch, generator=seeded(1), progress=progress) for term in (steady, replace(steady, entropy=0.0))
        )
        spread = one.terms["reconstruction"].detach().std(correction=0)
        prices.append(float((one.loss - other.loss).detach() / spread))
    assert prices == pytest.approx([3 * math.log(2), 1.5 * math.log(2), 0.0, 0.0], rel=1e-2, abs=1e-5)


def test_slabs_come_into_play_as_training_goes_on() -> None:
    batch = sequences().sample(5, generator=seeded())
    trained = model("none")
    objective = SparseBound(warm=0.5, kl_spikes=0.0, balance=0.0, entropy=0.0)
    losses = [objective(trained, batch, generator=seeded(1), progress=p) for p in (0.0, 0.5, 1.0)]
    first = losses[0].loss - sum(losses[0].terms[name].mean() for name in ("reconstruction", "kl_initial", "kl_path"))
    assert abs(float(first.detach())) < 1e-3  # nothing is paid yet
    assert not torch.equal(losses[0].terms["reconstruction"], losses[1].terms["reconstruction"])


def test_how_far_asks_for_one_transformation() -> None:
    batch = sequences().sample(5, generator=seeded())
    assert torch.equal(how_far(batch), batch.amounts.abs().amax(-1, keepdim=True))
    several = sequences(single=0.0).sample(5, generator=seeded())
    with pytest.raises(ValueError, match="several move sequence 0"):
        WeakBound()(model("weak"), several)


def test_what_does_not_suit_a_bound_is_named() -> None:
    with pytest.raises(ValueError, match="`batch` must hold all frames of its sequences, got 2 of 4"):
        SparseBound()(model("none"), sequences().sample(2, generator=seeded(), frames=1))
    for objective, got in ((WeakBound(), "none"), (SparseBound(), "weak")):
        with pytest.raises(ValueError, match="`model` must be a latent flow of supervision"):
            Trainer(model(got), sequences(), TrainingConfig(steps=1), objective=objective)
    with pytest.raises(ValueError, match="`balance` must be"):
        WeakBound(balance=-1.0)
    with pytest.raises(ValueError, match="`temperatures` must be"):
        SparseBound(temperatures=(1.0, 0.0))


def test_collapse_is_told() -> None:
    third = torch.full((50, 3), 1 / 3)
    assert "used alike, whatever is seen: a, b, c" in str(collapse(third, "abc"))
    one = torch.eye(3)[torch.arange(50) % 2]
    assert collapse(one, "abc") == "never used: c"
    assert collapse(torch.eye(3)[torch.arange(50) % 3], "abc") is None


@pytest.mark.parametrize("supervision", ["weak", "none"])
def test_a_run_that_ends_in_collapse_says_so(supervision: str) -> None:
    trained = model(supervision)
    nn.init.zeros_(trained.amounts.head.weight)
    objective = WeakBound() if supervision == "weak" else SparseBound()
    trainer = Trainer(
        trained, sequences(), TrainingConfig(steps=1, batch_size=2, learning_rate=1e-9), quiet=True, objective=objective
    )
    with pytest.warns(UserWarning, match="collapsed; used alike"):
        trainer.run()


def test_recordings_are_seen_by_windows() -> None:
    balls = bouncing_balls(4, 12, generator=seeded()).in_memory()
    units = {f"flow_{k}": Unit() for k in (1, 2)}
    config = LatentFlowConfig(balls.image_shape, units, dim=6, channels=(4,), supervision="none")
    trained = LatentFlow(replace(config, field_options={"hidden": 8}, supervision_options=SMALL))
    settings = TrainingConfig(steps=2, batch_size=3, ramp=0.0)
    trainer = Trainer(trained, balls, settings, quiet=True, objective=SparseBound(steps=4))
    with pytest.warns(UserWarning, match="collapsed"):  # two steps teach nothing
        assert trainer.run().finished
    assert trained.infer(balls.frames).amounts.shape == (len(balls.frames) - 1, 4, 2)


def test_the_known_bound_is_as_it_was() -> None:
    assert FlowBound().frames(2) == 2 and WeakBound().frames(2) == 2 and SparseBound().frames(2) is None

"""The bound of a sequence that runs on from one state: unbiased, its divergence counted once, exact where it can be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from flowdis.data import FrameSequences, SequenceBatch
from flowdis.models import Posterior, WaveMachine, WaveMachineConfig
from flowdis.objectives import Bound, WaveBound, sequence_log_likelihood
from flowdis.objectives.wave_bound import _drawn_times
from flowdis.training import Trainer, TrainingConfig
from tests.models.test_wave_machine import machine
from tests.models.toys import small_model


def sequences(length: int = 9, count: int = 6) -> FrameSequences:
    """A bright square that goes to and fro."""
    time = torch.arange(length)[:, None] + torch.arange(count)
    place = (3 + 2 * torch.sin(2 * math.pi * time / 8)).round().long()
    pixels = torch.zeros(length, count, 1, 8, 8)
    columns = torch.arange(8)
    pixels[:, :, 0, 3:5] = ((columns - place[..., None]).abs() < 2).float()[:, :, None]
    return FrameSequences(pixels)


def batch(count: int = 4, frames: int = 7) -> SequenceBatch:
    drawn = sequences().sample(count, frames=frames - 1, generator=torch.Generator().manual_seed(0))
    return SequenceBatch(drawn.names, drawn.frames.double(), drawn.times, drawn.amounts, drawn.length)


def bound(model: WaveMachine, **options: object) -> Bound:
    objective = WaveBound(**({"length": 7, "ramp": 0.0} | options))
    return objective(model, batch(), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("read", ["backwards", "forwards"])
def test_terms_are_those_of_one_posterior_and_all_frames_from_its_own_on(read: str) -> None:
    model, data = machine(read=read), batch()
    found = WaveBound(length=7, decoded=None, ramp=0.0)(model, data, generator=torch.Generator().manual_seed(3))
    posterior = model.encode(data.frames[:3])
    states = model.run(posterior.sample(torch.Generator().manual_seed(3)), 7 - model.config.anchor)
    likelihood = model.log_likelihood(data.frames[model.config.anchor :], states).sum(0)
    torch.testing.assert_close(found.terms["reconstruction"], -likelihood)
    torch.testing.assert_close(found.terms["kl"], posterior.kl())
    torch.testing.assert_close(found.loss, (posterior.kl() - likelihood).mean())
    assert found.images == 7 - model.config.anchor
    weighed = WaveBound(length=7, decoded=None, ramp=0.0, kl=0.25)
    torch.testing.assert_close(
        weighed(model, data, generator=torch.Generator().manual_seed(3)).loss,
        (0.25 * posterior.kl() - likelihood).mean(),
    )


def test_the_divergence_is_counted_once_however_long_the_sequence() -> None:
    model = machine()
    short, long = bound(model, length=4, decoded=None), bound(model, length=7, decoded=None)
    torch.testing.assert_close(short.terms["kl"], long.terms["kl"], rtol=0, atol=0)
    assert bool((long.terms["reconstruction"] > short.terms["reconstruction"]).all())


@pytest.mark.parametrize(("count", "decoded"), [(10, 4), (7, 3), (5, 5), (9, 1)])
def test_every_frame_has_the_same_chance_to_be_decoded(count: int, decoded: int) -> None:
    times = _drawn_times(count, decoded, 20000, torch.Generator().manual_seed(0))
    assert times.shape == (decoded, 20000) and times.min() == 0 and times.max() == count - 1
    chance = decoded / count
    found = times.flatten().bincount(minlength=count) / 20000
    # A span may meet a frame in part, so that its count is at most one draw a span: binomial at the widest.
    assert (found - chance).abs().max() < 5 * math.sqrt(max(chance * (1 - chance), 1e-12) / 20000) + 1e-12


def test_a_few_frames_leave_the_bound_unbiased() -> None:
    model, data = machine(), batch()
    with torch.no_grad():
        whole = WaveBound(length=7, decoded=None, ramp=0.0)(model, data, generator=torch.Generator().manual_seed(0))
        exact = -whole.terms["reconstruction"]
        generator = torch.Generator().manual_seed(0)
        posterior = model.encode(data.frames[:3])
        states = model.run(posterior.sample(generator), 7)
        every = model.log_likelihood(data.frames, states)
        times = _drawn_times(7, 2, 4 * 5000, generator).reshape(2, 5000, 4)
        drawn = 7 * every[times, torch.arange(4)].mean(0)
    error = drawn.std(0) / math.sqrt(5000)
    assert bool(((drawn.mean(0) - exact).abs() < 5 * error).all())
    few = WaveBound(length=7, decoded=2, ramp=0.0)(model, data, generator=torch.Generator().manual_seed(0))
    lows, highs = 7 * every.min(0).values, 7 * every.max(0).values
    assert bool((-few.terms["reconstruction"] >= lows).all()) and bool((-few.terms["reconstruction"] <= highs).all())


def test_sequences_grow_over_the_ramp() -> None:
    objective = WaveBound(length=70, ramp=0.5, shortest=4)
    assert [objective.horizon(progress, 10) for progress in (0.0, 0.25, 0.5, 1.0)] == [14, 42, 70, 70]
    assert WaveBound(length=70, ramp=0.0).horizon(0.0, 10) == 70
    assert WaveBound(length=12, shortest=4).horizon(0.0, 10) == 12
    model = machine()
    early = WaveBound(length=7, shortest=1, decoded=None)
    found = early(model, batch(), generator=torch.Generator().manual_seed(0), progress=0.0)
    assert found.images == 4 and early.frames(1) == 6


class ExactEncoder(nn.Module):
    """The posterior of a rotating latent that is seen through an isometry, in closed form: see `exact_machine`."""

    def __init__(self, weight: Tensor, turns: Tensor, noise: float, frames: Tensor, shift: float = 0.0) -> None:
        super().__init__()
        precision = 1 + len(frames) / noise**2
        pulled = torch.einsum("tij,ki,tbk->bj", turns, weight, frames.flatten(2) - 0.5) / noise**2
        self.posterior = Posterior(
            pulled / precision + shift, torch.full_like(pulled, -0.5 * math.log(precision) + shift)
        )

    def repeat(self, times: int) -> None:
        self.posterior = Posterior(self.posterior.mean.repeat(times, 1), self.posterior.log_std.repeat(times, 1))

    def forward(self, frames: Tensor) -> Posterior:
        return self.posterior


class Isometry(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, state: Tensor) -> Tensor:
        return (state @ self.weight.T).reshape(-1, 1, 3, 4)


def exact_machine(shift: float = 0.0) -> tuple[WaveMachine, Tensor, Tensor]:
    """A linear Gaussian model with its exact posterior (but for a shift), frames, and their exact log-likelihood.

    Undamped oscillators of stiffness 1 rotate (z, p), and the decoder's columns are orthonormal, so that the posterior
    of the first state is a diagonal Gaussian.
    """
    options = {"coupling": "none", "stiffness": 1.0, "damping": 0.0}
    config = WaveMachineConfig(
        (1, 3, 4), shape=(1, 5), dynamics_options=options, frames=3, likelihood="gaussian", noise=0.3, channels=(2,)
    )
    model = WaveMachine(config).double()
    with torch.no_grad():  # exactly 1, which a float32 number is not
        model.dynamics.oscillators.raw_stiffness.fill_(math.log(math.e - 1))
    generator = torch.Generator().manual_seed(0)
    weight = torch.linalg.qr(torch.randn(12, 10, generator=generator, dtype=torch.float64))[0]
    frames = torch.rand(4, 3, 1, 3, 4, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        turns = model.run(torch.eye(10).double(), 4).mT
    model.decoder = Isometry(weight)
    model.encoder = ExactEncoder(weight, turns, 0.3, frames, shift)
    design = torch.cat([weight @ turn for turn in turns])
    covariance = design @ design.T + 0.09 * torch.eye(48).double()
    normal = torch.distributions.MultivariateNormal(torch.full((48,), 0.5).double(), covariance)
    return model, frames, normal.log_prob(frames.flatten(2).movedim(0, 1).flatten(1))


def test_sequence_likelihood_is_exact_where_the_posterior_is() -> None:
    model, frames, exact = exact_machine()
    for samples in (1, 3):
        found = sequence_log_likelihood(model, frames, samples=samples, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(found, exact, rtol=0, atol=1e-9)


@torch.no_grad()
def test_sequence_likelihood_rises_with_samples_towards_the_exact_one() -> None:
    model, frames, exact = exact_machine(shift=0.05)
    means = []
    frames, exact = frames.repeat(1, 40, 1, 1, 1), exact.repeat(40)
    model.encoder.repeat(40)
    for samples in (1, 8, 64):
        generator = torch.Generator().manual_seed(0)
        found = sequence_log_likelihood(model, frames, samples=samples, generator=generator)
        means.append(float((found - exact).mean()))
    assert means[0] < means[1] < means[2] < 0.05
    objective = WaveBound(length=4, decoded=None, ramp=0.0)
    data = SequenceBatch(("time",), frames, torch.arange(4.0), torch.ones(3, 120, 1), 3)
    lower = -objective(model, data, generator=torch.Generator().manual_seed(0)).loss - exact.mean()
    assert float(lower) == pytest.approx(means[0], abs=0.5)  # one sample's weight is the bound, in the mean


def test_one_trainer_trains_it_and_logs_the_stability_of_the_lattice() -> None:
    model = machine().float()
    settings = TrainingConfig(steps=41, batch_size=6, warmup=5, log_every=20, ramp=0.0, learning_rate=1e-2)
    objective = WaveBound(length=8, decoded=2, ramp=0.2, shortest=1)
    result = Trainer(model, sequences(), settings, quiet=True, objective=objective).run()
    first, last = result.history[0], result.history[-1]
    assert last["reconstruction"] / 8 < 0.6 * first["reconstruction"] / 4
    assert {"kl", "loss", "stability.kappa_min", "stability.alpha_min", "stability.growth"} <= first.keys()
    assert first["stability.growth"] < 1 and first["stability.alpha_min"] == pytest.approx(0.02, rel=1e-2)
    assert not objective.monitor(machine(dynamics="gru"))
    assert not objective.monitor(machine(dynamics_options={"coupling": "dense"}))


def test_what_it_refuses() -> None:
    model = machine()
    with pytest.raises(ValueError, match="`model` must be a wave machine, got LatentFlow"):
        WaveBound().check(small_model())
    with pytest.raises(ValueError, match="`length` must be at least the 3 frames that the encoder reads, got 2"):
        WaveBound(length=2).check(model)
    with pytest.raises(ValueError, match="`batch` must hold 9 frames of each sequence, got 7"):
        WaveBound(length=9)(model, batch())
    for options in ({"length": 0}, {"decoded": 0}, {"ramp": -1.0}, {"kl": -1.0}, {"shortest": 0}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be a finite number"):
            WaveBound(**options)
    with pytest.raises(ValueError, match="`samples` must be a finite number > 0"):
        sequence_log_likelihood(model, batch().frames, samples=0)
    with pytest.raises(ValueError, match="`frames` must be at least the 3 that the encoder reads, got 2"):
        sequence_log_likelihood(model, batch().frames[:2])

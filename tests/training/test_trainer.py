"""The training loop: what it comes to, and that an interruption changes nothing."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from flowdis.data import SequenceBatch
from flowdis.dynamics import FlowError
from flowdis.models import LatentFlow
from flowdis.objectives import Draw, FlowBound, Weights
from flowdis.training import Trainer, TrainingConfig, load_checkpoint
from tests.models.toys import small_model
from tests.training.toys import Eventful, trainer


def same_weights(one: Trainer, other: Trainer) -> bool:
    mine, theirs = one.model.state_dict(), other.model.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def losses(run: Trainer) -> list[float]:
    return [entry["loss"] for entry in run.history]


def interrupting_at(number: int, how: str) -> Eventful:
    def event(draw: int) -> None:
        if draw != number:
            return
        if how == "exception":
            raise KeyboardInterrupt
        os.kill(os.getpid(), signal.SIGINT if how == "ctrl-c" else signal.SIGTERM)

    return Eventful(event)


def test_training_lowers_the_bound_and_tells_what_it_came_to() -> None:
    run = trainer(steps=60)
    result = run.run()
    assert (result.steps, result.finished, len(result.history)) == (60, True, 60)
    # Later steps also have larger motions; the bound falls all the same.
    assert sum(losses(run)[-10:]) < 0.9 * sum(losses(run)[:10])
    assert result.parameters == sum(p.numel() for p in run.model.parameters())
    assert result.frames_per_second == pytest.approx(60 * 4 * 2 / result.seconds)  # x_0 and one frame more
    terms = {"step", "seconds", "learning_rate", "loss", "reconstruction", "kl_initial", "kl_path"}
    assert set(result.history[0]) == terms and [entry["step"] for entry in result.history] == list(range(60))
    assert not run.model.training and run.run().steps == 60


def test_the_learning_rate_warms_up_and_falls_to_zero_and_motions_grow() -> None:
    sequences = Eventful()
    run = trainer(sequences, steps=40, warmup=4, learning_rate=0.01, ramp=0.5)
    rates = [entry["learning_rate"] for entry in run.run().history]
    assert rates[:4] == sorted(rates[:4]) and rates[5:] == sorted(rates[5:], reverse=True)
    assert max(rates) <= 0.01 and rates[-1] < 1e-4
    assert sequences.speeds[0] == 0.05 and sequences.speeds[20:] == [1.0] * 20
    assert sequences.speeds == sorted(sequences.speeds)


def test_without_a_ramp_motions_have_their_full_size_from_the_first_step() -> None:
    sequences = Eventful()
    trainer(sequences, steps=3, ramp=0.0).run()
    assert sequences.speeds == [1.0] * 3


@dataclass(frozen=True)
class Finishing(FlowBound):
    """The bound of flows, which notes the sequences it is finished with."""

    drawn: list[SequenceBatch] = field(default_factory=list)

    def finish(self, model: LatentFlow, draw: Draw) -> None:
        assert not model.training
        self.drawn.append(draw(5))


def test_an_objective_is_finished_once_training_is_with_the_same_whole_sequences(tmp_path: Path) -> None:
    objective, file = Finishing(solver_steps=2), tmp_path / "checkpoint.pt"
    first = trainer(interrupting_at(3, "ctrl-c"), checkpoint=file, objective=objective, steps=5)
    assert not first.run().finished and objective.drawn == []
    rest = trainer(checkpoint=file, objective=objective, steps=5)
    assert rest.resume() and rest.run().finished
    trainer(objective=objective, steps=2).run()
    one, again = objective.drawn
    assert len(one.frames) == one.length + 1 and torch.equal(one.frames, again.frames)


class Collapsing(FlowBound):
    """The same loss, told as if the code said as much of an image as the scale asks for."""

    def __call__(self, model, batch, **options):
        bound = super().__call__(model, batch, **options)
        return replace(bound, terms=dict(bound.terms) | {"kl_initial": 1e-9 * bound.terms["kl_initial"]})


def test_a_posterior_that_has_collapsed_is_warned_of() -> None:
    run = trainer(steps=2)
    run.goal = Collapsing(solver_steps=1)
    with pytest.warns(UserWarning, match="the posterior has collapsed onto the prior"):
        run.run()


def test_steps_repeat_bit_for_bit_and_seeds_differ() -> None:
    one, again, other = trainer(), trainer(), trainer(seed=1)
    state = torch.get_rng_state()
    for run in (one, again, other):
        run.run()
    assert same_weights(one, again) and losses(one) == losses(again)
    assert losses(one) != losses(other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("how", ["exception", "ctrl-c", "terminate"])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(how: str, tmp_path: Path) -> None:
    whole = trainer()
    whole.run()
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    file = tmp_path / "new/checkpoint.pt"
    first = trainer(interrupting_at(6, how), checkpoint=file)
    result = first.run()
    # An exception comes before the sixth step, a signal is heard after it.
    assert not result.finished and result.steps == (5 if how == "exception" else 6)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert not first.model.training

    rest = trainer(checkpoint=file)
    assert rest.resume() and rest.step == result.steps and rest.seconds == pytest.approx(result.seconds)
    assert rest.run().finished
    assert same_weights(rest, whole) and losses(rest) == losses(whole)


def test_a_second_interruption_does_not_wait_for_the_step(tmp_path: Path) -> None:
    def event(draw: int) -> None:
        if draw == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    run = trainer(Eventful(event), checkpoint=tmp_path / "checkpoint.pt")
    assert run.run().steps == 2
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2


def test_a_checkpoint_is_written_on_the_way(tmp_path: Path) -> None:
    file, found = tmp_path / "checkpoint.pt", []
    sequences = Eventful(lambda draw: found.append(load_checkpoint(file)["step"] if file.exists() else 0))
    trainer(sequences, checkpoint=file, checkpoint_seconds=0.0).run()
    assert found == list(range(10)) and load_checkpoint(file)["step"] == 10


def test_without_a_checkpoint_a_run_starts_anew(tmp_path: Path) -> None:
    assert not trainer().resume() and not trainer(checkpoint=tmp_path / "none.pt").resume()


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    trainer(checkpoint=tmp_path / "checkpoint.pt", steps=1).run()
    other = Trainer(small_model(("rotate",)), Eventful(), checkpoint=tmp_path / "checkpoint.pt", quiet=True)
    with pytest.raises(ValueError, match=r"checkpoint .*checkpoint\.pt belongs to another model"):
        other.resume()


def test_a_budget_of_time_is_kept() -> None:
    run = trainer(steps=None, minutes=0.3 / 60)
    result = run.run()
    assert result.finished and result.steps >= 1 and 0.3 <= result.seconds < 5


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(steps=2).run()
    assert capsys.readouterr() == ("", "")
    trainer(steps=2, quiet=False).run()
    assert "2/2" in capsys.readouterr().err
    trainer(steps=None, minutes=0.001, quiet=False).run()
    told = capsys.readouterr().err
    assert "100%" in told and "steps/s" in told and "nats" in told


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    def spoil(batch: SequenceBatch) -> SequenceBatch:
        return replace(batch, frames=torch.cat([batch.frames[:1], batch.frames[1:] * float("nan")]))

    with pytest.raises(FlowError, match="training stopped at step 0: reconstruction is not finite"):
        trainer(Eventful(change=spoil)).run()


def test_a_gradient_that_is_not_finite_stops_the_run() -> None:
    run = trainer()
    run.model.log_diffusion.register_hook(lambda gradient: gradient * float("inf"))
    before = run.model.log_diffusion.detach().clone()
    with pytest.raises(FlowError, match="training stopped at step 0: the gradient is not finite"):
        run.run()
    assert torch.equal(run.model.log_diffusion, before)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"minutes": 0.0}, "`minutes` must be a finite number > 0, got 0.0"),
        ({"steps": 0}, "`steps` must be"),
        ({"batch_size": 0}, "`batch_size` must be"),
        ({"frames": -1}, "`frames` must be"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be"),
        ({"warmup": -1}, "`warmup` must be a finite number >= 0, got -1"),
        ({"beta2": 1.0}, r"`beta2` must lie in \[0, 1\)"),
    ],
)
def test_settings_are_checked_at_birth(changes: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TrainingConfig(**changes)
    with pytest.raises(ValueError, match="`energy` must be a finite number >= 0, got -1"):
        Weights(energy=-1.0)

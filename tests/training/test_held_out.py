"""The loss on held-out sequences: the same ones each time, at no cost to the training, and the best is kept."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from flowdis.data import SequenceBatch, TransformSequences
from flowdis.objectives import FlowBound
from flowdis.training import Checkpoints, Trainer, TrainingConfig, load_checkpoint
from flowdis.training.held_out import held_out_loss
from tests.models.toys import small_model
from tests.training.toys import Eventful


class Apart:
    """Held-out sequences, and the speeds that they were drawn at."""

    def __init__(self) -> None:
        images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(9))
        self.sequences, self.speeds = TransformSequences(images, ("rotate", "hue"), length=3), []

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch:
        self.speeds.append(speed)
        return self.sequences.sample(batch_size, generator=generator, frames=frames, speed=speed)


def trained(held_out: Apart | None, file: Path | None = None, steps: int = 30, **changes: object) -> Trainer:
    config = TrainingConfig(**{"steps": steps, "batch_size": 4, "warmup": 2, "log_every": 1, **changes})
    return Trainer(small_model(), Eventful(), config, file, True, held_out=held_out)


def test_it_is_the_objective_on_the_same_sequences_at_full_motion() -> None:
    model, objective, apart = small_model(), FlowBound(solver_steps=2), Apart()
    model.train()
    told = [held_out_loss(model, apart, objective, parts=None, frames=1, seed=5) for _ in range(2)]
    generator = torch.Generator().manual_seed(5)
    batch = apart.sequences.sample(64, generator=generator, frames=1)
    with torch.no_grad():
        assert told == [float(objective(model.eval(), batch, generator=generator).loss)] * 2
    assert apart.speeds == [1.0, 1.0]
    assert held_out_loss(model, apart, objective, parts=None, frames=1, seed=6) != told[0]


def test_it_leaves_the_training_as_it_is_and_stands_in_every_tenth_entry() -> None:
    alone, watched = trained(None), trained(Apart())
    assert alone.run().held_out is None
    result = watched.run()
    mine, theirs = alone.model.state_dict(), watched.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    measured = {entry["step"]: entry["held_out.loss"] for entry in result.history if "held_out.loss" in entry}
    assert list(measured) == [0.0, 10.0, 20.0]
    assert result.held_out.best == min(*measured.values(), result.held_out.last) < measured[0.0]
    assert [entry["loss"] for entry in alone.history] == [entry["loss"] for entry in watched.history]


def test_the_best_is_the_checkpoint_of_the_lowest_loss_and_comes_back_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {0: 5.0, 10: 3.0, 20: 4.0, 30: 6.0}
    run = trained(Apart(), tmp_path / "checkpoint.pt")
    monkeypatch.setattr(Trainer, "_held_out_loss", lambda self, sequences: told[self.step])
    held_out = run.run().held_out
    assert (held_out.last, held_out.best, held_out.best_step) == (6.0, 3.0, 10)
    best = Checkpoints(tmp_path / "checkpoint.pt").best
    state = load_checkpoint(best)
    assert state["step"] == 10 and state["best"] == (3.0, 10) and len(state["history"]) == 10

    best.rename(tmp_path / "checkpoint.pt")  # killed before it was kept as the best
    rest = trained(Apart(), tmp_path / "checkpoint.pt")
    assert rest.resume() and load_checkpoint(best)["step"] == 10
    assert rest.run().held_out == held_out and rest.history[10]["held_out.loss"] == 3.0


def test_a_loss_that_is_not_finite_is_never_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_held_out_loss", lambda self, sequences: math.inf)
    trained(Apart(), tmp_path / "checkpoint.pt", steps=2).run()
    assert not Checkpoints(tmp_path / "checkpoint.pt").best.exists()
    with torch.no_grad():
        spoiled = small_model()
        spoiled.log_diffusion.fill_(math.nan)
    assert held_out_loss(spoiled, Apart(), FlowBound(), parts=None, frames=1, seed=0) == math.inf


def test_how_many_are_kept_must_be_positive() -> None:
    with pytest.raises(ValueError, match="`keep` must be a finite number > 0, got 0"):
        TrainingConfig(keep=0)

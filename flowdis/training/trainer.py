"""One training loop for every objective: sequences in, the loss down, state on disk."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import nn

from flowdis.data.batch import SequenceBatch
from flowdis.dynamics import FlowError
from flowdis.models import LatentFlow, WaveMachine
from flowdis.objectives import Bound, FlowBound, Objective
from flowdis.training.checkpoint import Checkpoints, load_checkpoint
from flowdis.training.config import TrainingConfig
from flowdis.training.held_out import HELD_OUT, HeldOut, Sampler, held_out_loss
from flowdis.training.interrupts import Interrupts, deferred_interrupts
from flowdis.training.progress import progress_bar, show
from flowdis.training.schedule import learning_rate, make_optimizer, motion_speed
from flowdis.training.watchers import Watcher, Watchers

__all__ = ["HeldOut", "Sampler", "Trainer", "TrainingResult"]

_MEASURED = 10  # entries of the history from one measurement on held-out sequences to the next
_COLLAPSED = 1e-3  # nats; a code that tells one image out of a thousand from the others has 7


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Arguments:
        steps: Steps taken.
        seconds: Wall-clock seconds spent in them, over all resumptions.
        frames_per_second: Frames rendered and decoded per second.
        parameters: Learned numbers of the model.
        history: Logged steps, each with its time, learning rate, loss and terms in nats per sequence.
        finished: Whether the budget was used up, rather than the run interrupted.
        held_out: How well it does on held-out sequences; None where there are none, or the run was interrupted.
    """

    steps: int
    seconds: float
    frames_per_second: float
    parameters: int
    history: Sequence[dict[str, float]]
    finished: bool
    held_out: HeldOut | None = None


@dataclass
class Trainer:
    """Trains a model on sequences; interrupted at any moment, it resumes where its last checkpoint was.

    Arguments:
        model: The model, on the device where it trains.
        sequences: What draws the batches.
        config: The settings.
        checkpoint: The file of the last checkpoint; earlier ones and the best are kept in a folder beside it, as
            `Checkpoints` has it. None is written where left out.
        quiet: Whether to show no progress bar.
        objective: What training lowers, of models of its kind; the bound of the flows, as the settings weigh it, where
            left out.
        held_out: Sequences that the model is not trained on. The loss of some of them, always the same, is added to
            every tenth entry of the history, as "held_out.loss", and tells which checkpoint is the best.
        watchers: Those who are told how training goes, such as a `JsonLog`.
    """

    model: LatentFlow | WaveMachine
    sequences: Sampler
    config: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: FilePath | None = None
    quiet: bool = False
    objective: Objective | None = None
    held_out: Sampler | None = None
    watchers: Sequence[Watcher] = ()

    def __post_init__(self) -> None:
        config = self.config
        self.goal: Objective = self.objective or FlowBound(config.weights, config.solver_steps)
        self.goal.check(self.model)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimizer = make_optimizer(self.model, config)
        self.parts = self.goal.parts(self.model, torch.Generator().manual_seed(config.seed))
        self.parts_optimizer = None if self.parts is None else self.goal.optimizer(self.parts)
        self.step, self.seconds, self.seen = 0, 0.0, 0
        self.history: list[dict[str, float]] = []
        self.best: tuple[float, int] = (math.inf, 0)  # the lowest held-out loss, and its step
        self.checkpoints = None if self.checkpoint is None else Checkpoints(self.checkpoint, config.keep)
        self.told = Watchers(self.watchers)

    def resume(self) -> bool:
        """Takes up the checkpoint's state if there is one, and says whether there was.

        Raises:
            ValueError: if the checkpoint is unreadable or belongs to another model or objective.
        """
        if self.checkpoints is None:
            return False
        self.checkpoints.clear()
        if not self.checkpoints.last.is_file():
            return False
        state = load_checkpoint(self.checkpoints.last)
        mine = type(self.goal).__name__
        if state.get("objective", mine) != mine:
            wanted = f"must be of a training by {mine}, got one by {state['objective']}"
            raise ValueError(f"checkpoint {self.checkpoint} {wanted}")
        for name, module in self._modules().items():
            try:
                module.load_state_dict(state[name])
            except RuntimeError as error:
                raise ValueError(f"checkpoint {self.checkpoint} belongs to another model: {error}") from error
        for name, optimizer in self._optimizers().items():
            optimizer.load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self.step, self.seconds, self.seen = state["step"], state["seconds"], state["seen"]
        self.history = state["history"]
        self.best = tuple(state.get("best", (math.inf, 0)))
        if self.best[1] == self.step and math.isfinite(self.best[0]):
            self.checkpoints.keep_as_best()  # which a kill may have prevented
        return True

    def save(self) -> None:
        """Writes the checkpoint, where one is wanted."""
        if self.checkpoints is None:
            return
        owners: dict[str, Any] = self._modules() | self._optimizers()
        state: dict[str, Any] = {
            **{name: owner.state_dict() for name, owner in owners.items()},
            "objective": type(self.goal).__name__,
            "generator": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "seen": self.seen,
            "history": self.history,
            "best": self.best,
        }
        self.checkpoints.save(state, best=self.best[1] == self.step and math.isfinite(self.best[0]))
        self.told.save(self.step, self.model)

    def progress(self) -> float:
        """The part of the budget that is used up, from 0 to 1."""
        if self.config.steps is not None:
            return min(1.0, self.step / self.config.steps)
        return min(1.0, self.seconds / (60 * self.config.minutes))

    def run(self) -> TrainingResult:
        """Trains until the budget is used up or the user interrupts; either way the state is on disk.

        Raises:
            FlowError: if the loss stops being finite; the message names the term and the step.
        """
        try:
            return self._run()
        finally:
            self.told.end()

    def _run(self) -> TrainingResult:
        self.model.train()
        self.told.begin(self.step, self.history)
        with progress_bar(self.config, self.quiet) as bar, deferred_interrupts() as interrupts:
            try:
                self._train(bar, interrupts)
            except KeyboardInterrupt:  # at the second request, or off the main thread
                interrupts.came = True
            finally:
                self.model.eval()
        held_out = None
        if self.progress() >= 1:
            held_out = self._last_measured()
            self.goal.finish(self.model, self._whole)
            _warn_of_collapse(self.history)
        self.save()
        return TrainingResult(
            self.step,
            self.seconds,
            self.seen / max(self.seconds, 1e-9),
            sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            self.history,
            self.progress() >= 1,
            held_out,
        )

    def _train(self, bar: Any, interrupts: Interrupts) -> None:
        saved = time.perf_counter()
        while self.progress() < 1 and not interrupts.came:
            show(bar, self.config, self.step, self.seconds, self.history[-1]["loss"] if self.history else math.nan)
            measured = self._measured()
            start = time.perf_counter()
            self._advance(measured)
            now = time.perf_counter()
            self.seconds += now - start
            if now - saved > self.config.checkpoint_seconds:
                self.save()
                saved = time.perf_counter()
        show(bar, self.config, self.step, self.seconds, self.history[-1]["loss"] if self.history else math.nan)

    def _measured(self) -> dict[str, float]:
        """The loss on held-out sequences where it is due; the best so far is kept."""
        if self.held_out is None or self.step % (self.config.log_every * _MEASURED):
            return {}
        loss = self._held_out_loss(self.held_out)
        if loss < self.best[0]:
            self.best = (loss, self.step)
            self.save()
        return {HELD_OUT: loss}

    def _last_measured(self) -> HeldOut | None:
        if self.held_out is None:
            return None
        last = self._held_out_loss(self.held_out)
        if last < self.best[0]:
            self.best = (last, self.step)
        return HeldOut(last, *self.best)

    def _held_out_loss(self, sequences: Sampler) -> float:
        return held_out_loss(
            self.model, sequences, self.goal, parts=self.parts, frames=self.config.frames, seed=self.config.seed
        )

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.model} | ({} if self.parts is None else {"parts": self.parts})

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        parts = self.parts_optimizer
        return {"optimizer": self.optimizer} | ({} if parts is None else {"parts_optimizer": parts})

    def _whole(self, count: int) -> SequenceBatch:
        """Whole sequences, the same ones each time."""
        drawn = self.sequences.sample(count, generator=torch.Generator().manual_seed(self.config.seed))
        if not isinstance(drawn, SequenceBatch):
            raise TypeError(f"`sequences` must draw sequences of images, got {type(drawn).__name__}")
        return drawn

    def _advance(self, measured: Mapping[str, float] | None = None) -> None:
        config = self.config
        rate = learning_rate(config, self.step, self.progress())
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.sequences.sample(
            config.batch_size,
            generator=self.generator,
            frames=self.goal.frames(config.frames),
            speed=motion_speed(config, self.progress()),
        )
        result = self.goal(self.model, batch, parts=self.parts, generator=self.generator, progress=self.progress())
        self._descend(result)
        if self.step % config.log_every == 0:
            entry = {"step": float(self.step), "seconds": self.seconds, "learning_rate": rate}
            terms = {"loss": float(result.loss.detach())} | result.means() | self.goal.monitor(self.model)
            self.history.append(entry | terms | dict(measured or {}))
            self.told.log(self.history[-1])
        self.step += 1
        self.seen += batch.frames.shape[0] * batch.frames.shape[1]  # images, or codes

    def _descend(self, result: Bound) -> None:
        losses = [result.loss] if result.parts_loss is None else [result.loss, result.parts_loss]
        if not all(bool(torch.isfinite(loss)) for loss in losses):
            bad = [name for name, value in result.means().items() if not math.isfinite(value)]
            raise FlowError(f"training stopped at step {self.step}: {', '.join(bad) or 'loss'} is not finite")
        self.optimizer.zero_grad(set_to_none=True)
        (result.loss / (math.prod(self.model.image_shape) * result.images)).backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        if not bool(torch.isfinite(norm)):
            raise FlowError(f"training stopped at step {self.step}: the gradient is not finite")
        self.optimizer.step()
        if self.parts_optimizer is not None and result.parts_loss is not None:
            self.parts_optimizer.zero_grad(set_to_none=True)  # what the model's loss left there
            result.parts_loss.backward()
            self.parts_optimizer.step()


def _warn_of_collapse(history: Sequence[Mapping[str, float]]) -> None:
    last = history[-1] if history else {}
    divergence = min((last[name] for name in ("kl_initial", "kl") if name in last), default=math.inf)
    if divergence < _COLLAPSED:
        told = f"the posterior has collapsed onto the prior: {divergence:.1e} nats between them"
        warnings.warn(f"{told}, so that codes tell nothing of images; give that term less weight", stacklevel=3)

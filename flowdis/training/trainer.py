"""One training loop for every objective: sequences in, the loss down, state on disk."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn
from tqdm import tqdm

from flowdis.data.batch import CodePairs, SequenceBatch
from flowdis.dynamics import FlowError
from flowdis.models import LatentFlow, WaveMachine
from flowdis.objectives import Bound, FlowBound, Objective
from flowdis.training.checkpoint import load_checkpoint, save_checkpoint
from flowdis.training.config import TrainingConfig
from flowdis.training.interrupts import deferred_interrupts

__all__ = ["Sampler", "Trainer", "TrainingResult"]


_FIRST_SPEED = 0.05
_COLLAPSED = 1e-3  # nats; a code that tells one image out of a thousand from the others has 7


@runtime_checkable
class Sampler(Protocol):
    """Anything that draws batches of sequences, such as `TransformSequences`."""

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch | CodePairs:
        """Draws `batch_size` sequences, amounts multiplied by `speed`, all randomness from `generator`."""
        ...


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
    """

    steps: int
    seconds: float
    frames_per_second: float
    parameters: int
    history: Sequence[dict[str, float]]
    finished: bool


@dataclass
class Trainer:
    """Trains a model on sequences; interrupted at any moment, it resumes where its last checkpoint was.

    Arguments:
        model: The model, on the device where it trains.
        sequences: What draws the batches.
        config: The settings.
        checkpoint: The file of the checkpoint; none is written where left out.
        quiet: Whether to show no progress bar.
        objective: What training lowers, of models of its kind; the bound of the flows, as the settings weigh it, where
            left out.
    """

    model: LatentFlow | WaveMachine
    sequences: Sampler
    config: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: FilePath | None = None
    quiet: bool = False
    objective: Objective | None = None

    def __post_init__(self) -> None:
        config = self.config
        self.goal: Objective = self.objective or FlowBound(config.weights, config.solver_steps)
        self.goal.check(self.model)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimizer = _optimizer(self.model, config)
        self.parts = self.goal.parts(self.model, torch.Generator().manual_seed(config.seed))
        self.parts_optimizer = None if self.parts is None else self.goal.optimizer(self.parts)
        self.step, self.seconds, self.seen = 0, 0.0, 0
        self.history: list[dict[str, float]] = []

    def resume(self) -> bool:
        """Takes up the checkpoint's state if there is one, and says whether there was.

        Raises:
            ValueError: if the checkpoint is unreadable or belongs to another model or objective.
        """
        if self.checkpoint is None or not self.checkpoint.is_file():
            return False
        state = load_checkpoint(self.checkpoint)
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
        return True

    def save(self) -> None:
        """Writes the checkpoint, where one is wanted."""
        if self.checkpoint is None:
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
        }
        save_checkpoint(self.checkpoint, state)

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
        self.model.train()
        saved = time.perf_counter()
        with _bar(self.config, self.quiet) as bar, deferred_interrupts() as interrupts:
            _show(bar, self)
            try:
                while self.progress() < 1 and not interrupts.came:
                    start = time.perf_counter()
                    self._advance()
                    now = time.perf_counter()
                    self.seconds += now - start
                    if now - saved > self.config.checkpoint_seconds:
                        self.save()
                        saved = now
                    _show(bar, self)
            except KeyboardInterrupt:  # at the second request, or off the main thread
                interrupts.came = True
        self.model.eval()
        if self.progress() >= 1:
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

    def _advance(self) -> None:
        config = self.config
        rate = _learning_rate(config, self.step, self.progress())
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.sequences.sample(
            config.batch_size,
            generator=self.generator,
            frames=self.goal.frames(config.frames),
            speed=_speed(config, self.progress()),
        )
        result = self.goal(self.model, batch, parts=self.parts, generator=self.generator, progress=self.progress())
        self._descend(result)
        if self.step % config.log_every == 0:
            entry = {"step": float(self.step), "seconds": self.seconds, "learning_rate": rate}
            measured = {"loss": float(result.loss.detach())} | result.means() | self.goal.monitor(self.model)
            self.history.append(entry | measured)
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


def _optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    # The fields' biases and amplitudes are stacked over transformations, and so are matrices in shape alone.
    kept = ("bias", "amplitude")
    learned = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    decayed = [p for name, p in learned if p.ndim > 1 and not name.endswith(kept)]
    others = [p for name, p in learned if p.ndim <= 1 or name.endswith(kept)]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, config.beta2))


def _learning_rate(config: TrainingConfig, step: int, progress: float) -> float:
    warm = min(1.0, (step + 1) / (config.warmup + 1))
    return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * progress))


def _speed(config: TrainingConfig, progress: float) -> float:
    return min(1.0, _FIRST_SPEED + (1 - _FIRST_SPEED) * progress / config.ramp) if config.ramp else 1.0


def _bar(config: TrainingConfig, quiet: bool) -> tqdm[Any]:
    if config.steps is not None:
        return tqdm(total=config.steps, desc="training", unit="step", disable=quiet)
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    return tqdm(total=60 * config.minutes, desc="training", bar_format=form, disable=quiet)


def _show(bar: tqdm[Any], trainer: Trainer) -> None:
    if bar.disable:
        return
    now = trainer.step if trainer.config.steps is not None else min(trainer.seconds, bar.total)
    loss = trainer.history[-1]["loss"] if trainer.history else math.nan
    rate = trainer.step / trainer.seconds if trainer.seconds else 0.0
    bar.set_postfix_str(f"step {trainer.step}, {rate:.1f} steps/s, {loss:.0f} nats", refresh=False)
    bar.update(now - bar.n)

"""How a training run goes: budget, batches, optimiser, weights."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowdis._checks import check_positive
from flowdis.objectives import Weights

__all__ = ["TrainingConfig"]


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of `Trainer`.

    Arguments:
        minutes: The budget of wall-clock time; the learning rate falls to zero over it.
        steps: The budget in steps; overrides `minutes` where given, and makes a run repeat bit for bit.
        batch_size: Sequences per step.
        frames: Frames of each sequence, beside its first, that are rendered and decoded per step.
        ramp: The share of the budget over which motions grow from almost nothing to their full size. From
            large motions alone nothing is learned at first: while fields are still at rest, their best
            decoding is the orbit's mean.
        learning_rate: The highest learning rate of AdamW.
        beta2: AdamW's decay of squared gradients. In runs of a few thousand steps, 0.95 learns much faster than the
            usual 0.999, whose memory is as long as the run.
        warmup: Steps over which the learning rate rises.
        weight_decay: AdamW's decoupled weight decay, on matrices and kernels.
        clip: The largest norm of the gradient of the loss in nats per pixel.
        solver_steps: Runge-Kutta steps per segment in training.
        seed: The seed of weights, sequences and posterior samples.
        checkpoint_seconds: Seconds between checkpoints.
        keep: How many checkpoints are kept by number, beside the best.
        log_every: Steps between two entries of the history.
        weights: The weights of the bound's terms.

    Raises:
        ValueError: if a number is out of range.
    """

    minutes: float = 5.0
    steps: int | None = None
    batch_size: int = 128
    frames: int = 1
    ramp: float = 0.4
    learning_rate: float = 6e-3
    beta2: float = 0.95
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    solver_steps: int = 8
    seed: int = 0
    checkpoint_seconds: float = 30.0
    keep: int = 3
    log_every: int = 20
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        for name in ("minutes", "batch_size", "frames", "learning_rate", "clip", "solver_steps", "keep", "log_every"):
            check_positive(name, getattr(self, name))
        for name in ("ramp", "warmup", "weight_decay", "checkpoint_seconds"):
            check_positive(name, getattr(self, name), zero=True)
        if not 0 <= self.beta2 < 1:
            raise ValueError(f"`beta2` must lie in [0, 1), got {self.beta2}")
        if self.steps is not None:
            check_positive("steps", self.steps)

"""How a step is taken: the optimiser, its learning rate, and how far motions go, over the budget."""

from __future__ import annotations

import math

import torch
from torch import nn

from flowdis.training.config import TrainingConfig

__all__ = ["learning_rate", "make_optimizer", "motion_speed"]

_FIRST_SPEED = 0.05


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over what is learned of a model; matrices and kernels decay."""
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


def learning_rate(config: TrainingConfig, step: int, progress: float) -> float:
    """The rate of a step: it rises over the warm-up, and falls to zero over the budget."""
    warm = min(1.0, (step + 1) / (config.warmup + 1))
    return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * progress))


def motion_speed(config: TrainingConfig, progress: float) -> float:
    """The factor on amounts after a share of the budget."""
    return min(1.0, _FIRST_SPEED + (1 - _FIRST_SPEED) * progress / config.ramp) if config.ramp else 1.0

"""Training: one loop, its settings and its checkpoints."""

from flowdis.training.checkpoint import load_checkpoint, save_checkpoint
from flowdis.training.codes import CodeSequences, start_linear
from flowdis.training.config import TrainingConfig
from flowdis.training.trainer import Sampler, Trainer, TrainingResult

__all__ = [
    "CodeSequences",
    "Sampler",
    "Trainer",
    "TrainingConfig",
    "TrainingResult",
    "load_checkpoint",
    "save_checkpoint",
    "start_linear",
]

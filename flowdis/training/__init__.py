"""Training: one loop, its settings and its checkpoints; flows fitted to single labelled images."""

from flowdis.training.attributes import AttributeFlows, fit_attribute_flows
from flowdis.training.checkpoint import load_checkpoint, save_checkpoint
from flowdis.training.codes import CodeSequences, start_linear
from flowdis.training.config import TrainingConfig
from flowdis.training.matching import AttributeConfig, MatchedFields, match_attributes
from flowdis.training.trainer import Sampler, Trainer, TrainingResult

__all__ = [
    "AttributeConfig",
    "AttributeFlows",
    "CodeSequences",
    "MatchedFields",
    "Sampler",
    "Trainer",
    "TrainingConfig",
    "TrainingResult",
    "fit_attribute_flows",
    "load_checkpoint",
    "match_attributes",
    "save_checkpoint",
    "start_linear",
]

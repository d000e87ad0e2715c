"""Training: one loop, its settings and its checkpoints; flows fitted to single labelled images."""

from flowdis.training.attributes import AttributeFlows, fit_attribute_flows
from flowdis.training.checkpoint import Checkpoints, load_checkpoint, save_checkpoint
from flowdis.training.codes import CodeSequences, start_linear
from flowdis.training.config import TrainingConfig
from flowdis.training.discovery import Discovered, discover, discovery_model
from flowdis.training.discovery_objective import Discovery
from flowdis.training.encoders import fit_encoder
from flowdis.training.found_flows import FlowReport, report_flows, traversals
from flowdis.training.matching import AttributeConfig, MatchedFields, match_attributes
from flowdis.training.principal import start_principal
from flowdis.training.trainer import HeldOut, Sampler, Trainer, TrainingResult
from flowdis.training.watchers import JsonLog, TensorBoardLog, Watcher

__all__ = [
    "AttributeConfig",
    "AttributeFlows",
    "Checkpoints",
    "CodeSequences",
    "Discovered",
    "Discovery",
    "FlowReport",
    "HeldOut",
    "JsonLog",
    "MatchedFields",
    "Sampler",
    "TensorBoardLog",
    "Trainer",
    "TrainingConfig",
    "TrainingResult",
    "Watcher",
    "discover",
    "discovery_model",
    "fit_attribute_flows",
    "fit_encoder",
    "load_checkpoint",
    "match_attributes",
    "report_flows",
    "save_checkpoint",
    "start_linear",
    "start_principal",
    "traversals",
]

"""Metrics of flows: what they show against the truth, beside what no flow needs, and how they compose."""

from flowdis.metrics.batches import Sequences
from flowdis.metrics.commutator import Commutator, commutator, commutator_gap, lie_brackets
from flowdis.metrics.composition import CompositionError, PathError, composition_error, path_error
from flowdis.metrics.controls import code_pairs, fit_controls
from flowdis.metrics.equivariance import EquivarianceError, equivariance_error
from flowdis.metrics.evaluate import evaluate, evaluate_protocol
from flowdis.metrics.evaluation import Evaluation
from flowdis.metrics.latent import LatentRatio, latent_equivariance_ratio
from flowdis.metrics.likelihood import LogLikelihood, log_likelihood
from flowdis.metrics.probes import BackwardsError
from flowdis.metrics.protocols import protocol_sequences, random_start
from flowdis.metrics.undo import UndoError, undo_error

__all__ = [
    "Sequences",
    "equivariance_error",
    "EquivarianceError",
    "fit_controls",
    "code_pairs",
    "path_error",
    "PathError",
    "composition_error",
    "CompositionError",
    "BackwardsError",
    "undo_error",
    "UndoError",
    "commutator",
    "Commutator",
    "commutator_gap",
    "lie_brackets",
    "latent_equivariance_ratio",
    "LatentRatio",
    "log_likelihood",
    "LogLikelihood",
    "protocol_sequences",
    "random_start",
    "evaluate_protocol",
    "evaluate",
    "Evaluation",
]

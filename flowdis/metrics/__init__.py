"""Metrics: of codes against ground-truth factors, of flows against the truth, and one table of all models.

Those of codes take arrays, (N, D) and (N, F), and know of no model: `mig(codes, factors)`.
"""

from flowdis.metrics.amount_evaluation import evaluate_amounts
from flowdis.metrics.amounts import AmountScores, amount_scores, inferred_sequences, match_amounts, matched
from flowdis.metrics.batches import Sequences
from flowdis.metrics.capsules import CapsuleCorrelation, RollError, capsule_correlation, roll_error
from flowdis.metrics.codes import all_metrics as all
from flowdis.metrics.codes import (
    beta_vae,
    dci,
    explicitness,
    factor_vae,
    infomec,
    irs,
    mig,
    modularity,
    sap,
    udr,
)
from flowdis.metrics.commutator import Commutator, commutator, commutator_gap, lie_brackets
from flowdis.metrics.composition import CompositionError, PathError, composition_error, path_error
from flowdis.metrics.controls import code_pairs, fit_controls
from flowdis.metrics.degenerate import constant_code, degenerate_flows, random_flows, static_flow
from flowdis.metrics.equivariance import EquivarianceError, equivariance_error
from flowdis.metrics.evaluate import evaluate, evaluate_protocol
from flowdis.metrics.evaluation import Evaluation
from flowdis.metrics.explanations import Explanation, FlowExplanation, explain
from flowdis.metrics.factor_probes import FactorProbes, fit_probes
from flowdis.metrics.frame_pairs import PairRatio, pair_equivariance_ratio
from flowdis.metrics.labelled import LabelledScenes, labelled_scenes
from flowdis.metrics.latent import LatentRatio, latent_equivariance_ratio
from flowdis.metrics.likelihood import LogLikelihood, log_likelihood
from flowdis.metrics.measure import SECTIONS, ModelScores, Probed, measure
from flowdis.metrics.poses import Poses, draw_poses, fit_scene_probes
from flowdis.metrics.predictability import VariationPredictability, code_predictability, variation_predictability
from flowdis.metrics.probes import BackwardsError
from flowdis.metrics.protocols import protocol_sequences, random_start
from flowdis.metrics.response import ResponseMatrix, entropy_scores, response_matrix
from flowdis.metrics.table import MeasuredModel, ModelTable, model_table
from flowdis.metrics.undo import UndoError, undo_error
from flowdis.metrics.writers import write_table

__all__ = [
    "mig",
    "dci",
    "sap",
    "beta_vae",
    "factor_vae",
    "modularity",
    "explicitness",
    "infomec",
    "irs",
    "udr",
    "all",
    "Sequences",
    "equivariance_error",
    "evaluate_amounts",
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
    "pair_equivariance_ratio",
    "PairRatio",
    "log_likelihood",
    "LogLikelihood",
    "protocol_sequences",
    "random_start",
    "evaluate_protocol",
    "evaluate",
    "Evaluation",
    "amount_scores",
    "inferred_sequences",
    "match_amounts",
    "matched",
    "AmountScores",
    "explain",
    "Explanation",
    "FlowExplanation",
    "labelled_scenes",
    "LabelledScenes",
    "code_predictability",
    "variation_predictability",
    "VariationPredictability",
    "draw_poses",
    "Poses",
    "fit_probes",
    "fit_scene_probes",
    "FactorProbes",
    "response_matrix",
    "ResponseMatrix",
    "entropy_scores",
    "roll_error",
    "RollError",
    "capsule_correlation",
    "CapsuleCorrelation",
    "constant_code",
    "static_flow",
    "random_flows",
    "degenerate_flows",
    "SECTIONS",
    "measure",
    "Probed",
    "ModelScores",
    "model_table",
    "MeasuredModel",
    "ModelTable",
    "write_table",
]

"""Objectives: what training lowers; the bound of latent flows and its terms."""

from __future__ import annotations

from flowdis.objectives.base import Bound, Draw, Objective
from flowdis.objectives.code_prediction import CodePrediction
from flowdis.objectives.flow_bound import FlowBound, Weights, bound, kl_path, log_momentum_prior, log_prior
from flowdis.objectives.flow_matching import matching_error
from flowdis.objectives.inferred_bound import SparseBound, WeakBound
from flowdis.objectives.regularisers import energy, hamilton_jacobi, start_speed
from flowdis.objectives.wave_bound import WaveBound, sequence_log_likelihood

__all__ = [
    "Bound",
    "CodePrediction",
    "Draw",
    "FlowBound",
    "Objective",
    "SparseBound",
    "WaveBound",
    "WeakBound",
    "Weights",
    "bound",
    "energy",
    "hamilton_jacobi",
    "kl_path",
    "log_momentum_prior",
    "log_prior",
    "matching_error",
    "sequence_log_likelihood",
    "start_speed",
]

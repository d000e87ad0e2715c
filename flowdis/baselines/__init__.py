"""Baselines: what other papers lower, by the same encoder, decoder and trainer; their flows are fitted afterwards."""

from __future__ import annotations

from flowdis.baselines.ascent import ascend
from flowdis.baselines.directions import classifier_normals, mean_differences
from flowdis.baselines.factor_vae import Discriminator, FactorVAE
from flowdis.baselines.fitted import fit_flows
from flowdis.baselines.slow_vae import SlowVAE, laplace_kl
from flowdis.baselines.tc_vae import BetaTCVAE
from flowdis.baselines.topographic import TopographicVAE, roll_flows
from flowdis.baselines.total_correlation import (
    Decomposition,
    decompose,
    gaussian_total_correlation,
    log_sample_weights,
    permuted_dimensions,
)
from flowdis.baselines.vae import BetaVAE

__all__ = [
    "BetaTCVAE",
    "BetaVAE",
    "Decomposition",
    "Discriminator",
    "FactorVAE",
    "SlowVAE",
    "TopographicVAE",
    "ascend",
    "classifier_normals",
    "decompose",
    "fit_flows",
    "gaussian_total_correlation",
    "laplace_kl",
    "log_sample_weights",
    "mean_differences",
    "permuted_dimensions",
    "roll_flows",
]

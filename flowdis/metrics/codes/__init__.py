"""Metrics of codes against ground-truth factors: arrays in, scores with all their detail out."""

from flowdis.metrics.codes.beta_vae import BetaVae, beta_vae
from flowdis.metrics.codes.bootstrap import Interval
from flowdis.metrics.codes.dci import Dci, dci
from flowdis.metrics.codes.discretise import discretise
from flowdis.metrics.codes.explicitness import Explicitness, explicitness
from flowdis.metrics.codes.factor_vae import FactorVae, factor_vae
from flowdis.metrics.codes.infomec import Infomec, infomec
from flowdis.metrics.codes.information import Information, differential_entropies, measure
from flowdis.metrics.codes.inputs import CodesLike, Table, read
from flowdis.metrics.codes.irs import Irs, irs
from flowdis.metrics.codes.mig import Mig, mig
from flowdis.metrics.codes.modularity import Modularity, modularity
from flowdis.metrics.codes.results import Result
from flowdis.metrics.codes.sap import Sap, sap
from flowdis.metrics.codes.together import METRICS, AllMetrics, all_metrics
from flowdis.metrics.codes.udr import Udr, udr

__all__ = [
    "CodesLike",
    "Table",
    "read",
    "discretise",
    "Information",
    "measure",
    "differential_entropies",
    "Interval",
    "Result",
    "mig",
    "Mig",
    "dci",
    "Dci",
    "sap",
    "Sap",
    "beta_vae",
    "BetaVae",
    "factor_vae",
    "FactorVae",
    "modularity",
    "Modularity",
    "explicitness",
    "Explicitness",
    "infomec",
    "Infomec",
    "irs",
    "Irs",
    "udr",
    "Udr",
    "all_metrics",
    "AllMetrics",
    "METRICS",
]

"""Disentanglement by latent flows: transformations learned as velocity fields, edited with, and measured.

Example:
    >>> import flowdis as fd
    >>> rotate, hue = fd.flows({"rotate": fd.Unit("degree", 45.0), "hue": fd.Unit("degree", 90.0)})
    >>> (rotate(45) >> hue(180)).amounts.tolist()
    [[1.0, 0.0], [0.0, 2.0]]
"""

from flowdis import data, metrics, plots, waves
from flowdis.dynamics import FlowError, Lattice, Overdamped, Solver, Trajectory, Underdamped, transport
from flowdis.editing import decode, edit, encode, trajectory
from flowdis.fields import (
    FIELDS,
    AutogradField,
    ConstantField,
    FieldBank,
    GuidedField,
    HelmholtzField,
    LinearField,
    PotentialField,
    SolenoidalField,
    VanishingGradientError,
    WaveField,
)
from flowdis.models import (
    CodeDensity,
    LatentFlow,
    LatentFlowConfig,
    Posterior,
    WaveMachine,
    WaveMachineConfig,
    guide,
    load,
)
from flowdis.objectives import Weights, bound
from flowdis.orbits import canonicalize, invariant
from flowdis.paths import Flow, Path, Unit, flows, parse_path
from flowdis.training import AttributeConfig, Trainer, TrainingConfig, fit_attribute_flows
from flowdis.training.recipes import RECIPES, Recipe, recipe

__version__ = "0.1.0"

__all__ = [
    "Path",
    "Flow",
    "Unit",
    "flows",
    "parse_path",
    "FIELDS",
    "FieldBank",
    "PotentialField",
    "SolenoidalField",
    "HelmholtzField",
    "WaveField",
    "LinearField",
    "ConstantField",
    "AutogradField",
    "GuidedField",
    "VanishingGradientError",
    "Overdamped",
    "Underdamped",
    "Lattice",
    "Solver",
    "transport",
    "Trajectory",
    "FlowError",
    "load",
    "LatentFlow",
    "LatentFlowConfig",
    "Posterior",
    "CodeDensity",
    "WaveMachine",
    "WaveMachineConfig",
    "bound",
    "Weights",
    "Trainer",
    "TrainingConfig",
    "RECIPES",
    "Recipe",
    "recipe",
    "AttributeConfig",
    "fit_attribute_flows",
    "guide",
    "edit",
    "encode",
    "decode",
    "trajectory",
    "invariant",
    "canonicalize",
    "data",
    "metrics",
    "plots",
    "waves",
    "__version__",
]

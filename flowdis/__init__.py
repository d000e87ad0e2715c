"""Disentanglement by latent flows: transformations as velocity fields, learned, edited with, and measured.

Example:
    >>> import flowdis as fd
    >>> rotate, hue = fd.flows({"rotate": fd.Unit("degree", 45.0), "hue": fd.Unit("degree", 90.0)})
    >>> (rotate(45) >> hue(180)).amounts.tolist()
    [[1.0, 0.0], [0.0, 2.0]]
"""

from __future__ import annotations

from flowdis import data
from flowdis.paths import Flow, Path, Unit, flows, parse_path
from flowdis.fields import (  # isort: skip
    FIELDS,
    AutogradField,
    ConstantField,
    FieldBank,
    HelmholtzField,
    LinearField,
    PotentialField,
    SolenoidalField,
    VelocityField,
)
from flowdis.dynamics import FlowError, Overdamped, Solver, Trajectory, transport

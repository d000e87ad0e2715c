"""Dynamics: how a latent distribution is pushed along a path."""

from flowdis.dynamics.base import Dynamics, FlowError
from flowdis.dynamics.overdamped import Overdamped
from flowdis.dynamics.solver import SOLVERS, Solver
from flowdis.dynamics.transport import Trajectory, frame_times, transport

DYNAMICS = {"overdamped": Overdamped}

__all__ = [
    "DYNAMICS",
    "SOLVERS",
    "Dynamics",
    "FlowError",
    "Overdamped",
    "Solver",
    "Trajectory",
    "frame_times",
    "transport",
]

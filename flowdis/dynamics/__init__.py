"""Dynamics: how a latent distribution is pushed along a path."""

from flowdis.dynamics.base import Dynamics, FlowError
from flowdis.dynamics.couplings import COUPLINGS
from flowdis.dynamics.lattice import INTEGRATORS, Lattice
from flowdis.dynamics.lattice_stability import Stability
from flowdis.dynamics.lattice_steps import nwm_step
from flowdis.dynamics.overdamped import Overdamped
from flowdis.dynamics.solver import SOLVERS, Solver
from flowdis.dynamics.splitting import advance
from flowdis.dynamics.transport import Trajectory, frame_times, transport
from flowdis.dynamics.underdamped import Underdamped

DYNAMICS: dict[str, type[Overdamped] | type[Underdamped]] = {"overdamped": Overdamped, "underdamped": Underdamped}

__all__ = [
    "COUPLINGS",
    "DYNAMICS",
    "INTEGRATORS",
    "SOLVERS",
    "Dynamics",
    "FlowError",
    "Lattice",
    "Overdamped",
    "Solver",
    "Stability",
    "Trajectory",
    "Underdamped",
    "advance",
    "frame_times",
    "nwm_step",
    "transport",
]

"""The double pendulum, whose kinetic energy depends on its angles, so that it takes an implicit integrator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_last, check_positive

__all__ = ["DoublePendulum"]

_States = Float[Tensor, "*batch 4"]
_Pairs = Float[Tensor, "*batch 2"]
_Matrices = Float[Tensor, "*batch 2 2"]
_Scalars = Float[Tensor, "*batch"]
_Places = Float[Tensor, "*batch 2 2"]


@dataclass(frozen=True)
class DoublePendulum:
    r"""A pendulum that hangs from another one; q are the angles of both rods from where they hang down.

    .. math:: H = p^T M(q)^{-1} p / 2 - (m_1 + m_2) g l_1 \cos q_1 - m_2 g l_2 \cos q_2, \qquad
        M = \begin{pmatrix} (m_1 + m_2) l_1^2 & m_2 l_1 l_2 \cos(q_1 - q_2) \\
        m_2 l_1 l_2 \cos(q_1 - q_2) & m_2 l_2^2 \end{pmatrix}

    Arguments:
        weights: The masses m_1 and m_2.
        gravity: The acceleration g.
        lengths: The lengths l_1 and l_2 of the rods, which have no mass.
    """

    weights: tuple[float, float] = (0.5, 0.5)
    gravity: float = 3.0
    lengths: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        check_positive("gravity", self.gravity)
        for name in ("weights", "lengths"):
            for value in getattr(self, name):
                check_positive(name, value)

    def energy(self, states: _States) -> _Scalars:
        """The energy H of states, with shape (*, 4)."""
        check_last("states", states, 4, "4 positions and momenta")
        momenta = states[..., 2:]
        kinetic = 0.5 * (momenta * self.slopes(states)[..., :2]).sum(-1)
        torques = states.new_tensor(self._torques)
        return kinetic - (torques * states[..., :2].cos()).sum(-1)

    def slopes(self, states: _States) -> _States:
        """How states change without friction, (dH/dp, -dH/dq), with shape (*, 4)."""
        q_1, q_2, p_1, p_2 = states.unbind(-1)
        first, between, second = self._inertia
        apart = q_1 - q_2
        both = between * apart.cos()
        spread = first * second - both.square()
        v_1 = (second * p_1 - both * p_2) / spread
        v_2 = (first * p_2 - both * p_1) / spread
        twist = between * apart.sin() * v_1 * v_2
        g_1, g_2 = self._torques
        return torch.stack([v_1, v_2, -twist - g_1 * q_1.sin(), twist - g_2 * q_2.sin()], -1)

    def inverse_masses(self, positions: _Pairs) -> _Matrices:
        """The inverse of M(q), with shape (*, 2, 2)."""
        first, between, second = self._inertia
        both = between * (positions[..., 0] - positions[..., 1]).cos()
        entries = [torch.full_like(both, second), -both, -both, torch.full_like(both, first)]
        return torch.stack(entries, -1).unflatten(-1, (2, 2)) / (first * second - both**2)[..., None, None]

    def places(self, states: _States) -> _Places:
        """Where in the plane both masses are, x to the right and y up; the pivot is at (0, 0)."""
        angles = states[..., :2]
        rods = torch.stack([angles.sin(), -angles.cos()], -1) * states.new_tensor(self.lengths)[:, None]
        return rods.cumsum(-2)

    @property
    def _torques(self) -> tuple[float, float]:
        """The weight of each rod with all that hangs on it, times its length."""
        (m_1, m_2), (l_1, l_2) = self.weights, self.lengths
        return (m_1 + m_2) * self.gravity * l_1, m_2 * self.gravity * l_2

    @property
    def _inertia(self) -> tuple[float, float, float]:
        """M_11, what stands before the cosine in M_12, and M_22."""
        (m_1, m_2), (l_1, l_2) = self.weights, self.lengths
        return (m_1 + m_2) * l_1**2, m_2 * l_1 * l_2, m_2 * l_2**2

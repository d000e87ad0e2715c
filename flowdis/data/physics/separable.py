r"""Mechanical systems whose energy is kinetic plus potential, H = sum_i p_i^2 / (2 m_i) + V(q).

States are [positions, momenta], positions first. With friction f, as in the Hamiltonian dynamics suite (Botev et al.
2021, arXiv 2111.05458),

.. math:: \dot q = \partial H / \partial p, \qquad \dot p = - \partial H / \partial q - f \, \partial H / \partial p,

so that energy falls at the rate f |dH/dp|^2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_last, check_positive

__all__ = ["Bodies", "Pendulum", "SeparableSystem", "Spring"]

_States = Float[Tensor, "*batch S"]
_Positions = Float[Tensor, "*batch P"]
_Scalars = Float[Tensor, "*batch"]
_Places = Float[Tensor, "*batch bodies 2"]


class SeparableSystem(ABC):
    """A system of P coordinates with constant masses and a potential."""

    @property
    @abstractmethod
    def masses(self) -> tuple[float, ...]:
        """The mass, or moment of inertia, of each coordinate."""

    @abstractmethod
    def potential(self, positions: _Positions) -> _Scalars:
        """The potential energy V(q)."""

    @abstractmethod
    def force(self, positions: _Positions) -> _Positions:
        """The force -dV/dq."""

    @abstractmethod
    def places(self, states: _States) -> _Places:
        """Where in the plane each body is, x to the right and y up."""

    def energy(self, states: _States) -> _Scalars:
        """The energy H of states, with shape (*, 2 P)."""
        size = len(self.masses)
        check_last("states", states, 2 * size, f"2 P={2 * size} positions and momenta")
        positions, momenta = states[..., :size], states[..., size:]
        return (momenta**2 / (2 * states.new_tensor(self.masses))).sum(-1) + self.potential(positions)


@dataclass(frozen=True)
class Spring(SeparableSystem):
    """A mass on a spring that moves up and down, H = p^2 / (2 m) + k q^2 / 2.

    Arguments:
        stiffness: The stiffness k.
        mass: The mass m.
    """

    stiffness: float = 2.0
    mass: float = 0.5

    def __post_init__(self) -> None:
        check_positive("stiffness", self.stiffness)
        check_positive("mass", self.mass)

    @property
    def masses(self) -> tuple[float, ...]:
        """See `SeparableSystem.masses`."""
        return (self.mass,)

    def potential(self, positions: _Positions) -> _Scalars:
        """See `SeparableSystem.potential`."""
        return 0.5 * self.stiffness * positions[..., 0] ** 2

    def force(self, positions: _Positions) -> _Positions:
        """See `SeparableSystem.force`."""
        return -self.stiffness * positions

    def places(self, states: _States) -> _Places:
        """See `SeparableSystem.places`: (0, q)."""
        height = states[..., 0]
        return torch.stack([torch.zeros_like(height), height], -1)[..., None, :]


@dataclass(frozen=True)
class Pendulum(SeparableSystem):
    """A mass on a rod, H = p^2 / (2 m l^2) + m g l (1 - cos q), q the angle from where it hangs down.

    Arguments:
        mass: The mass m.
        gravity: The acceleration g.
        length: The length l of the rod, which has no mass.
    """

    mass: float = 0.5
    gravity: float = 3.0
    length: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mass", "gravity", "length"):
            check_positive(name, getattr(self, name))

    @property
    def masses(self) -> tuple[float, ...]:
        """See `SeparableSystem.masses`: the moment of inertia."""
        return (self.mass * self.length**2,)

    def potential(self, positions: _Positions) -> _Scalars:
        """See `SeparableSystem.potential`."""
        return self.mass * self.gravity * self.length * (1 - positions[..., 0].cos())

    def force(self, positions: _Positions) -> _Positions:
        """See `SeparableSystem.force`."""
        return -self.mass * self.gravity * self.length * positions.sin()

    def places(self, states: _States) -> _Places:
        """See `SeparableSystem.places`; the pivot is at (0, 0)."""
        angle = states[..., :1]
        return self.length * torch.stack([angle.sin(), -angle.cos()], -1)


@dataclass(frozen=True)
class Bodies(SeparableSystem):
    r"""Bodies in a plane that attract each other, H = sum |p_i|^2 / (2 m_i) - sum_{i<j} g m_i m_j / r_ij.

    The positions are (x_1, y_1, x_2, y_2, ..), and r_ij^2 = |q_i - q_j|^2 + softening^2.

    Arguments:
        weights: The mass m_i of each body.
        gravity: The constant g.
        softening: A length that keeps the force finite where bodies meet; 0 for Newton's law.
    """

    weights: tuple[float, ...] = (1.0, 1.0)
    gravity: float = 1.0
    softening: float = 0.0

    def __post_init__(self) -> None:
        if len(self.weights) < 2:
            raise ValueError(f"`weights` must be of two bodies or more, got {self.weights}")
        for weight in self.weights:
            check_positive("weights", weight)
        check_positive("gravity", self.gravity)
        check_positive("softening", self.softening, zero=True)

    @property
    def masses(self) -> tuple[float, ...]:
        """See `SeparableSystem.masses`."""
        return tuple(weight for weight in self.weights for _ in "xy")

    def potential(self, positions: _Positions) -> _Scalars:
        """See `SeparableSystem.potential`."""
        _, nearness = self._pairs(positions)
        return -(self._products.to(positions) * nearness).sum(-1)

    def force(self, positions: _Positions) -> _Positions:
        """See `SeparableSystem.force`."""
        gaps, nearness = self._pairs(positions)
        pulls = gaps * (self._products.to(positions) * nearness * nearness.square())[..., None]
        return pulls.flatten(-2) @ -self._differences.to(positions)

    def places(self, states: _States) -> _Places:
        """See `SeparableSystem.places`."""
        return states[..., : 2 * len(self.weights)].unflatten(-1, (len(self.weights), 2))

    def _pairs(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Of each pair: the vector between them, and 1 / r_ij."""
        gaps = (positions @ self._differences.to(positions).T).unflatten(-1, (-1, 2))
        return gaps, (gaps.square().sum(-1) + self.softening**2).rsqrt()

    @cached_property
    def _products(self) -> Tensor:
        """G m_i m_j of each pair."""
        return torch.tensor([self.gravity * a * b for a, b in combinations(self.weights, 2)], dtype=torch.float64)

    @cached_property
    def _differences(self) -> Tensor:
        """The matrix (2 pairs, 2 bodies) that takes positions to the vectors between them."""
        pairs = list(combinations(range(len(self.weights)), 2))
        rows = torch.zeros(len(pairs), len(self.weights), dtype=torch.float64)
        for row, (i, j) in enumerate(pairs):
            rows[row, i], rows[row, j] = 1.0, -1.0
        return torch.kron(rows, torch.eye(2, dtype=torch.float64))

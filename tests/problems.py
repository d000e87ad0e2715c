"""Flows whose velocity, map and log-determinant are known in closed form, for tests to compare with.

Each starts at time 0: `flow(z, t)` is where z is at time t, and `log_det(t)` is log |det d flow(z, t) / dz|.
Called with (z, t) it gives the velocity, so that a problem is itself a field; `bank()` makes a bank of that
one field, named "flow".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowdis.fields import AutogradField, FieldBank, LinearField

__all__ = ["Linear", "Plane", "Quadratic", "Radial", "Rotation", "hamilton_jacobi_problems"]


class _Module(nn.Module):
    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        return self.function(z, t)


def _linear_bank(matrix: Tensor) -> FieldBank:
    bank = LinearField(("flow",), matrix.shape[-1]).to(matrix)
    bank.load_state_dict({"matrix": matrix.unsqueeze(0)})
    return bank


def _trailing(t: float | Tensor, axes: int) -> Tensor:
    t = torch.as_tensor(t, dtype=torch.float64)
    return t.reshape((*t.shape, *[1] * axes))


@dataclass(frozen=True, eq=False)
class Linear:
    """dz/dt = A z, whose map is exp(t A)."""

    matrix: Tensor

    def __call__(self, z: Tensor, t: float | Tensor) -> Tensor:
        return z @ self.matrix.mT

    def velocity_and_divergence(self, z: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        return self(z, t), self.matrix.trace().expand(z.shape[:-1])

    def flow(self, z: Tensor, t: float) -> Tensor:
        return z @ torch.linalg.matrix_exp(t * self.matrix).mT

    def log_det(self, t: float) -> Tensor:
        return t * self.matrix.trace()

    def bank(self) -> FieldBank:
        return _linear_bank(self.matrix)


@dataclass(frozen=True)
class Rotation:
    """Turning of the first two of `dim` coordinates at `speed` radians per unit time."""

    speed: float = 1.0
    dim: int = 2

    @property
    def matrix(self) -> Tensor:
        matrix = torch.zeros(self.dim, self.dim, dtype=torch.float64)
        matrix[0, 1], matrix[1, 0] = -self.speed, self.speed
        return matrix

    def __call__(self, z: Tensor, t: float | Tensor) -> Tensor:
        rest = torch.zeros_like(z[..., 2:])
        return torch.cat([-self.speed * z[..., 1:2], self.speed * z[..., :1], rest], dim=-1)

    def velocity_and_divergence(self, z: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        return self(z, t), z.new_zeros(z.shape[:-1])

    def flow(self, z: Tensor, t: float) -> Tensor:
        cos, sin = math.cos(self.speed * t), math.sin(self.speed * t)
        x, y = z[..., :1], z[..., 1:2]
        return torch.cat([cos * x - sin * y, sin * x + cos * y, z[..., 2:]], dim=-1)

    def log_det(self, t: float) -> Tensor:
        return torch.zeros((), dtype=torch.float64)

    def bank(self) -> FieldBank:
        return _linear_bank(self.matrix)


@dataclass(frozen=True, eq=False)
class Radial:
    """Straight rays from a: u = |z - a|^2 / (2 (t + tau)) solves the Hamilton-Jacobi equation."""

    centre: Tensor
    tau: float = 1.0

    def potential(self, z: Tensor, t: float | Tensor) -> Tensor:
        return (z - self.centre).square().sum(-1) / (2 * (t + self.tau))

    def __call__(self, z: Tensor, t: float | Tensor) -> Tensor:
        return (z - self.centre) / (_trailing(t, 1) + self.tau)

    def velocity_and_divergence(self, z: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        rate = self.centre.shape[-1] / (_trailing(t, 0) + self.tau)
        return self(z, t), rate.to(z).expand(z.shape[:-1])

    def flow(self, z: Tensor, t: float) -> Tensor:
        return self.centre + (z - self.centre) * (t + self.tau) / self.tau

    def log_det(self, t: float) -> Tensor:
        return torch.tensor(self.centre.shape[-1] * math.log((t + self.tau) / self.tau), dtype=torch.float64)

    def bank(self) -> FieldBank:
        return AutogradField(("flow",), self.centre.shape[-1], [_Module(self.potential)], kind="potential")


@dataclass(frozen=True, eq=False)
class Plane:
    """A moving plane: u = k . z - |k|^2 t / 2 solves the Hamilton-Jacobi equation."""

    direction: Tensor

    def potential(self, z: Tensor, t: float | Tensor) -> Tensor:
        return z @ self.direction - 0.5 * self.direction.square().sum() * t

    def __call__(self, z: Tensor, t: float | Tensor) -> Tensor:
        return self.direction.expand(z.shape)

    def velocity_and_divergence(self, z: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        return self(z, t), z.new_zeros(z.shape[:-1])

    def flow(self, z: Tensor, t: float) -> Tensor:
        return z + t * self.direction

    def log_det(self, t: float) -> Tensor:
        return torch.zeros((), dtype=torch.float64)

    def bank(self) -> FieldBank:
        return AutogradField(("flow",), self.direction.shape[-1], [_Module(self.potential)], kind="potential")


@dataclass(frozen=True, eq=False)
class Quadratic:
    """u = z^T A (I + t A)^{-1} z / 2 solves the Hamilton-Jacobi equation, A symmetric; its map is I + t A."""

    matrix: Tensor

    def __call__(self, z: Tensor, t: float | Tensor) -> Tensor:
        inner = torch.linalg.solve(self._spread(t), z.unsqueeze(-1)).squeeze(-1)
        return inner @ self.matrix

    def potential(self, z: Tensor, t: float | Tensor) -> Tensor:
        return 0.5 * (z * self(z, t)).sum(-1)

    def velocity_and_divergence(self, z: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor]:
        rate = torch.linalg.solve(self._spread(t), self.matrix).diagonal(dim1=-2, dim2=-1).sum(-1)
        return self(z, t), rate.to(z).expand(z.shape[:-1])

    def flow(self, z: Tensor, t: float) -> Tensor:
        return z + t * z @ self.matrix

    def log_det(self, t: float) -> Tensor:
        return torch.linalg.slogdet(self._spread(t))[1]

    def bank(self) -> FieldBank:
        return AutogradField(("flow",), self.matrix.shape[-1], [_Module(self.potential)], kind="potential")

    def _spread(self, t: float | Tensor) -> Tensor:
        return torch.eye(self.matrix.shape[-1], dtype=self.matrix.dtype) + _trailing(t, 2) * self.matrix


def hamilton_jacobi_problems(dim: int = 3, seed: int = 0) -> tuple[Radial, Plane, Quadratic]:
    """The three exact solutions, in float64, with random parameters."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    vectors = torch.randn(2, dim, generator=generator, dtype=torch.float64)
    return Radial(vectors[0], 1.5), Plane(vectors[1]), Quadratic(draw @ draw.mT / dim)

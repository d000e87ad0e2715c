"""Fields that do not leave the data: where a density would fall below a level, what lowers it is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.func import jvp

from flowdis._checks import check_choice, check_positive
from flowdis._types import Latent, Scalar
from flowdis.fields.base import Divergence, FieldBank, Mix, Velocity, VelocityField

__all__ = ["WAYS", "Density", "StayingField", "StayingFields"]

WAYS = ("project", "stop")
"""What becomes of a velocity at the border: it loses what leads outward, or the whole of it ends."""

_DEPTH = 0.1  # nats: from how far below the level a latent is drawn toward it, at most


@runtime_checkable
class Density(Protocol):
    """A density of latents, differentiable twice."""

    def with_gradient(self, z: Latent) -> tuple[Scalar, Latent]:
        """The log-density (*) in nats at latents (*, D), and its gradient (*, D)."""
        ...

    def laplacian(self, z: Latent) -> Scalar:
        """The Laplacian of the log-density (*) at latents (*, D)."""
        ...


class StayingFields(FieldBank):
    r"""The fields of a bank, kept where a density is at least so high.

    The least change of a velocity v that does not let the log-density fall faster than toward its level :math:`\ell`:

    .. math:: v' = v + \lambda g, \qquad
              \lambda = \frac{\max(0, -g \cdot v - a c \, (\log p - \ell))}{|g|^2}, \qquad g = \nabla \log p

    At the level, :math:`v' = v - \min(0, v \cdot n) \, n` with n = g / |g|: what leads outward is left out. Where v
    leads inward, or log p is above the level by more than the rate of its fall over a c, nothing changes. The change
    sets in gradually, so that the field stays smooth at the level and a solver keeps its accuracy. Along the exact flow
    log p approaches the level at most exponentially. A latent that begins below it gets no lower, and while it moves is
    drawn toward it, as if from 0.1 nats below at most.

    To stop, the whole velocity is scaled down instead, so that a latent stays on its curve and comes to rest at the
    border: :math:`v' = v \, a c \max(0, \log p - \ell) / (-g \cdot v)` where that is less than v. One that begins below
    the level moves only where that leads inward.

    A flow that is changed at a border is not undone by the opposite amount.

    Arguments:
        bank: The K fields.
        density: The density.
        level: The level of log p, in nats.
        way: A name in `WAYS`.
        rate: c, per unit of amount a = sum |A_k|. The greater it is, the nearer to the level the change sets in, and
            the shorter a solver's steps must be.

    Raises:
        ValueError: if `way` is unknown, `rate` is not positive or the level is not finite.

    References:
        Ames et al. 2017, Control Barrier Function Based Quadratic Programs for Safety Critical Systems, section III.
    """

    def __init__(
        self, bank: FieldBank, density: Density, level: float, *, way: str = "project", rate: float = 12.0
    ) -> None:
        super().__init__(bank.names, bank.dim)
        check_positive("level", abs(level), zero=True)
        self.bank, self.density, self.level = bank, density, float(level)
        self.way, self.rate = check_choice("way", way, WAYS), check_positive("rate", rate)

    def bind(self, mix: Mix) -> VelocityField:
        """The mix of the bank's fields, kept in."""
        rate = self.rate * mix.amounts.abs().sum(-1)
        return StayingField(self.bank.bind(mix), self.density, self.level, rate, self.way == "stop")

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank, besides the bank and density, which the caller keeps."""
        return {"level": self.level, "way": self.way, "rate": self.rate}


@dataclass(frozen=True, eq=False)
class StayingField:
    """A bound field that is kept where a density is at least so high; see `StayingFields`.

    Arguments:
        field: The bound field.
        density: The density.
        level: The level of the log-density, in nats.
        rate: How fast it may approach its level, per unit of time, with shape (*) or broadcast to it.
        stop: Whether to scale the velocity down, rather than to project it.
    """

    field: VelocityField
    density: Density
    level: float
    rate: Tensor
    stop: bool = False

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D)."""
        change, velocity, gradient = self._change(z, s)
        return velocity * change if self.stop else velocity + change * gradient

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), exact, at the cost of one derivative along one direction."""
        velocity, divergence = self.field.velocity_and_divergence(z, s)
        z = z.expand_as(velocity).contiguous()
        _, gradient = self.density.with_gradient(z)
        along = velocity if self.stop else gradient
        outputs: Any = jvp(lambda z: self._change(z, s)[0].squeeze(-1), (z,), (along.contiguous(),))
        change, slope = outputs
        if self.stop:
            return velocity * change.unsqueeze(-1), change * divergence + slope
        lifted = velocity + change.unsqueeze(-1) * gradient
        return lifted, divergence + slope + change * self.density.laplacian(z)

    def _change(self, z: Tensor, s: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The factor (*, 1) of the velocity, or what of the gradient is added; the velocity, the gradient (*, D)."""
        velocity = self.field(z, s)
        value, gradient = self.density.with_gradient(z)
        fall = -(velocity * gradient).sum(-1, keepdim=True)
        # Derivatives along a direction of a number without axes, less a float, are of double precision (torch 2.13).
        above = (value.unsqueeze(-1) - self.level).clamp(min=0 if self.stop else -_DEPTH)
        allowed = self.rate.to(velocity).unsqueeze(-1) * above
        lack = (fall - allowed).clamp(min=0)
        if self.stop:  # where anything lacks, the density falls, so that neither the fall nor the gradient is 0
            return torch.where(lack > 0, allowed / torch.where(lack > 0, fall, 1.0), 1.0), velocity, gradient
        square = gradient.square().sum(-1, keepdim=True)
        return lack / torch.where((lack > 0) & (square > 0), square, 1.0), velocity, gradient

"""Overdamped dynamics: the latent follows the field, with or without noise (Fokker-Planck)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis._checks import check_positive
from flowdis._types import Latent, Scalar
from flowdis.fields import VelocityField

__all__ = ["Overdamped"]


@dataclass(frozen=True)
class Overdamped:
    r"""The latent itself is the state.

    It moves as

    .. math:: dz = \sum_k A_k v_k(z) \, ds + \sqrt{2T} \, dW, \qquad
              \partial_s q = -\nabla \cdot (q v) + T \nabla^2 q.

    Arguments:
        temperature: T, per unit of segment time. At 0 a sample moves on a deterministic curve and its density is
            exact; above, it follows the stochastic equation and no density is given.

    Raises:
        ValueError: if the temperature is negative or not finite.
    """

    temperature: float = 0.0

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature, zero=True)

    def lift(self, z: Latent, field: VelocityField) -> Latent:
        """Returns the latents (*, D): they are the state."""
        return z

    def lift_density(
        self, z: Latent, field: VelocityField, log_q: Scalar, generator: torch.Generator | None
    ) -> tuple[Latent, Scalar]:
        """Returns the latents (*, D) and their log-densities (*): those of the state."""
        return z, log_q

    def project(self, state: Latent) -> Latent:
        """Returns the state (*, D): it is the latent."""
        return state

    def drift(self, field: VelocityField, state: Latent, s: float | Tensor) -> Latent:
        """The field's velocity (*, D) at time s."""
        return field(state, s)

    def drift_and_divergence(self, field: VelocityField, state: Latent, s: float | Tensor) -> tuple[Latent, Scalar]:
        """The field's velocity (*, D) and divergence (*) at time s."""
        return field.velocity_and_divergence(state, s)

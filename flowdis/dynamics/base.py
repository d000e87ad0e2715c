"""What a dynamics is, and the error that every integration raises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.fields import VelocityField

__all__ = ["Densities", "Dynamics", "FlowError", "Momenta", "State"]

# The batch of states has a name of its own: it is that of the latents broadcast with that of the amounts.
State = Float[Tensor, "*states S"]
Momenta = Float[Tensor, "*states D"]
Densities = Float[Tensor, "*states"]


class FlowError(RuntimeError):
    """An integration that failed, with the flow, the sample and the time named in its message."""


@runtime_checkable
class Dynamics(Protocol):
    """How a field pushes a latent. A state is one tensor (*, S), where S is D, or 2 D with the momentum."""

    @property
    def temperature(self) -> float:
        """The temperature T >= 0 of the noise; 0 is a deterministic flow."""
        ...

    def lift(self, z: Tensor, field: VelocityField) -> Tensor:
        """Turns latents (*, D) into states (*, S) at the start of a path, whose first mix `field` is bound to."""
        ...

    def lift_density(
        self, z: Tensor, field: VelocityField, log_q: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """The same where latents have log-densities (*): states that have a density, and its logarithm (*)."""
        ...

    def project(self, state: Tensor) -> Tensor:
        """Turns states (*, S) into latents (*, D)."""
        ...

    def drift(self, field: VelocityField, state: Tensor, s: float | Tensor) -> Tensor:
        """The rate of change of the state (*, S) at time s of a segment."""
        ...

    def drift_and_divergence(self, field: VelocityField, state: Tensor, s: float | Tensor) -> tuple[Tensor, Tensor]:
        """The rate of change (*, S) with its divergence (*), in one pass."""
        ...

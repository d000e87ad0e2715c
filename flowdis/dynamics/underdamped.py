"""Underdamped dynamics: the latent has inertia, and the field pushes its momentum (kinetic, wave-like)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis._checks import check_choice, check_floating, check_positive
from flowdis._types import Latent, Scalar
from flowdis.dynamics.base import Densities, Momenta, State
from flowdis.fields import VelocityField
from flowdis.fields.base import Divergence, Velocity

__all__ = ["STARTS", "Underdamped", "as_number"]

STARTS = ("launch", "rest")
"""How the momentum starts: at the velocity of the path's first mix, or at 0."""


def as_number(value: float | Tensor) -> float:
    """A number, whether it is learned or not."""
    return float(value.detach()) if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class Underdamped:
    r"""The state is (z, p): the latent and its momentum, in one tensor (*, 2 D), z first.

    A segment with amounts A takes the time :math:`a = \sum_k |A_k|`, along which the mix :math:`m = A / a` pushes:

    .. math:: dz = p \, dt, \qquad
              dp = \big(f \textstyle\sum_k m_k v_k(z) - g p - \kappa^2 z\big) \, dt + \sqrt{2 g T} \, dW.

    With f = g the velocity relaxes to the field's at rate g, and the motion tends to the overdamped flow for large g.
    For g < 2 kappa the latent oscillates about the origin. With g = 0 and gradient fields it is Hamiltonian, and
    reversible in time. Where v = 0, the stationary law is :math:`N(0, T / \kappa^2) \times N(0, T)`.

    Without noise the density of (z, p) grows by g D per unit of time. A momentum that is a function of z has no
    density, so where one is asked for, the momentum is drawn from :math:`N(p_0, \text{spread}^2 I)` about its start
    :math:`p_0`, and the density is that of (z, p); elsewhere the momentum starts at :math:`p_0` itself.

    Arguments:
        temperature: T, of the noise.
        damping: g, the rate at which momentum is lost; a number, or a tensor () where it is learned.
        stiffness: kappa, the frequency of the spring that holds the latent to the origin, likewise.
        coupling: f, how strongly fields push; equal to the damping where left out.
        start: "launch" for a momentum that starts at the velocity of the path's first mix, "rest" for 0. It is
            carried from segment to segment.
        spread: The standard deviation of the momentum at the start, where a density is asked for.

    Raises:
        ValueError: if a number is negative or not finite, the start is unknown, or neither damping nor coupling lets
            the fields act.

    Example:
        >>> from flowdis.fields import ConstantField
        >>> field = ConstantField.fit(("shift",), torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1))["shift"]
        >>> Underdamped(damping=3.0).drift(field, torch.tensor([0.0, 2.0]), 0.0).tolist()    # p, 3 (1 - p)
        [2.0, -3.0]
    """

    temperature: float = 0.0
    damping: float | Tensor = 2.0
    stiffness: float | Tensor = 0.0
    coupling: float | Tensor | None = None
    start: str = "launch"
    spread: float = 0.05

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature, zero=True)
        check_positive("spread", self.spread, zero=True)
        check_choice("start", self.start, STARTS)
        for name in ("damping", "stiffness", "coupling"):
            value = getattr(self, name)
            if isinstance(value, Tensor) and value.ndim > 0:
                raise ValueError(f"`{name}` must be one number, got shape {tuple(value.shape)}")
            if value is not None:
                check_positive(name, as_number(value), zero=True)
        if self.coupling is None and as_number(self.damping) == 0:
            raise ValueError("`coupling` must be given where `damping` is 0, or no field acts, got None")

    def lift(self, z: Latent, field: VelocityField) -> State:
        """States (*, 2 D) of latents (*, D) that start with the velocity of `field`, or from rest."""
        momentum = field(z, 0.0) if self.start == "launch" else torch.zeros_like(z)
        return torch.cat([z.expand_as(momentum), momentum], dim=-1)

    def lift_density(
        self, z: Latent, field: VelocityField, log_q: Scalar, generator: torch.Generator | None
    ) -> tuple[State, Densities]:
        """States (*, 2 D) whose momentum is drawn about its start, with the log-density (*) of (z, p).

        Arguments:
            z: The latents, with shape (*, D).
            field: The first mix of the path.
            log_q: The log-density of the latents, with shape (*).
            generator: The source of the draw.

        Raises:
            ValueError: if `spread` is 0, as the momentum then has no density, or no generator is given.
        """
        if self.spread == 0:
            raise ValueError("`log_q` must be left out where `spread` is 0: a momentum without spread has no density")
        if generator is None:
            raise ValueError("`generator` must be given where `log_q` is: the momentum is drawn, got None")
        state = self.lift(z, field)
        position, momentum = state.chunk(2, dim=-1)
        noise = torch.randn(momentum.shape, dtype=z.dtype, device=generator.device, generator=generator).to(z.device)
        size = z.shape[-1] * math.log(2 * math.pi * self.spread**2)
        drawn = torch.cat([position, momentum + self.spread * noise], dim=-1)
        return drawn, log_q - 0.5 * (noise.square().sum(-1) + size)

    def project(self, state: State) -> Momenta:
        """The latents (*, D) of states (*, 2 D)."""
        return self._parts(state)[0]

    def momentum(self, state: State) -> Momenta:
        """The momenta (*, D) of states (*, 2 D)."""
        return self._parts(state)[1]

    def force(self, field: VelocityField, z: Latent, time: float | Tensor) -> Velocity:
        """What pushes a latent (*, D), damping and noise apart: f v(z, t) - kappa^2 z."""
        coupling = self.damping if self.coupling is None else self.coupling
        push = coupling * field(z, time)
        # A fixed stiffness of 0, the default, costs nothing.
        return push if isinstance(self.stiffness, float) and self.stiffness == 0 else push - self.stiffness**2 * z

    def drift(self, field: VelocityField, state: State, s: float | Tensor) -> Velocity:
        """The rate of change (*, 2 D) per unit of time, of a field bound to a mix of unit size."""
        z, p = self._parts(state)
        rate = self.force(field, z, s) - self.damping * p
        return torch.cat([p.expand_as(rate), rate], dim=-1)

    def drift_and_divergence(
        self, field: VelocityField, state: State, s: float | Tensor
    ) -> tuple[Velocity, Divergence]:
        """The same, with its divergence (*): -g D, whatever the field."""
        rate = self.drift(field, state, s)
        divergence = -self.damping * (rate.shape[-1] // 2) * rate.new_ones(rate.shape[:-1])
        return rate, divergence

    def energy(self, state: State, potential: float | Densities = 0.0) -> Densities:
        r"""The energy :math:`|p|^2 / 2 + \kappa^2 |z|^2 / 2 - f u(z)` (*), which falls at the rate :math:`g |p|^2`.

        Arguments:
            state: The states, with shape (*, 2 D).
            potential: The mix's potential u(z), with shape (*), where the fields have one.
        """
        z, p = self._parts(state)
        coupling = self.damping if self.coupling is None else self.coupling
        return 0.5 * (p.square().sum(-1) + self.stiffness**2 * z.square().sum(-1)) - coupling * potential

    def _parts(self, state: Tensor) -> tuple[Tensor, Tensor]:
        check_floating("state", state)
        if state.ndim < 1 or state.shape[-1] % 2:
            raise ValueError(
                f"`state` must end in 2 D numbers, latents and then momenta, got shape {tuple(state.shape)}"
            )
        z, p = state.chunk(2, dim=-1)
        return z, p

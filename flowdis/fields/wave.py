r"""Wave fields: gradients of potentials that solve the damped wave equation by construction.

.. math:: u_{tt} + g u_t = c^2 \Delta u

Without damping, waves along ridges solve it for every profile S (d'Alembert):

.. math:: u(z, t) = \sum_h a_h S(w_h \cdot z + b_h \mp c |w_h| t).

With damping, modes do, whose amplitudes :math:`T_h` are damped oscillators of stiffness :math:`c^2 |w_h|^2`, under-,
critically or overdamped as :math:`c |w_h|` is above, at or below g / 2:

.. math:: u(z, t) = \sum_h T_h(t) \cos(w_h \cdot z + b_h).

Reference: Song, Keller, Sebe and Welling 2023, arXiv:2304.12944, who pull the residual down by a penalty; here it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowdis._checks import check_choice, check_last, check_positive
from flowdis._types import Latent
from flowdis.fields.base import Divergence, FieldBank, Mix, Velocity, VelocityField
from flowdis.fields.modes import Modes
from flowdis.fields.potential import Potentials, Velocities
from flowdis.fields.ridge import RidgeMix, log_cosh

__all__ = ["PROFILES", "ModeMix", "WaveField"]

PROFILES = ("log_cosh", "cosine")
"""The shapes of waves: ridges of S = log cosh, undamped, or modes."""

_SPEED = 0.3  # as of ridge fields: |v| starts at about 0.2 where |z| is sqrt(D)


@dataclass(frozen=True, eq=False)
class _Waves:
    """K potentials (*, K) with their gradients (*, K, D), Laplacians (*, K), and first two derivatives by time."""

    potential: Tensor
    gradient: Tensor
    laplacian: Tensor
    rate: Tensor
    acceleration: Tensor


class WaveField(FieldBank):
    r"""K gradient fields :math:`v = \nabla u` of waves, each with a speed and a damping of its own, learned.

    A field that starts from rest has :math:`\nabla u(z, 0) = 0`. Undamped, its u is odd in t: along the wave itself,
    going to time -t would lead where going to t does. So a clock counts the time from rest either way, and the
    velocity is :math:`\nabla u(z, |t|)`: a negative amount negates the field (`Path.opposite`), and a clock that runs
    back to 0 undoes the motion (`~path`). They are two things.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        hidden: The number of units of each potential.
        profile: A name in `PROFILES`.
        damped: Whether dampings are learned, which needs the profile "cosine"; 0 otherwise.
        rest: Whether waves start from rest.
        speed: What the speeds c start at.
        damping: What the dampings g start at.
        generator: The source of the initial weights.

    Raises:
        ValueError: if the profile is unknown or cannot be damped, or a number is not positive.

    Example:
        >>> bank = WaveField(("rotate", "hue"), 4, hidden=8, profile="cosine", damped=True)
        >>> residual = bank.wave_residual(torch.ones(5, 4), torch.full((5, 2), 0.7))
        >>> residual.shape, bool((residual.abs() < 1e-6).all())
        (torch.Size([5, 2]), True)
    """

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        *,
        hidden: int = 256,
        profile: str = "log_cosh",
        damped: bool = False,
        rest: bool = False,
        speed: float = 0.5,
        damping: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(names, dim)
        check_choice("profile", profile, PROFILES)
        check_positive("speed", speed)
        check_positive("damping", damping)
        if hidden < 1:
            raise ValueError(f"`hidden` must be >= 1, got {hidden}")
        if damped and profile != "cosine":
            raise ValueError(f"`profile` must be cosine for damped waves, got {profile!r}")
        self.hidden, self.profile, self.damped, self.rest = hidden, profile, damped, rest
        self.initial = {"speed": speed, "damping": damping}
        count = len(self.names)

        def normal(*shape: int, std: float) -> nn.Parameter:
            return nn.Parameter(std * torch.randn(*shape, generator=generator))

        modes, size = profile == "cosine", _SPEED * hidden**-0.5
        self.weight = normal(count, hidden, dim, std=dim**-0.5)
        self.bias = normal(count, hidden, std=torch.pi if modes else 0.5)  # modes at every phase
        self.amplitude = normal(count, hidden, std=size)  # of modes from rest it is the rate that they start with
        self.rate_amplitude = normal(count, hidden, std=size) if modes and not rest else None
        self.raw_speed = nn.Parameter(torch.full((count,), _inverse_softplus(speed)))
        self.raw_damping = nn.Parameter(torch.full((count,), _inverse_softplus(damping))) if damped else None

    @property
    def speeds(self) -> Tensor:
        """The speeds c > 0 of the waves, (K)."""
        return F.softplus(self.raw_speed)

    @property
    def dampings(self) -> Tensor:
        """The dampings g >= 0 of the waves, (K)."""
        return torch.zeros_like(self.raw_speed) if self.raw_damping is None else F.softplus(self.raw_damping)

    def bind(self, mix: Mix) -> VelocityField:
        """The gradient of the mix of waves."""
        mix = _FromRest(mix.amounts, mix.clock) if self.rest else mix
        if self.profile == "cosine":
            return ModeMix(mix, self.weight.flatten(0, 1), self.bias, self.weight.square().sum(-1), self._modes())
        weight, bias, amplitude, frequency = self._ridges()
        out = amplitude.unsqueeze(-1) * weight
        trace = amplitude * weight.square().sum(-1)
        shared = mix.amounts.ndim == 1
        if shared:
            out, trace = mix.amounts[:, None, None] * out, mix.amounts[:, None] * trace
        return RidgeMix(mix, weight.flatten(0, 1), bias, frequency, out.flatten(0, 1), trace, shared)

    def potential(self, z: Latent, times: Tensor | None = None) -> Potentials:
        """The K potentials (*, K) at latents (*, D).

        Arguments:
            z: The latents, with shape (*, D).
            times: Each wave's own time, of either sign, with shape (*, K); 0 where left out.
        """
        return self._waves(z, times).potential

    def velocities(self, z: Latent, times: Tensor | None = None) -> Velocities:
        """The potentials' gradients (*, K, D): for times from 0 on, each field's velocity at an amount of 1.

        Arguments:
            z: The latents, with shape (*, D).
            times: Each wave's own time, of either sign, with shape (*, K); 0 where left out.
        """
        return self._waves(z, times).gradient

    def time_derivative(self, z: Latent, times: Tensor | None = None) -> Potentials:
        """The potentials' derivatives by their own time, (*, K).

        Arguments:
            z: The latents, with shape (*, D).
            times: Each wave's own time, of either sign, with shape (*, K); 0 where left out.
        """
        return self._waves(z, times).rate

    def wave_residual(self, z: Latent, times: Tensor | None = None) -> Potentials:
        r"""What is left of :math:`u_{tt} + g u_t - c^2 \Delta u`, (*, K): rounding alone.

        Arguments:
            z: The latents, with shape (*, D).
            times: Each wave's own time, of either sign, with shape (*, K); 0 where left out.
        """
        waves = self._waves(z, times)
        return waves.acceleration + self.dampings * waves.rate - self.speeds.square() * waves.laplacian

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank."""
        made = {"hidden": self.hidden, "profile": self.profile, "damped": self.damped, "rest": self.rest}
        return made | self.initial

    def _ridges(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Directions (K, U, D), offsets, amplitudes and frequencies (K, U) of ridges that run either way."""
        frequency = self.speeds.unsqueeze(-1) * self.weight.norm(dim=-1)
        if not self.rest:
            ways = 1 - 2 * (torch.arange(self.hidden, device=frequency.device) % 2)
            return self.weight, self.bias, self.amplitude, ways * frequency
        # Two equal waves run apart, one the other's negative, so that they cancel at time 0.
        weight, bias = (torch.cat([part, part], dim=1) for part in (self.weight, self.bias))
        amplitude, frequency = (torch.cat([part, -part], dim=1) for part in (self.amplitude, frequency))
        return weight, bias, amplitude, frequency

    def _modes(self) -> Modes:
        rate = self.rate_amplitude
        start, rate = (torch.zeros_like(self.amplitude), self.amplitude) if rate is None else (self.amplitude, rate)
        return Modes(start, rate, self.speeds.square().unsqueeze(-1) * self.weight.square().sum(-1), self.dampings)

    def _waves(self, z: Tensor, times: Tensor | None) -> _Waves:
        check_last("z", z, self.dim, f"D={self.dim}")
        count = len(self.names)
        times = z.new_zeros(count) if times is None else times
        check_last("times", times, count, f"K={count} ({', '.join(self.names)})")
        if self.profile == "cosine":
            return self._mode_waves(z, times)
        weight, bias, amplitude, frequency = self._ridges()
        phase = _phase(z, weight, bias) + frequency * times.unsqueeze(-1)
        slope = torch.tanh(phase)
        bend = amplitude * (1 - slope.square())
        return _Waves(
            (amplitude * log_cosh(phase)).sum(-1),
            torch.einsum("...kh,khd->...kd", amplitude * slope, weight),
            (bend * weight.square().sum(-1)).sum(-1),
            (amplitude * slope * frequency).sum(-1),
            (bend * frequency.square()).sum(-1),
        )

    def _mode_waves(self, z: Tensor, times: Tensor) -> _Waves:
        value, rate, acceleration = self._modes().with_derivatives(times)
        phase = _phase(z, self.weight, self.bias)
        cosine, sine = torch.cos(phase), torch.sin(phase)
        return _Waves(
            (value * cosine).sum(-1),
            torch.einsum("...kh,khd->...kd", -value * sine, self.weight),
            -(value * cosine * self.weight.square().sum(-1)).sum(-1),
            (rate * cosine).sum(-1),
            (acceleration * cosine).sum(-1),
        )


@dataclass(frozen=True, eq=False)
class ModeMix:
    """A linear mix of the gradients of K sums of modes: two matrix products, and one with a vector for the divergence.

    Arguments:
        mix: The amounts and clocks.
        weight: The modes' wave vectors w_h, with shape (K H, D).
        bias: Their phases, with shape (K, H).
        square: The squared lengths of the wave vectors, with shape (K, H).
        modes: What their amplitudes do in time.
    """

    mix: Mix
    weight: Tensor
    bias: Tensor
    square: Tensor
    modes: Modes

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D)."""
        return (torch.sin(self._phases(z)) * self._amplitudes(s).flatten(-2)) @ self.weight

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), in one pass."""
        phases, amplitudes = self._phases(z), self._amplitudes(s)
        velocity = (torch.sin(phases) * amplitudes.flatten(-2)) @ self.weight
        return velocity, (torch.cos(phases) * (amplitudes * self.square).flatten(-2)).sum(-1)

    def _phases(self, z: Tensor) -> Tensor:
        dim = self.weight.shape[-1]
        check_last("z", z, dim, f"D={dim}")
        return F.linear(z, self.weight, self.bias.flatten())

    def _amplitudes(self, s: float | Tensor) -> Tensor:
        return -self.mix.amounts.unsqueeze(-1) * self.modes.at(self.mix.times(s))


@dataclass(frozen=True, eq=False)
class _FromRest(Mix):
    """A mix whose clocks count the time from rest, whichever way."""

    def times(self, s: float | Tensor) -> Tensor:
        return super().times(s).abs()


def _phase(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(z, weight.flatten(0, 1), bias.flatten()).unflatten(-1, bias.shape)


def _inverse_softplus(value: float) -> float:
    return value + float(torch.tensor(-value, dtype=torch.float64).expm1().neg().log())

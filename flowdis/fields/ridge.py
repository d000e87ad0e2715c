r"""Ridge networks: the form that potential, solenoidal and Helmholtz fields share.

.. math:: v(z, t) = \sum_h a_h \, s(w_h \cdot z + b_h + \tau_h t) \, o_h, \qquad
    \nabla \cdot v = \sum_h a_h \, s'(w_h \cdot z + b_h + \tau_h t) \; w_h \cdot o_h, \qquad s = \tanh.

With o = w it is the gradient of :math:`u = \sum_h a_h S(w_h \cdot z + b_h + \tau_h t)`, S = log cosh. A mix
of K such fields is two matrix products over K H units; what depends on parameters alone is computed once, on
binding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowdis._checks import check_last
from flowdis._types import Latent
from flowdis.fields.base import Divergence, Mix, Velocity

__all__ = ["Ridge", "RidgeMix", "log_cosh"]

_SPEED = 0.3  # amplitudes of 0.3 / sqrt(units) give |v| of about 0.2 at |z| = sqrt(D): a flow near the identity


def log_cosh(x: Tensor) -> Tensor:
    """The antiderivative of tanh, without overflow and smooth everywhere."""
    return torch.logaddexp(x, -x) - math.log(2.0)


class Ridge(nn.Module):
    """The parameters of K ridge networks of H units each.

    Arguments:
        fields: The number K of networks.
        hidden: The number H of units of each.
        dim: The number D of inputs.
        clocked: Whether the units also depend on time.
        generator: The source of the initial weights.

    Raises:
        ValueError: if `hidden` is not positive.
    """

    time_weight: nn.Parameter | None

    def __init__(
        self,
        fields: int,
        hidden: int,
        dim: int,
        *,
        clocked: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"`hidden` must be >= 1, got {hidden}")

        def normal(*shape: int, std: float) -> nn.Parameter:
            return nn.Parameter(std * torch.randn(*shape, generator=generator))

        self.weight = normal(fields, hidden, dim, std=dim**-0.5)
        self.bias = normal(fields, hidden, std=0.5)
        self.amplitude = normal(fields, hidden, std=_SPEED * hidden**-0.5)
        self.time_weight = normal(fields, hidden, std=0.5) if clocked else None

    def phase(self, z: Tensor, times: Tensor | None) -> Tensor:
        """The units' inputs, (*, D) and times (*, K) to (*, K, H)."""
        linear = F.linear(z, self.weight.flatten(0, 1), self.bias.flatten()).unflatten(-1, self.bias.shape)
        if self.time_weight is None or times is None:
            return linear
        return linear + self.time_weight * times.unsqueeze(-1)

    def potential(self, z: Tensor, times: Tensor | None) -> Tensor:
        """The K potentials, (*, D) and times (*, K) to (*, K)."""
        return (log_cosh(self.phase(z, times)) * self.amplitude).sum(-1)

    def rates(self, z: Tensor, times: Tensor | None) -> tuple[Tensor, Tensor]:
        """The potentials' gradients (*, K, D) and time derivatives (*, K)."""
        weighted = torch.tanh(self.phase(z, times)) * self.amplitude
        gradient = torch.einsum("...kh,khd->...kd", weighted, self.weight)
        if self.time_weight is None:
            return gradient, gradient.new_zeros(gradient.shape[:-1])
        return gradient, (weighted * self.time_weight).sum(-1)

    def bind(self, mix: Mix, out: Tensor, trace: Tensor | None) -> RidgeMix:
        """The mix of K ridge fields.

        Arguments:
            mix: The amounts, one mix (K,) for all or one per sample (*, K).
            out: The directions o_h, with shape (K, H, D).
            trace: The products w_h . o_h, with shape (K, H); None if the divergence is 0 by construction.
        """
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        amplitude: Tensor = self.amplitude
        time_weight: Tensor | None = self.time_weight
        shared = mix.amounts.ndim == 1
        if shared and (moving := _moving(mix.amounts)) is not None:
            mix = Mix(mix.amounts[moving], None if mix.clock is None else mix.clock[..., moving])
            weight, bias, amplitude, out = weight[moving], bias[moving], amplitude[moving], out[moving]
            trace = None if trace is None else trace[moving]
            time_weight = None if time_weight is None else time_weight[moving]
        out = amplitude.unsqueeze(-1) * out
        trace = None if trace is None else amplitude * trace
        if shared:
            out = mix.amounts[:, None, None] * out
            trace = None if trace is None else mix.amounts[:, None] * trace
        return RidgeMix(
            mix=mix,
            weight=weight.flatten(0, 1),
            bias=bias,
            time_weight=time_weight,
            out=out.flatten(0, 1),
            trace=trace,
            shared=shared,
        )


def _moving(amounts: Tensor) -> Tensor | None:
    """The fields that a mix (K,) moves, so that an edit by one of K costs one; None for all, or where gradients ask."""
    if amounts.requires_grad or torch.compiler.is_compiling():
        return None
    moving = amounts.nonzero().squeeze(-1)
    return moving if 0 < len(moving) < len(amounts) else None


@dataclass(frozen=True, eq=False)
class RidgeMix:
    """A linear mix of K ridge fields: two matrix products, and one with a vector for the divergence.

    Arguments:
        mix: The amounts and clocks.
        weight: The units' directions w_h, with shape (K H, D).
        bias: The units' offsets, with shape (K, H).
        time_weight: The units' speeds tau_h, with shape (K, H); None if they do not depend on time.
        out: The units' velocities a_h o_h, with shape (K H, D); the amounts are in them if `shared`.
        trace: Their divergences a_h w_h . o_h, with shape (K, H), likewise; None if 0 by construction.
        shared: Whether one mix serves every sample.
    """

    mix: Mix
    weight: Tensor
    bias: Tensor
    time_weight: Tensor | None
    out: Tensor
    trace: Tensor | None
    shared: bool

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D)."""
        return self._weighted(self._units(z, s)) @ self.out

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), in one pass."""
        units = self._units(z, s)
        weighted = self._weighted(units)
        velocity = weighted @ self.out
        if self.trace is None:
            return velocity, velocity.new_zeros(velocity.shape[:-1])
        # s' = 1 - s^2, so the weighted sum of slopes is the sum of weights less that of s times weighted s.
        total = self.trace.sum() if self.shared else self.mix.amounts @ self.trace.sum(-1)
        return velocity, total - (units * weighted) @ self.trace.flatten()

    def _units(self, z: Tensor, s: float | Tensor) -> Tensor:
        dim = self.weight.shape[-1]
        check_last("z", z, dim, f"D={dim}")
        if self.time_weight is None:
            return torch.tanh(F.linear(z, self.weight, self.bias.flatten()))
        times = self.mix.times(s)
        offset = (self.bias + self.time_weight * times.unsqueeze(-1)).flatten(-2)
        if offset.ndim == 1:
            return torch.tanh(F.linear(z, self.weight, offset))
        return torch.tanh(F.linear(z, self.weight) + offset)

    def _weighted(self, units: Tensor) -> Tensor:
        if self.shared:
            return units
        return (units.unflatten(-1, self.bias.shape) * self.mix.amounts.unsqueeze(-1)).flatten(-2)

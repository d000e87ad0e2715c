r"""Deep potentials: the residual network of OT-Flow, with its gradient and Laplacian in closed form.

With the input x = (z, t),

.. math:: u(x) = q \cdot N(x) + \tfrac12 |A x|^2 + b \cdot z, \qquad
    N_0 = S(W x + c_0), \quad N_i = N_{i-1} + h S(L_i N_{i-1} + c_i), \quad h = 1 / (\text{depth} - 1),

with S = log cosh. The gradient runs backward through the layers and the trace of the Hessian forward.

Reference: Onken, Wu Fung, Li and Ruthotto 2021, arXiv:2006.00104, equation 9. Its terms that do not depend
on z are left out: they move nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowdis._checks import check_last
from flowdis._types import Latent
from flowdis.fields.base import Divergence, Mix, Velocity
from flowdis.fields.ridge import log_cosh

__all__ = ["Residual", "ResidualMix"]


class Residual(nn.Module):
    """The parameters of K residual potentials.

    Arguments:
        fields: The number K of networks.
        hidden: The width H of every layer.
        dim: The number D of inputs.
        depth: The number of layers, 2 or more: the opening one, then residual ones.
        clocked: Whether the potentials also depend on time.
        generator: The source of the initial weights.

    Raises:
        ValueError: if `hidden` is not positive or `depth` is less than 2.
    """

    time_weight: nn.Parameter | None
    time_factor: nn.Parameter | None

    def __init__(
        self,
        fields: int,
        hidden: int,
        dim: int,
        depth: int,
        *,
        clocked: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"`hidden` must be >= 1, got {hidden}")
        if depth < 2:
            raise ValueError(f"`depth` must be >= 2, got {depth}")

        def normal(*shape: int, std: float) -> nn.Parameter:
            return nn.Parameter(std * torch.randn(*shape, generator=generator))

        rank = min(10, dim + clocked)
        small = (0.05 / (rank * dim**0.5 * (1 + dim / rank) ** 0.5)) ** 0.5  # |A^T A z| of about 0.05 at |z| = sqrt(D)
        self.step = 1 / (depth - 1)
        self.weight = normal(fields, hidden, dim, std=dim**-0.5)
        self.bias = normal(fields, hidden, std=0.5)
        self.layers = normal(depth - 1, fields, hidden, hidden, std=hidden**-0.5)
        self.layer_bias = normal(depth - 1, fields, hidden, std=0.5)
        self.readout = normal(fields, hidden, std=0.2 * hidden**-0.5)
        self.factor = normal(fields, rank, dim, std=small)
        self.slope = normal(fields, dim, std=0.05 * dim**-0.5)
        self.time_weight = normal(fields, hidden, std=0.5) if clocked else None
        self.time_factor = normal(fields, rank, std=small) if clocked else None

    def potential(self, z: Tensor, times: Tensor | None) -> Tensor:
        """The K potentials, (*, D) and times (*, K) to (*, K)."""
        state, _ = self._forward(z, times)
        network = (self.readout * state).sum(-1)
        return network + 0.5 * self._squeezed(z, times).square().sum(-1) + z @ self.slope.mT

    def rates(self, z: Tensor, times: Tensor | None) -> tuple[Tensor, Tensor]:
        """The potentials' gradients (*, K, D) and time derivatives (*, K)."""
        _, units = self._forward(z, times)
        opening = units[0] * self._backward(units)[0]
        squeezed = self._squeezed(z, times)
        gradient = self._gradient(opening, squeezed)
        if self.time_weight is None or self.time_factor is None:
            return gradient, gradient.new_zeros(gradient.shape[:-1])
        return gradient, (opening * self.time_weight).sum(-1) + (squeezed * self.time_factor).sum(-1)

    def gradient_and_laplacian(self, z: Tensor, times: Tensor | None) -> tuple[Tensor, Tensor]:
        """The potentials' gradients (*, K, D) and Laplacians (*, K)."""
        _, units = self._forward(z, times)
        backward = self._backward(units)
        gradient = self._gradient(units[0] * backward[0], self._squeezed(z, times))
        bends = [(1 - unit.square()) * below for unit, below in zip(units, backward, strict=True)]
        laplacian = (bends[0] * self.weight.square().sum(-1)).sum(-1) + self.factor.square().sum((-2, -1))
        jacobian = units[0].unsqueeze(-1) * self.weight
        for layer, unit, bend in zip(self.layers, units[1:], bends[1:], strict=True):
            inner = layer @ jacobian
            laplacian = laplacian + self.step * (bend * inner.square().sum(-1)).sum(-1)
            jacobian = jacobian + self.step * unit.unsqueeze(-1) * inner
        return gradient, laplacian

    def _forward(self, z: Tensor, times: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """The last state (*, K, H), and every layer's tanh (*, K, H)."""
        phase = torch.einsum("...d,khd->...kh", z, self.weight) + self.bias
        if self.time_weight is not None and times is not None:
            phase = phase + self.time_weight * times.unsqueeze(-1)
        state, units = log_cosh(phase), [torch.tanh(phase)]
        for layer, bias in zip(self.layers, self.layer_bias, strict=True):
            phase = torch.einsum("...kh,kgh->...kg", state, layer) + bias
            state = state + self.step * log_cosh(phase)
            units.append(torch.tanh(phase))
        return state, units

    def _backward(self, units: list[Tensor]) -> list[Tensor]:
        """The derivative of q . N by what each layer adds, before its step, the opening first, (*, K, H)."""
        state = self.readout.expand_as(units[0])
        scaled = []
        for layer, unit in zip(reversed(self.layers), reversed(units[1:]), strict=True):
            scaled.append(state)
            state = state + self.step * torch.einsum("...kg,kgh->...kh", unit * state, layer)
        return [state, *reversed(scaled)]

    def _squeezed(self, z: Tensor, times: Tensor | None) -> Tensor:
        squeezed = torch.einsum("...d,krd->...kr", z, self.factor)
        if self.time_factor is None or times is None:
            return squeezed
        return squeezed + self.time_factor * times.unsqueeze(-1)

    def _gradient(self, opening: Tensor, squeezed: Tensor) -> Tensor:
        network = torch.einsum("...kh,khd->...kd", opening, self.weight)
        return network + torch.einsum("...kr,krd->...kd", squeezed, self.factor) + self.slope


@dataclass(frozen=True, eq=False)
class ResidualMix:
    """A linear mix of the gradients of K residual potentials.

    Arguments:
        mix: The amounts and clocks.
        network: The potentials.
    """

    mix: Mix
    network: Residual

    def __call__(self, z: Latent, s: float | Tensor) -> Velocity:
        """The velocity (*, D) at latents (*, D)."""
        gradient, _ = self.network.rates(z, self._times(z, s))
        return torch.einsum("...kd,...k->...d", gradient, self.mix.amounts)

    def velocity_and_divergence(self, z: Latent, s: float | Tensor) -> tuple[Velocity, Divergence]:
        """The velocity (*, D) and its divergence (*), in one pass."""
        gradient, laplacian = self.network.gradient_and_laplacian(z, self._times(z, s))
        velocity = torch.einsum("...kd,...k->...d", gradient, self.mix.amounts)
        return velocity, (laplacian * self.mix.amounts).sum(-1)

    def _times(self, z: Tensor, s: float | Tensor) -> Tensor | None:
        dim = self.network.weight.shape[-1]
        check_last("z", z, dim, f"D={dim}")
        return None if self.network.time_weight is None else self.mix.times(s)

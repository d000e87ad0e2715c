"""The linear oscillators of a lattice: stiffness, damping, springs to neighbours, and a gyroscopic term."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_positive
from flowdis.dynamics.fourier import Torus, turned
from flowdis.dynamics.propagators import Propagator, propagator

__all__ = ["Oscillators"]

_FREQUENCIES = (0.25, 2.0)  # of the first and the last channel where none are given


class Oscillators(nn.Module):
    r"""What of a lattice's motion is linear, and therefore solved exactly.

    .. math:: \dot z = p, \qquad \dot p = -\gamma z - \kappa L z - \alpha p + \sum_a \beta_a (p_{j + a} - p_{j - a})

    with :math:`(L z)_j = \sum_a (2 z_j - z_{j+a} - z_{j-a})`, a running over the axes. All of it is learned, one number
    for each channel (and axis); gamma, kappa and alpha stay positive.

    Arguments:
        channels: The number C of channels.
        torus: The sites.
        stiffness: The first gamma, one number or one for each channel; frequencies from 0.25 to 2 where left out.
        damping: The first alpha; 0 for none, which then stays so.
        neighbour: The first kappa; 0 for none, which then stays so.
        gyroscopic: The first beta along every axis; no such term where left out.

    Raises:
        ValueError: if a number is out of range, or there is not one stiffness for each channel.
    """

    def __init__(
        self,
        channels: int,
        torus: Torus,
        *,
        stiffness: float | Sequence[float] | None = None,
        damping: float = 0.02,
        neighbour: float = 0.1,
        gyroscopic: float | None = None,
    ) -> None:
        super().__init__()
        self.torus, axes = torus, len(torus.sides)
        check_positive("damping", damping, zero=True)
        check_positive("neighbour", neighbour, zero=True)
        self.raw_stiffness = nn.Parameter(_inverse_softplus(_each(stiffness, channels)))
        self.raw_damping = _learned(damping, channels)
        self.raw_neighbour = _learned(neighbour, channels)
        self.turn = None if gyroscopic is None else nn.Parameter(torch.full((axes * channels,), float(gyroscopic)))

    @property
    def stiffness(self) -> Float[Tensor, "C"]:
        """The stiffness gamma of each channel."""
        return functional.softplus(self.raw_stiffness)

    @property
    def damping(self) -> Float[Tensor, "C"]:
        """The damping alpha of each channel."""
        none = torch.zeros_like(self.raw_stiffness)
        return none if self.raw_damping is None else functional.softplus(self.raw_damping)

    @property
    def neighbour(self) -> Float[Tensor, "C"]:
        """The stiffness kappa of the springs to neighbours of each channel."""
        none = torch.zeros_like(self.raw_stiffness)
        return none if self.raw_neighbour is None else functional.softplus(self.raw_neighbour)

    @property
    def gyroscopic(self) -> Float[Tensor, "A C"] | None:
        """The gyroscopic term beta along each axis, None where there is none."""
        return None if self.turn is None else self.turn.reshape(len(self.torus.sides), -1)

    def waves(self) -> tuple[Tensor, Tensor]:
        """The stiffness and the damping (complex with a gyroscopic term) of each wave, both with shape (F, C)."""
        stiffness = self.torus.stiffness(self.stiffness, self.neighbour)
        return stiffness, self.torus.damping(self.damping, self.gyroscopic)

    def multipliers(self) -> tuple[Tensor, Tensor]:
        """The same for real and imaginary parts, (F, 2 C, 1), without the gyroscopic term."""
        stiffness, damping = (wave.real.repeat(1, 2).unsqueeze(-1) for wave in self.waves())
        return stiffness, damping

    def rate(self, z: Tensor, p: Tensor) -> Tensor:
        """The rate of change of momenta, on spectra (F, 2 C, B)."""
        stiffness, damping = self.multipliers()
        rate = -(stiffness * z + damping * p)
        if self.gyroscopic is None:
            return rate
        return rate - self.waves()[1].imag.repeat(1, 2).unsqueeze(-1) * turned(p)

    def propagator(self, step: float) -> Propagator:
        """The exact motion over one step; negative for the inverse."""
        return propagator(*self.waves(), step)

    def potential(self, z: Tensor) -> Tensor:
        r"""The energy (B) of springs at positions (\*sides, C, B)."""
        bends = sum((z.roll(-1, axis) - z).square() for axis in range(len(self.torus.sides)))
        energy = 0.5 * (self.stiffness[:, None] * z.square() + self.neighbour[:, None] * bends)
        return energy.flatten(0, -2).sum(0)


def _each(stiffness: float | Sequence[float] | None, channels: int) -> Tensor:
    """One positive number per channel, in float64."""
    if stiffness is None:
        low, high = (math.log(frequency) for frequency in _FREQUENCIES)
        middle = [(low + high) / 2] if channels == 1 else torch.linspace(low, high, channels, dtype=torch.float64)
        return torch.as_tensor(middle, dtype=torch.float64).exp().square()
    given = torch.as_tensor(stiffness, dtype=torch.float64).flatten()
    if given.numel() not in (1, channels):
        raise ValueError(f"`stiffness` must be one number or one for each of {channels} channels, got {given.tolist()}")
    for value in given.tolist():
        check_positive("stiffness", value)
    return given.expand(channels)


def _learned(value: float, channels: int) -> nn.Parameter | None:
    return None if value == 0 else nn.Parameter(_inverse_softplus(torch.full((channels,), value, dtype=torch.float64)))


def _inverse_softplus(value: Tensor) -> Tensor:
    """What softplus makes `value` of, in the default type."""
    return (value + torch.log(-torch.expm1(-value))).to(torch.get_default_dtype())

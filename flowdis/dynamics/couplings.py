r"""How the oscillators of a lattice drive each other: forces on spectra, with one bias per channel.

A kernel acts as convolutions of neural networks do, round the ring or torus: :math:`(w * z)_j = \sum_d w_d z_{j + d}`,
summed over the channels it reads. As the bias is shared by the sites of a channel, a force moves with the field that
it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from flowdis.dynamics.fourier import Fourier, Torus
from flowdis.dynamics.lattice_steps import Force

__all__ = ["COUPLINGS", "Conservative", "Coupling", "Dense", "Published", "Uncoupled"]


class Coupling(nn.Module):
    """A force that is the drive alone, and what every coupling tells of itself."""

    moving = False
    """Whether the force depends on momenta too."""
    local = True
    """Whether it treats all sites alike, so that it moves with the field."""

    def force(self, fourier: Fourier, drive: Tensor | None = None) -> Force:
        r"""Binds the force to a lattice and to a constant drive (\*sides, C, B)."""
        push = None if drive is None else fourier.to_spectrum(drive)
        return Force(lambda z: push)

    def potential(self, z: Tensor, fourier: Fourier) -> Tensor:
        r"""The potential energy (B) of the coupling at positions (\*sides, C, B), without the drive's.

        Raises:
            ValueError: if the force has none.
        """
        return z.new_zeros(z.shape[-1])

    def momentum_slope(self, z: Tensor, p: Tensor, fourier: Fourier, drive: Tensor | None) -> Tensor:
        r"""The derivative of the force by the momenta at fields (\*sides, C, B), with shape (B, N, N).

        Raises:
            ValueError: if the force does not depend on them.
        """
        raise ValueError(f"`coupling` must be one whose force depends on the momenta, got {type(self).__name__}")


class Uncoupled(Coupling):
    """No coupling: each oscillator is alone with its stiffness, damping and drive.

    Arguments:
        channels: The number C of channels.
        sides: The sites along each axis.
        kernel: The number of sites that a coupling reaches over; here it plays no part, as with what follows.
        strength: How strong a coupling is at first.
        least: The least stiffness of an oscillator.
        generator: The source of the initial weights.
    """

    def __init__(
        self,
        channels: int,
        sides: tuple[int, ...],
        *,
        kernel: int = 3,
        strength: float = 0.5,
        least: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()


class Conservative(Coupling):
    r"""A force that has an energy.

    .. math:: F = -w^\top * \tanh(w * z + b) + \text{drive} = -\nabla_z \big[ \textstyle\sum \log \cosh(w * z + b)
              - \text{drive} \cdot z \big]

    Arguments:
        channels: The number C of channels.
        sides: The sites along each axis.
        kernel: The number of sites along each axis that a kernel reads, odd.
        strength: The largest frequency that the coupling adds to a wave at first.
        least: The least stiffness of an oscillator, of no meaning here.
        generator: The source of the initial weights.
    """

    def __init__(
        self,
        channels: int,
        sides: tuple[int, ...],
        *,
        kernel: int = 3,
        strength: float = 0.5,
        least: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(strength * _kernel(channels, sides, kernel, generator))
        self.bias = nn.Parameter(torch.zeros(channels))

    def force(self, fourier: Fourier, drive: Tensor | None = None) -> Force:
        """See `Coupling.force`."""
        weight = fourier.torus.kernel_spectrum(self.weight)
        back, push = -weight.mT, None if drive is None else fourier.to_spectrum(drive)

        def source(z: Tensor) -> Tensor:
            pulled = fourier.to_spectrum(torch.tanh(fourier.to_field(weight @ z) + self.bias[:, None]))
            return back @ pulled if push is None else torch.baddbmm(push, back, pulled)

        return Force(source)

    def potential(self, z: Tensor, fourier: Fourier) -> Tensor:
        """See `Coupling.potential`."""
        weight = fourier.torus.kernel_spectrum(self.weight)
        pulled = fourier.to_field(weight @ fourier.to_spectrum(z)) + self.bias[:, None]
        size = pulled.abs()
        # log cosh, without overflow
        return (size + nn.functional.softplus(-2 * size) - math.log(2.0)).flatten(0, -2).sum(0)


class Published(Coupling):
    r"""The coupling of neural wave machines, :math:`F = \tanh(w_z * z + w_p * p + \text{drive} + b)`.

    It has no energy, even where its kernels are symmetric. The kernel of positions starts symmetric and small, that
    of momenta at 0, inside the region where the lattice is stable; the published initial values are not.

    Arguments:
        channels: The number C of channels.
        sides: The sites along each axis.
        kernel: The number of sites along each axis that a kernel reads, odd.
        strength: How much of the least stiffness the coupling takes away at first, below 1.
        least: The least stiffness of an oscillator.
        generator: The source of the initial weights.

    Reference: Keller and Welling 2023, Neural wave machines, ICML.
    """

    moving = True

    def __init__(
        self,
        channels: int,
        sides: tuple[int, ...],
        *,
        kernel: int = 3,
        strength: float = 0.5,
        least: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check_share(strength)
        weight = strength * least * _kernel(channels, sides, kernel, generator)
        self.weight = nn.Parameter((weight + weight.flip(tuple(range(2, weight.ndim))).transpose(0, 1)) / 2)
        self.momentum_weight = nn.Parameter(torch.zeros_like(weight))
        self.bias = nn.Parameter(torch.zeros(channels))

    def force(self, fourier: Fourier, drive: Tensor | None = None) -> Force:
        """See `Coupling.force`."""
        weight, moving = fourier.torus.kernel_spectrum(self.weight), fourier.torus.kernel_spectrum(self.momentum_weight)

        def source(z: Tensor) -> Tensor:
            field = fourier.to_field(weight @ z) + self.bias[:, None]
            return field if drive is None else field + drive

        def push(field: Tensor, p: Tensor) -> Tensor:
            return fourier.to_spectrum(torch.tanh(field + fourier.to_field(moving @ p)))

        return Force(source, push)

    def potential(self, z: Tensor, fourier: Fourier) -> Tensor:
        """See `Coupling.potential`: there is none."""
        raise _no_energy("published")

    def momentum_slope(self, z: Tensor, p: Tensor, fourier: Fourier, drive: Tensor | None) -> Tensor:
        """See `Coupling.momentum_slope`."""
        force, spectrum = self.force(fourier, drive), fourier.to_spectrum(z)
        pushed = fourier.to_field(force.value(force.source(spectrum), fourier.to_spectrum(p)))
        channels, torus = len(self.bias), fourier.torus
        unit = torch.eye(channels * torus.sites).to(z).reshape(channels, *torus.sides, -1).movedim(0, -2)
        moving = fourier.to_field(torus.kernel_spectrum(self.momentum_weight) @ fourier.to_spectrum(unit))
        return (1 - _flat(pushed).square()).mT.unsqueeze(-1) * _flat(moving)


class Dense(Coupling):
    r"""The oscillator network from which neural wave machines came, :math:`F = \tanh(W z + W' p + \text{drive} + b)`.

    Every oscillator is coupled to every other, so that no site is next to another.

    Arguments:
        channels: The number C of channels.
        sides: The sites along each axis.
        kernel: Of no meaning here.
        strength: How much of the least stiffness the coupling takes away at first, below 1.
        least: The least stiffness of an oscillator.
        generator: The source of the initial weights.

    Reference: Rusch and Mishra 2021, Coupled oscillatory recurrent neural network, arXiv 2010.00951.
    """

    moving = True
    local = False

    def __init__(
        self,
        channels: int,
        sides: tuple[int, ...],
        *,
        kernel: int = 3,
        strength: float = 0.5,
        least: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        count = channels * math.prod(sides)
        _check_share(strength)
        weight = torch.randn(count, count, generator=generator)
        self.weight = nn.Parameter(strength * least * _unit(weight + weight.mT))
        self.momentum_weight = nn.Parameter(torch.zeros(count, count))
        self.bias = nn.Parameter(torch.zeros(count))

    def force(self, fourier: Fourier, drive: Tensor | None = None) -> Force:
        """See `Coupling.force`."""
        offset = self.bias[:, None] if drive is None else self.bias[:, None] + _flat(drive)

        def source(z: Tensor) -> Tensor:
            return self.weight @ _flat(fourier.to_field(z)) + offset

        def push(field: Tensor, p: Tensor) -> Tensor:
            pushed = torch.tanh(field + self.momentum_weight @ _flat(fourier.to_field(p)))
            return fourier.to_spectrum(pushed.unflatten(0, (-1, *fourier.torus.sides)).movedim(0, -2))

        return Force(source, push)

    def potential(self, z: Tensor, fourier: Fourier) -> Tensor:
        """See `Coupling.potential`: there is none."""
        raise _no_energy("dense")

    def momentum_slope(self, z: Tensor, p: Tensor, fourier: Fourier, drive: Tensor | None) -> Tensor:
        """See `Coupling.momentum_slope`."""
        force = self.force(fourier, drive)
        pushed = force.value(force.source(fourier.to_spectrum(z)), fourier.to_spectrum(p))
        return (1 - _flat(fourier.to_field(pushed)).square()).mT.unsqueeze(-1) * self.momentum_weight


def _flat(field: Tensor) -> Tensor:
    r"""Fields (\*sides, C, B) as (N, B), channels first, as states have them."""
    return field.movedim(-2, 0).flatten(0, -2)


def _kernel(channels: int, sides: tuple[int, ...], size: int, generator: torch.Generator | None) -> Tensor:
    """Normal taps between all channels, scaled so that the largest norm of their matrices over waves is 1."""
    taps = torch.randn(channels, channels, *[size] * len(sides), generator=generator)
    return taps / torch.linalg.matrix_norm(Torus(sides).kernel_spectrum(taps), ord=2).max()


def _unit(matrix: Tensor) -> Tensor:
    """A symmetric matrix of normal numbers, scaled by the bound on its norm that Wigner's semicircle gives."""
    return matrix / (2 * math.sqrt(2 * len(matrix)) * (1 + len(matrix) ** (-2 / 3)))


def _check_share(strength: float) -> None:
    if strength >= 1:
        raise ValueError(f"`strength` must be below 1, where the coupling overcomes the stiffness, got {strength}")


def _no_energy(name: str) -> ValueError:
    return ValueError(f"`coupling` must be conservative or none for an energy, got {name}")


COUPLINGS: dict[str, Callable[..., Coupling]] = {
    "conservative": Conservative,
    "published": Published,
    "dense": Dense,
    "none": Uncoupled,
}
"""The couplings by name."""

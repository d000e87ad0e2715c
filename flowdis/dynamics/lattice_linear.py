r"""The linear part of an oscillator lattice, exactly: spectra on a ring or torus, and the propagator of each wave.

Spectra stand frequency first, (F, C, B) with channels and batch behind, so that kernels that mix channels are one
batched matrix product; fields likewise, sites first, (\*sides, C, B).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

__all__ = ["Propagator", "Torus", "propagator"]

Spectrum = Complex[Tensor, "F C B"]
Multiplier = Tensor

# Powers of s h^2 in the series of cos(sqrt(s) h) and of sin(sqrt(s) h) / (sqrt(s) h), exact to rounding below 0.3.
_NEAR, _TERMS = 0.3, 8


@dataclass(frozen=True)
class Torus:
    """A ring of N sites, or a torus of H x W: waves exp(i k j) instead of sites j.

    Arguments:
        sides: The number of sites along each axis.
    """

    sides: tuple[int, ...]

    @property
    def sites(self) -> int:
        """The number of sites of one channel."""
        return math.prod(self.sides)

    def angles(self, like: Tensor) -> list[Tensor]:
        """The wave numbers k along each axis, each with shape (F), in radians per site."""
        *others, last = self.sides
        device, dtype = like.device, like.real.dtype
        axes = [torch.fft.fftfreq(side, device=device, dtype=dtype) for side in others]
        axes.append(torch.fft.rfftfreq(last, device=device, dtype=dtype))
        return [2 * math.pi * axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")]

    def to_spectrum(self, field: Tensor) -> Tensor:
        """The spectrum (F, C, B) of a real field (*sides, C, B): the half that determines the other."""
        axes = tuple(range(len(self.sides)))
        return torch.fft.rfftn(field, dim=axes).flatten(0, len(axes) - 1)

    def to_field(self, spectrum: Tensor) -> Tensor:
        """The real field (*, *sides, C, B) of a spectrum (*, F, C, B)."""
        axes = tuple(range(-2 - len(self.sides), -2))
        halves = (*self.sides[:-1], self.sides[-1] // 2 + 1)
        return torch.fft.irfftn(spectrum.unflatten(-3, halves), s=self.sides, dim=axes)

    def kernel_spectrum(self, kernel: Tensor) -> Tensor:
        r"""The spectrum (F, O, I) of a kernel (O, I, \*sizes), :math:`\hat w(k) = \sum_d w_d e^{i k d}`.

        It acts as convolutions of neural networks do: :math:`(w * z)_j = \sum_d w_d z_{j + d}`, d counted from the
        kernel's middle.
        """
        sizes = kernel.shape[2:]
        offsets = [torch.arange(size, device=kernel.device) - size // 2 for size in sizes]
        grid = torch.meshgrid(*offsets, indexing="ij")
        reach = torch.stack([offset.flatten() for offset in grid]).to(kernel)
        turns = torch.stack(self.angles(kernel), dim=-1) @ reach
        waves = torch.polar(torch.ones_like(turns), turns)
        return torch.einsum("fd,oid->foi", waves, kernel.flatten(2).to(waves.dtype))

    def stiffness(self, on_site: Float[Tensor, "C"], neighbour: Float[Tensor, "C"] | None) -> Float[Tensor, "F C"]:
        r"""The squared frequency of each wave, :math:`\Omega^2(k) = \gamma + 4 \kappa \sum_a \sin^2(k_a / 2)`."""
        if neighbour is None:
            return on_site.expand(self.angles(on_site)[0].shape[0], -1)
        bends = 4 * (torch.stack(self.angles(on_site)) / 2).sin().square().sum(0)
        return on_site + bends[:, None] * neighbour

    def damping(self, on_site: Float[Tensor, "C"], gyroscopic: Float[Tensor, "A C"] | None) -> Tensor:
        r"""The damping of each wave with its gyroscopic turn, :math:`\alpha - 2 i \sum_a \beta_a \sin k_a`, (F, C)."""
        angles = self.angles(on_site)
        if gyroscopic is None:
            return on_site.expand(angles[0].shape[0], -1)
        turn = torch.stack([angle.sin() for angle in angles], dim=-1) @ gyroscopic
        return torch.complex(on_site.expand_as(turn), -2 * turn)


@dataclass(frozen=True, eq=False)
class Propagator:
    """What one step of the linear motion does to each wave: a 2 x 2 matrix on (position, momentum).

    Arguments:
        zz: From position to position, with shape (F, C, 1), as the others.
        zp: From momentum to position.
        pz: From position to momentum.
        pp: From momentum to momentum.
    """

    zz: Multiplier
    zp: Multiplier
    pz: Multiplier
    pp: Multiplier

    def __call__(self, z: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Moves the spectra (F, C, B) of positions and momenta by one step."""
        return torch.addcmul(self.zz * z, self.zp, p), torch.addcmul(self.pz * z, self.pp, p)


def propagator(stiffness: Tensor, damping: Tensor, step: float) -> Propagator:
    r"""The exact solution of :math:`\ddot z + a \dot z + \Omega^2 z = 0` over one step, for each wave and channel.

    With :math:`s = \Omega^2 - a^2 / 4`, C = cos(sqrt(s) h) and S = sin(sqrt(s) h) / sqrt(s),

    .. math:: \begin{pmatrix} z \\ p \end{pmatrix} \to e^{-a h / 2}
              \begin{pmatrix} C + a S / 2 & S \\ -\Omega^2 S & C - a S / 2 \end{pmatrix}
              \begin{pmatrix} z \\ p \end{pmatrix},

    smooth from under- to overdamped, gradients included; the determinant is :math:`e^{-a h}`.

    Arguments:
        stiffness: The squared frequencies, with shape (F, C).
        damping: The damping a, real, or complex with a gyroscopic turn, with shape (F, C).
        step: The time h; negative for the inverse.
    """
    turning = damping.is_complex()
    wide = torch.promote_types(stiffness.dtype, torch.complex64)
    square, half = stiffness.to(wide), damping.to(wide) / 2
    even, odd = _damped_pair(square - half.square(), half, step)
    entries = [even + half * odd, odd, -square * odd, even - half * odd]
    if not turning:
        entries = [entry.real.to(wide) for entry in entries]
    return Propagator(*(entry.unsqueeze(-1) for entry in entries))


def _damped_pair(s: Tensor, half: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """C and S times the decay, for complex s; by decaying exponentials, which do not overflow, away from s = 0."""
    x = s * step**2
    near = x.abs() < _NEAR
    small = torch.where(near, x, 0)
    decay = torch.exp(-half * step)
    cosine = decay * _series(small, [math.factorial(2 * n) for n in range(_TERMS)])
    sine = decay * step * _series(small, [math.factorial(2 * n + 1) for n in range(_TERMS)])
    root = torch.where(near, 1, s).sqrt()
    up, down = torch.exp((-half + 1j * root) * step), torch.exp((-half - 1j * root) * step)
    return torch.where(near, cosine, (up + down) / 2), torch.where(near, sine, (up - down) / (2j * root))


def _series(x: Tensor, factorials: Sequence[int]) -> Tensor:
    total = torch.zeros_like(x)
    for power in reversed(range(len(factorials))):
        total = (-1) ** power / factorials[power] + x * total
    return total

r"""The exact motion of damped oscillators over one step, wave by wave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis.dynamics.fourier import turned

__all__ = ["Propagator", "propagator"]

# Powers of s h^2 in the series of cos(sqrt(s) h) and of sin(sqrt(s) h) / (sqrt(s) h), exact to rounding below 0.3.
_NEAR, _TERMS = 0.3, 8


@dataclass(frozen=True, eq=False)
class Propagator:
    """What one step of the linear motion does to each wave: a 2 x 2 matrix on (position, momentum).

    Arguments:
        real: The real parts of its entries zz, zp, pz and pp, each (F, 2 C, 1), for the real and imaginary parts.
        imaginary: The imaginary parts alike; none where the matrix is real.
    """

    real: tuple[Tensor, ...]
    imaginary: tuple[Tensor, ...] = ()

    def __call__(self, z: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Moves the spectra (F, 2 C, B) of positions and momenta by one step."""
        zz, zp, pz, pp = self.real
        to_z, to_p = torch.addcmul(zz * z, zp, p), torch.addcmul(pz * z, pp, p)
        if self.imaginary:
            zz, zp, pz, pp = self.imaginary
            z, p = turned(z), turned(p)
            to_z = torch.addcmul(torch.addcmul(to_z, zz, z), zp, p)
            to_p = torch.addcmul(torch.addcmul(to_p, pz, z), pp, p)
        return to_z, to_p


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
    wide = torch.promote_types(stiffness.dtype, torch.complex64)
    square, half = stiffness.to(wide), damping.to(wide) / 2
    even, odd = _damped_pair(square - half.square(), half, step)
    entries = [even + half * odd, odd, -square * odd, even - half * odd]
    parts = [tuple(part.repeat(1, 2).unsqueeze(-1) for part in (entry.real, entry.imag)) for entry in entries]
    real, imaginary = zip(*parts, strict=True)
    return Propagator(real, imaginary if damping.is_complex() else ())


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

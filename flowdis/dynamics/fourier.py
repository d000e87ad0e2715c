r"""Waves on a ring or torus: fields to spectra and back, and kernels as matrices that act on waves.

A spectrum is real, (F, 2 C, B): for each wave the real parts of all channels and then the imaginary parts, batch last.
So kernels that mix channels are one batched matrix product, whose adjoint is its transpose. Fields stand sites first,
(\*sides, C, B).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Fourier", "Torus", "as_complex", "turned"]

# Up to so many sites a side, matrix products are faster than fast transforms, whose strided copies cost more.
_SHORT = 32


@dataclass(frozen=True)
class Torus:
    """A ring of n sites, or a torus of H x W.

    Arguments:
        sides: The number of sites along each axis, one or two.
    """

    sides: tuple[int, ...]

    @property
    def sites(self) -> int:
        """The number of sites of one channel."""
        return math.prod(self.sides)

    def angles(self, like: Tensor) -> Float[Tensor, "F A"]:
        """The wave numbers k of the F waves exp(i k j) along each axis, in radians per site.

        Along the first axis only those from 0 to pi: the others are their conjugates, as fields are real.
        """
        first, *others = self.sides
        turns = [torch.arange(first // 2 + 1), *((torch.arange(n) + n // 2) % n - n // 2 for n in others)]
        axes = [2 * math.pi / side * turn.to(like) for side, turn in zip(self.sides, turns, strict=True)]
        return torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")], dim=-1)

    def fourier(self, like: Tensor) -> Fourier:
        """The transforms in the type and on the device of `like`."""
        if max(self.sides) > _SHORT:
            return Fourier(self, ())
        first, *others = self.sides
        half = torch.arange(first // 2 + 1).to(like)
        turn = 2 * math.pi / first * half[:, None] * torch.arange(first).to(like)
        twice = torch.where((half == 0) | (2 * half == first), 1, 2).to(like)[:, None] / first
        cosine, sine = turn.cos(), turn.sin()
        onto = torch.stack([cosine, -sine], dim=1).flatten(0, 1)
        back = torch.stack([twice * cosine, -twice * sine], dim=1).flatten(0, 1).mT.contiguous()
        if not others:
            return Fourier(self, (onto, back))
        side = others[0]
        turn = 2 * math.pi / side * torch.arange(side).to(like)[:, None] * torch.arange(side).to(like)
        cosine, sine = turn.cos(), turn.sin()
        rows = [torch.cat([cosine, sine], dim=1), torch.cat([-sine, cosine], dim=1)]
        across = torch.stack(rows, dim=1).flatten(0, 1)
        return Fourier(self, (onto, back, across, across.mT.contiguous() / side))

    def kernel_spectrum(self, kernel: Tensor) -> Tensor:
        r"""The matrices (F, 2 O, 2 I) by which a kernel (O, I, \*sizes) acts on waves.

        It acts as convolutions of neural networks do: :math:`(w * z)_j = \sum_d w_d z_{j + d}`, d counted from the
        kernel's middle, so that :math:`\hat w(k) = \sum_d w_d e^{i k d}`.
        """
        offsets = [torch.arange(size) - size // 2 for size in kernel.shape[2:]]
        reach = torch.stack([grid.flatten() for grid in torch.meshgrid(*offsets, indexing="ij")]).to(kernel)
        turns, taps = self.angles(kernel) @ reach, kernel.flatten(2).movedim(-1, 0)
        cosine, sine = (torch.tensordot(part, taps, dims=1) for part in (turns.cos(), turns.sin()))
        return torch.cat([torch.cat([cosine, -sine], dim=-1), torch.cat([sine, cosine], dim=-1)], dim=-2)

    def stiffness(self, on_site: Float[Tensor, "C"], neighbour: Float[Tensor, "C"]) -> Float[Tensor, "F C"]:
        r"""The squared frequency of each wave, :math:`\Omega^2(k) = \gamma + 4 \kappa \sum_a \sin^2(k_a / 2)`."""
        bends = 4 * (self.angles(on_site) / 2).sin().square().sum(-1, keepdim=True)
        return on_site + bends * neighbour

    def damping(self, on_site: Float[Tensor, "C"], gyroscopic: Float[Tensor, "A C"] | None) -> Tensor:
        r"""The damping of each wave with its gyroscopic turn, :math:`\alpha - 2 i \sum_a \beta_a \sin k_a`, (F, C).

        Real where there is no such turn.
        """
        angles = self.angles(on_site)
        if gyroscopic is None:
            return on_site.expand(len(angles), -1)
        turn = angles.sin() @ gyroscopic
        return torch.complex(on_site.expand_as(turn), -2 * turn)


@dataclass(frozen=True, eq=False)
class Fourier:
    """The transforms of a torus, axis by axis: matrix products where sides are short, fast transforms where long.

    Arguments:
        torus: The sites.
        matrices: Onto half of the waves of the first axis and back, then across the second and back; none for fast
            transforms.
    """

    torus: Torus
    matrices: tuple[Tensor, ...]

    def to_spectrum(self, field: Tensor) -> Tensor:
        r"""The spectrum (F, 2 C, B) of a real field (\*sides, C, B)."""
        sides, (channels, batch) = self.torus.sides, field.shape[-2:]
        if not self.matrices:
            axes = tuple(reversed(range(len(sides))))
            waves = torch.view_as_real(torch.fft.rfftn(field, dim=axes)).movedim(-1, -3)
            return waves.reshape(-1, 2 * channels, batch)
        waves = self.matrices[0] @ field.reshape(sides[0], -1)
        if len(sides) == 2:
            waves = self.matrices[2] @ waves.reshape(-1, 2 * sides[1], channels * batch)
        return waves.reshape(-1, 2 * channels, batch)

    def to_field(self, spectrum: Tensor) -> Tensor:
        r"""The real field (\*, \*sides, C, B) of a spectrum (\*, F, 2 C, B)."""
        first, *others = self.torus.sides
        lead, (twice, batch) = spectrum.shape[:-3], spectrum.shape[-2:]
        halves = (first // 2 + 1, *others)
        if not self.matrices:
            waves = as_complex(spectrum).reshape(*lead, *halves, twice // 2, batch)
            axes = tuple(range(-3, -3 - len(halves), -1))
            return torch.fft.irfftn(waves, s=(*others, first), dim=axes)
        waves = spectrum
        if others:
            waves = self.matrices[3] @ spectrum.reshape(*lead, halves[0], 2 * others[0], -1)
        field = self.matrices[1] @ waves.reshape(*lead, 2 * halves[0], -1)
        return field.reshape(*lead, first, *others, twice // 2, batch)


def as_complex(spectrum: Tensor) -> Tensor:
    """A spectrum (*, 2 C, B) as complex numbers (*, C, B)."""
    real, imaginary = spectrum.chunk(2, dim=-2)
    return torch.complex(real.contiguous(), imaginary.contiguous())


def turned(spectrum: Tensor) -> Tensor:
    """A spectrum (*, 2 C, B) times i."""
    real, imaginary = spectrum.chunk(2, dim=-2)
    return torch.cat([-imaginary, real], dim=-2)

r"""Columns: how far apart alike preferences are, and how many pinwheels a map of that kind has by chance.

The spectrum P(k) of a map of columns is a ring. Its mean radius gives the column wavelength; in maps that are
Gaussian, isotropic and otherwise random, the density of pinwheels is

.. math:: \rho = \frac{\langle k^2 \rangle}{4 \pi}, \qquad
    \rho \, \Lambda^2 = \pi \quad\text{for a narrow ring, } \Lambda = 2 \pi / |k|,

the value that cortical maps are found near (Wolf and Geisel 1998; Kaschube et al. 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from flowdis.waves.lattices import check_lattice, site_axes
from flowdis.waves.spectrum import hann, wave_numbers

__all__ = ["ColumnSpacing", "column_spacing"]


@dataclass(frozen=True, eq=False)
class ColumnSpacing:
    """The ring of a map's spectrum.

    Arguments:
        wavelength: The column wavelength in sites, 2 pi over the mean |k|, with shape (*).
        width: The standard deviation of |k| over its mean, with shape (*): a ring has little, white noise 0.37.
        gaussian_density: Pinwheels per site of Gaussian maps with this spectrum, with shape (*).
    """

    wavelength: Float[Tensor, "*batch"]
    width: Float[Tensor, "*batch"]
    gaussian_density: Float[Tensor, "*batch"]

    def to_json(self) -> dict[str, Any]:
        """Means over maps."""
        return {
            "wavelength": float(self.wavelength.mean()),
            "width": float(self.width.mean()),
            "gaussian_density": float(self.gaussian_density.mean()),
        }


def column_spacing(field: Complex[Tensor, "*batch H W"], *, periodic: bool = True) -> ColumnSpacing:
    """The column wavelength of complex maps, the first moment of their spectrum, the mean of each map left out.

    Arguments:
        field: The maps, with shape (*, H, W), as `tuning_harmonic` gives them.
        periodic: Whether the map is a torus; a patch gets Hann's window along each axis, which widens the ring.

    Raises:
        ValueError: if the field has another shape, is not finite, or is constant.
    """
    check_lattice("field", field.unsqueeze(0), 2)
    axes = site_axes(2)
    varying = field - field.mean(axes, keepdim=True)
    numbers = []
    for axis in axes:
        count = field.shape[axis]
        numbers.append(wave_numbers(count, field).reshape(-1, *[1] * (-1 - axis)))
        if not periodic:
            varying = varying * hann(count, field).reshape(-1, *[1] * (-1 - axis))
    power = torch.fft.fft2(varying).abs().square()
    power[..., 0, 0] = 0.0
    strength = field.abs().square().sum(axes)
    if bool((power.sum(axes) <= 1e-12 * field.shape[-1] * field.shape[-2] * strength).any()):
        raise ValueError("`field` must vary over the map, got one that is constant")
    share = power / power.sum(axes, keepdim=True)
    square = numbers[0].square() + numbers[1].square()
    mean, second = (share * square.sqrt()).sum(axes), (share * square).sum(axes)
    width = (second - mean.square()).clamp(min=0).sqrt() / mean
    return ColumnSpacing(2 * math.pi / mean, width, second / (4 * math.pi))

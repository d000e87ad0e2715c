r"""Pinwheels: the points about which a phase, or a preference, turns through its whole circle.

About each plaquette of four neighbouring sites

.. math:: q = \frac{1}{2 \pi} \sum_{\text{4 edges}} \mathrm{wrap}(\theta_{\text{next}} - \theta_{\text{this}})

is a whole number, positive where theta grows counter-clockwise, as seen in the picture (rows downwards). The
differences add up to 0 before they are wrapped, so that q is minus the number of whole turns that wrapping takes off:
these are counted, once for each edge, as integers. Neighbouring plaquettes count their common edge with opposite
signs, so that on a torus all charges add up to 0 exactly, and on a patch to the winding of its boundary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.waves.lattices import check_lattice, site_axes

__all__ = ["Pinwheels", "charges", "find_pinwheels", "winding"]


def _turns(angle: Tensor, axis: int, periodic: bool) -> Int[Tensor, "*edges"]:
    """The whole turns that wrapping takes off the difference across each edge, next less this.

    Half a turn stays as it is, so that the nodes of a standing wave, of two opposite phases, get no charges.
    """
    count = angle.shape[axis] - (not periodic)
    difference = (angle.roll(-1, axis) - angle).narrow(axis, 0, count)
    half = 0.5 + torch.finfo(angle.dtype).eps ** 0.5
    return (torch.ceil(difference.abs() / (2 * math.pi) - half) * difference.sign()).long()


def charges(angle: Float[Tensor, "*batch H W"], *, periodic: bool = True) -> Int[Tensor, "*batch h w"]:
    """The charge of each plaquette; entry (i, j) is the one between sites (i, j) and (i + 1, j + 1).

    One of -1, 0 and 1, but for plaquettes with differences of exactly pi. Edges across which the angle changes by more
    than pi are taken for the shorter way round. Of independent random angles a third of plaquettes have a charge.

    Arguments:
        angle: The angles in radians, with shape (*, H, W). Of preferences that repeat after 2 pi / m, m times them.
        periodic: Whether the map is a torus. Of a patch the charges have shape (*, H - 1, W - 1).

    Returns:
        The charges, with shape (*, H, W) on a torus, where they add up to 0.

    Raises:
        ValueError: if there are fewer than two sites along an axis, or an angle is not finite.

    Example:
        >>> up, right = torch.meshgrid(torch.tensor([0.5, -0.5]), torch.tensor([-0.5, 0.5]), indexing="ij")
        >>> charges(torch.atan2(up, right), periodic=False)
        tensor([[1]])
    """
    check_lattice("angle", angle.unsqueeze(0), 2)
    down, right = _turns(angle, -2, periodic), _turns(angle, -1, periodic)
    if periodic:
        return right - right.roll(-1, -2) - down + down.roll(-1, -1)
    return right[..., :-1, :] - right[..., 1:, :] - down[..., :-1] + down[..., 1:]


def winding(angle: Float[Tensor, "*batch N"]) -> Int[Tensor, "*batch"]:
    """How many times the angle goes round along a ring: of phases, minus the wavelengths of a wave to higher sites.

    A whole number, exactly, which changes only where two neighbours come to be half a turn apart: the ring's charge.

    Arguments:
        angle: The angles in radians, with shape (*, N), around a ring.

    Raises:
        ValueError: if there are fewer than two sites or an angle is not finite.

    Example:
        >>> winding(-3 * 2 * math.pi / 16 * torch.arange(16))
        tensor(-3)
    """
    check_lattice("angle", angle.unsqueeze(0), 1)
    return -_turns(angle, -1, True).sum(-1)


@dataclass(frozen=True, eq=False)
class Pinwheels:
    """The pinwheels of one or several maps.

    Arguments:
        charges: The charge of every plaquette, with shape (*, H, W), or (*, H - 1, W - 1) of a patch.
        clear: Where the amplitude is large enough for a charge to be trusted, shaped alike.
        total: The sum of all charges of each map, clear or not, with shape (*): 0 on a torus.
        order: The order m of the harmonic whose angles were taken.
        periodic: Whether the maps are tori.
    """

    charges: Int[Tensor, "*batch h w"]
    clear: Bool[Tensor, "*batch h w"]
    total: Int[Tensor, "*batch"]
    order: int
    periodic: bool

    @property
    def index(self) -> Float[Tensor, "*batch h w"]:
        """The index of each plaquette in turns of the preference, q / m: halves for orientation."""
        return self.charges / self.order

    def __getitem__(self, index: int) -> Pinwheels:
        """One of several maps, along the first batch axis."""
        return Pinwheels(self.charges[index], self.clear[index], self.total[index], self.order, self.periodic)

    def count(self, sign: int = 0) -> Int[Tensor, "*batch"]:
        """How many clear pinwheels each map has: all for 0, those with positive charges for 1, negative for -1.

        Raises:
            ValueError: if the sign is another number.
        """
        return (self._signed(sign) & self.clear).sum(site_axes(2))

    def positions(self, sign: int = 0) -> Float[Tensor, "n axes"]:
        """Where the clear pinwheels are: a row each, (row, column) of the plaquette's middle, after batch indices.

        Raises:
            ValueError: if the sign is not -1, 0 or 1.
        """
        places = (self._signed(sign) & self.clear).nonzero().to(torch.get_default_dtype())
        places[:, -2:] += 0.5
        return places

    def density(self, wavelength: float = 1.0) -> Float[Tensor, "*batch"]:
        """Clear pinwheels per square of a wavelength in sites: pi in Gaussian maps of one wavelength.

        Raises:
            ValueError: if the wavelength is not positive.
        """
        check_positive("wavelength", wavelength)
        plaquettes = self.charges.shape[-2] * self.charges.shape[-1]
        return self.count().to(torch.get_default_dtype()) * wavelength**2 / plaquettes

    def _signed(self, sign: int) -> Tensor:
        if sign not in (-1, 0, 1):
            raise ValueError(f"`sign` must be -1, 0 or 1, got {sign}")
        return self.charges != 0 if sign == 0 else self.charges * sign > 0

    def to_json(self) -> dict[str, Any]:
        """Means over maps of the numbers of clear pinwheels, and the largest total of any map."""
        positive, negative = (float(self.count(sign).float().mean()) for sign in (1, -1))
        return {"positive": positive, "negative": negative, "largest_total": int(self.total.abs().max())}


def find_pinwheels(
    field: Complex[Tensor, "*batch H W"], *, order: int = 1, periodic: bool = True, least: float = 0.0
) -> Pinwheels:
    """The pinwheels of a complex field: of the harmonic of a tuning curve, or of a wave's signal.

    The total is taken first, of all charges; only then are those left aside where the field is weak. A pinwheel's own
    middle is always weak: a `least` of a tenth or less is enough for noise.

    Arguments:
        field: The field, with shape (*, H, W), whose angles are m times the preference, or the phase (m = 1).
        order: m, of which the physical index is the charge's m-th part.
        periodic: Whether the map is a torus.
        least: The least mean amplitude of a plaquette's sites that counts as clear, as a share of the map's root mean
            square.

    Raises:
        ValueError: if the field has another shape or is not finite, `order` is not positive or `least` is negative.
    """
    check_positive("order", order)
    check_positive("least", least, zero=True)
    check_lattice("field", field.unsqueeze(0), 2)
    found = charges(field.angle(), periodic=periodic)
    total = found.sum(site_axes(2))
    strength = field.abs()
    corners = (strength + strength.roll(-1, -2)) / 2
    corners = (corners + corners.roll(-1, -1)) / 2
    corners = corners[..., : found.shape[-2], : found.shape[-1]]
    typical = strength.square().mean(site_axes(2), keepdim=True).sqrt()
    return Pinwheels(found, corners >= least * typical, total, order, periodic)

r"""What a flow's orbits are good for: codes that do not change along them, and standard poses.

The orbit of a code z under a periodic flow comes round after a span L,
:math:`z(\theta) = \phi_{\theta L / 2\pi}(z)`, and has the harmonics

.. math:: F_m = \frac{1}{2\pi} \int z(\theta)\, e^{-i m \theta} d\theta.

To set out from elsewhere on the orbit multiplies :math:`F_m` by :math:`e^{i m \theta_0}`, and changes neither the mean
:math:`F_0` nor the matrices :math:`F_m F_m^*`, which tell all of an orbit but how its harmonics are turned against each
other.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis._types import Images, Scalar
from flowdis.editing import encode
from flowdis.models import LatentFlow
from flowdis.paths import Flow

__all__ = ["canonicalize", "invariant"]

_Reference = Float[Tensor, "*reference C H W"]
_Invariant = Float[Tensor, "*batch F"]


@torch.no_grad()
def invariant(
    model: LatentFlow,
    images: Images,
    flow: Flow,
    *,
    span: float = 360.0,
    samples: int = 36,
    harmonics: int = 0,
) -> _Invariant:
    r"""What of codes does not change along a periodic flow: their mean along a whole orbit, and more where asked for.

    The mean loses what differs between orbits of the same mean. Each harmonic m from 1 on adds the matrix
    :math:`F_m F_m^* / |F_m|` of the module's text as D * D real numbers, such that distances between them are those
    between matrices; a harmonic of nothing adds zeros. The orbit is walked half way to either side, as a learned flow
    errs more the farther it goes.

    Arguments:
        model: The model.
        images: The images, with shape (*, C, H, W), in [0, 1].
        flow: The flow whose orbit is averaged over.
        span: The length of the orbit in the flow's natural unit, once round.
        samples: How many equally spaced points of the orbit are averaged.
        harmonics: The number M of harmonics beside the mean.

    Returns:
        Features with shape (*, D + M D D), in units of latents; codes (*, D) where M is 0.

    Raises:
        ValueError: if the flow multiplies, and so never comes round, or an argument does not fit the model.
    """
    if flow.unit.logarithmic:
        raise ValueError(f"`flow` must be periodic, got {flow.name}, which multiplies and never comes round")
    if samples < 2:
        raise ValueError(f"`samples` must be at least 2, got {samples}")
    check_positive("harmonics", harmonics, zero=True)
    if 2 * harmonics >= samples:
        raise ValueError(f"`harmonics` must be fewer than half of `samples` {samples}, got {harmonics}")
    amounts = float(flow.unit.to_amount(span)) * (torch.arange(1, samples + 1, dtype=torch.float64) / samples - 0.5)
    orbit = _orbit(model, flow, encode(model, images), amounts.sort().values)
    if not harmonics:
        return orbit.mean(0)
    found = torch.fft.fft(orbit, dim=0, norm="forward")[: harmonics + 1]
    return torch.cat([found[0].real, *(_outer(harmonic) for harmonic in found[1:])], dim=-1)


@torch.no_grad()
def canonicalize(
    model: LatentFlow,
    images: Images,
    flow: Flow,
    reference: _Reference,
    *,
    low: float = -180.0,
    high: float = 180.0,
    samples: int = 72,
) -> tuple[Images, Scalar]:
    """Images slid along a flow to a standard pose: where their code comes closest to the code of a reference.

    The closest of `samples` points between `low` and `high` is refined by the parabola through it and its
    neighbours.

    Arguments:
        model: The model.
        images: The images, with shape (*, C, H, W), in [0, 1].
        flow: The flow to slide along.
        reference: Images in the standard pose, with shape (C, H, W), or one for each of `images`.
        low: The least value tried, in the flow's natural unit.
        high: The greatest value tried, in the flow's natural unit.
        samples: How many intervals between `low` and `high` are searched.

    Returns:
        The images in the standard pose (*, C, H, W), and the values (*) in natural units that took
        them there.

    Raises:
        ValueError: if an argument does not fit the model, or `low` is not below `high`.
    """
    if low >= high or samples < 2:
        raise ValueError(f"`low` must be below `high` and `samples` at least 2, got {low}, {high} and {samples}")
    z, goal = encode(model, images), encode(model, reference)
    first, last = (float(flow.unit.to_amount(value)) for value in (low, high))
    amounts = torch.linspace(first, last, samples + 1, dtype=torch.float64)
    orbit = _orbit(model, flow, z, amounts)
    distance = (orbit - goal).square().sum(-1)
    best = distance.argmin(0).clamp(1, samples - 1)
    left, middle, right = (distance.gather(0, (best + i).unsqueeze(0)).squeeze(0) for i in (-1, 0, 1))
    curvature = left - 2 * middle + right
    offset = torch.where(curvature > 0, 0.5 * (left - right) / curvature.clamp(min=1e-12), 0.0).clamp(-1, 1)
    amount = first + (best + offset) * (last - first) / samples
    return model.decode(model.transport(flow.by_amount(amount), z).z[-1]), flow.unit.to_value(amount)


def _outer(harmonic: Complex[Tensor, "*batch D"]) -> _Invariant:
    """Matrices (F F*) / |F| as real numbers (*, D * D): the diagonal, and root 2 times what is above it."""
    product = harmonic.unsqueeze(-1) * harmonic.conj().unsqueeze(-2)
    norm = harmonic.abs().square().sum(-1, keepdim=True).sqrt()
    first, second = torch.triu_indices(harmonic.shape[-1], harmonic.shape[-1], 1, device=harmonic.device)
    above = 2**0.5 * product[..., first, second]
    whole = torch.cat([product.diagonal(dim1=-2, dim2=-1).real, above.real, above.imag], dim=-1)
    return torch.where(norm > 0, whole / norm, 0.0)


def _orbit(model: LatentFlow, flow: Flow, z: Tensor, amounts: Tensor) -> Tensor:
    """Codes (T, *, D) at ascending amounts of a flow, on either side of where they are, as edits by these take them."""
    sides = []
    for side, end in ((amounts < 0, float(amounts[0])), (amounts > 0, float(amounts[-1]))):
        if bool(side.any()):
            times = (amounts[side] / end).sort().values
            walk = model.transport(flow.by_amount(end), z, frames=times).z
            sides.append(walk.flip(0) if end < 0 else walk)
    here = z.expand(int((amounts == 0).sum()), *z.shape)
    return torch.cat([*sides[: int(amounts[0] < 0)], here, *sides[int(amounts[0] < 0) :]])

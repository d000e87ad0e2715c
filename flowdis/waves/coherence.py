r"""Coherence: whether all sites' waves go one way, and whether there are waves or only oscillation in step.

From phases and wave vectors at each frame, and from the signal b, a less its mean over the sites, over a recording:

.. math:: R = \Big| \frac1N \sum_j \frac{k_j}{|k_j|} \Big|, \quad
    Y = \Big| \frac1N \sum_j e^{i \varphi_j} \Big|, \quad
    G = \frac{|\sum_j k_j|}{\sum_j |k_j|}, \quad
    S = \frac{\sum_t |\sum_j b_j^2|}{\sum_t \sum_j |b_j|^2}, \quad
    C = \frac{\sum_e |\sum_t \mathrm{Im}\, \bar b_e b_{e'}|}{\sum_e \sum_t |b_{e'}^2 - b_e^2| / 2}

with e and e' the ends of each edge. A plane wave has R = G = C = 1 and Y = S = 0, a standing wave S = 1 and C = 0,
synchrony Y = 1 and all else 0, a rotating spiral C near 1 and all else near 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flowdis._checks import check_finite, check_positive
from flowdis.waves.lattices import Phase, Signal, check_dimension, check_lattice, site_axes
from flowdis.waves.motion import LEAST_WAVE_NUMBER

__all__ = ["direction_coherence", "gradient_directedness", "standing_index", "steady_current", "synchrony"]


def direction_coherence(
    vectors: Float[Tensor, "*sites dimension"],
    *,
    mask: Bool[Tensor, "*sites"] | None = None,
    least: float = LEAST_WAVE_NUMBER,
) -> Float[Tensor, "*frames"]:
    """How much the wave vectors of all sites point one way, R: the length of the mean of unit vectors. From 0 to 1.

    A site without a gradient of phase has no direction and counts as a zero, so that synchrony has 0. Nearly one over
    the root of the number of sites by chance, more where neighbours are alike for any reason.

    Arguments:
        vectors: The wave vectors, with shape (*, N, 1) or (*, H, W, 2), as `wave_vectors` gives them.
        mask: Which sites count, with shape (*, N) or (*, H, W); all where left out. Of none, it is 0.
        least: The wave number up to which there is no direction, in radians per site.

    Returns:
        The coherence of each frame and batch entry, with shape (*).

    Raises:
        ValueError: if the vectors have another shape or are not finite.
    """
    axes = _vector_axes(vectors)
    check_positive("least", least, zero=True)
    return coherence_of(vectors.unbind(-1), axes, mask, least)


def coherence_of(
    components: Sequence[Tensor], axes: tuple[int, ...], mask: Tensor | None, least: float = LEAST_WAVE_NUMBER
) -> Tensor:
    """The coherence of vectors given as one tensor (*, sites) a component."""
    length = _length(components)
    weight = torch.where(length > least, 1 / length, 0.0)
    if mask is not None:
        weight = weight * mask
    counted: Tensor | int = math.prod(length.shape[axis] for axis in axes)
    if mask is not None:
        counted = mask.sum(axes).clamp(min=1)
    return _length([(component * weight).sum(axes) for component in components]) / counted


def _length(components: Sequence[Tensor]) -> Tensor:
    return components[0].abs() if len(components) == 1 else torch.hypot(*components)


def gradient_directedness(vectors: Float[Tensor, "*sites dimension"]) -> Float[Tensor, "*frames"]:
    """How much the wave vectors of all sites add up, G: the length of their mean over the mean of their lengths.

    From 0 to 1, weighing steep gradients more than `direction_coherence`; 0 where there are none.

    Arguments:
        vectors: The wave vectors, with shape (*, N, 1) or (*, H, W, 2).

    Returns:
        The directedness of each frame and batch entry, with shape (*).

    Raises:
        ValueError: if the vectors have another shape or are not finite.
    """
    return directedness_of(vectors.unbind(-1), _vector_axes(vectors))


def directedness_of(components: Sequence[Tensor], axes: tuple[int, ...]) -> Tensor:
    """The directedness of vectors given as one tensor (*, sites) a component."""
    total, length = _length([component.sum(axes) for component in components]), _length(components).sum(axes)
    return torch.where(length > 0, total / torch.where(length > 0, length, 1.0), 0.0)


def _vector_axes(vectors: Tensor) -> tuple[int, ...]:
    dimension = check_dimension(vectors.shape[-1]) if vectors.ndim else 0
    if not dimension or vectors.ndim < 1 + dimension:
        raise ValueError(f"`vectors` must have shape (*, N, 1) or (*, H, W, 2), got {tuple(vectors.shape)}")
    check_finite("vectors", vectors)
    return site_axes(dimension)


def synchrony(phase: Phase, *, dimension: int = 2) -> Float[Tensor, "*frames"]:
    """How much all sites are at the same point of their cycle, Y: the length of the mean of e^(i phase). From 0 to 1.

    About 0.89 over the root of the number of sites by chance. A wave with whole wavelengths on the lattice has 0; one
    longer than a patch has more, and is told from synchrony by its gradients.

    Arguments:
        phase: The phase in radians, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.

    Returns:
        The synchrony of each frame and batch entry, with shape (T, *).

    Raises:
        ValueError: if the phase has another shape or is not finite.
    """
    check_lattice("phase", phase, dimension)
    axes = site_axes(dimension)
    return torch.hypot(phase.cos().mean(axes), phase.sin().mean(axes))


def _without_synchrony(signal: Signal, dimension: int) -> Signal:
    """The signal less its mean over the sites; zeros where that leaves nothing but rounding."""
    check_lattice("signal", signal, dimension)
    axes = site_axes(dimension)
    waves = signal - signal.mean(axes, keepdim=True)
    whole, left = (values.abs().square().sum((0, *axes), keepdim=True) for values in (signal, waves))
    return torch.where(left > (100 * torch.finfo(signal.dtype).eps) ** 2 * whole, waves, 0.0)


def standing_index(signal: Signal, *, dimension: int = 2) -> Float[Tensor, "*batch"]:
    """How much the oscillation is of one phase, up to its sign: S, 1 for a standing wave and 0 for one that goes on.

    Waves that pass each other with amplitudes A and B have 2 A B / (A^2 + B^2). What all sites do alike is taken out
    first; where nothing is left, it is 0.

    Arguments:
        signal: The analytic or quadrature signal, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.

    Returns:
        The index of each batch entry, with shape (*).

    Raises:
        ValueError: if the signal has another shape or is not finite.
    """
    waves, axes = _without_synchrony(signal, dimension), site_axes(dimension)
    aligned = waves.square().sum(axes).abs().sum(0)
    power = waves.abs().square().sum(axes).sum(0)
    return torch.where(power > 0, aligned / torch.where(power > 0, power, 1.0), 0.0)


def steady_current(signal: Signal, *, dimension: int = 2, periodic: bool = True) -> Float[Tensor, "*batch"]:
    """How much the phase flows through each edge in the same direction all the time: C, from 0 to 1.

    1 for whatever keeps travelling the same way at each place, plane waves and turning spirals alike; 0 for standing
    waves, in which nothing flows; for fluctuations less the longer they are watched. It does not ask for any order
    among places: independent oscillators of one frequency have 1, too. What all sites do alike is taken out first.

    Arguments:
        signal: The analytic or quadrature signal, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        periodic: Whether the lattice is a ring or torus.

    Returns:
        The index of each batch entry, with shape (*).

    Raises:
        ValueError: if the signal has another shape or is not finite.
    """
    waves, axes = _without_synchrony(signal, dimension), site_axes(dimension)
    flow = power = torch.zeros_like(waves[0].real.sum(axes))
    for axis in axes:
        count = waves.shape[axis] - (not periodic)
        near, far = waves.narrow(axis, 0, count), waves.roll(-1, axis).narrow(axis, 0, count)
        flow = flow + (near.conj() * far).imag.sum(0).abs().sum(axes)
        power = power + (far.square() - near.square()).abs().sum(0).sum(axes) / 2
    return torch.where(power > 0, flow / torch.where(power > 0, power, 1.0), 0.0)

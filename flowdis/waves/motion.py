r"""Motion: how fast a phase turns, along which wave vector, and so where and how fast the wave goes.

.. math:: \omega = \partial_t \varphi, \qquad k = -\nabla \varphi, \qquad
    c = -\omega \frac{\nabla \varphi}{|\nabla \varphi|^2} = \omega \frac{k}{|k|^2}

Each derivative is the mean of the two one-sided differences between neighbours, each brought to [-pi, pi): no phase is
ever unwrapped. So frequencies reach to pi radians a frame and each component of a wave vector to pi radians a site
(two sites a wavelength), where a centred difference over two sites would take k for k - pi beyond pi / 2. A difference
of half a turn, as across the nodes of a standing wave, has no sign and counts as none.

Components are in the order of the site axes: on a torus (H, W) the first points down and the second to the right, as
pictures are drawn; directions are angles counter-clockwise from the right, as seen in the picture.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.waves.lattices import Phase, check_lattice, site_axes
from flowdis.waves.phase import wrap

__all__ = [
    "LEAST_WAVE_NUMBER",
    "divergence",
    "frequency",
    "phase_velocity",
    "propagation_direction",
    "wave_vectors",
]

LEAST_WAVE_NUMBER = 1e-3
"""Radians per site up to which a gradient of phase counts as none: over 6,000 sites a wavelength."""


_HALF_TURN = math.pi * (1 - 1e-6)


def edge_differences(phase: Tensor, axis: int, periodic: bool) -> Tensor:
    """The wrapped difference across each edge, next less this; as many as sites if periodic, one less if not.

    Half a turn has no sign, and counts as none.
    """
    count = phase.shape[axis] - (not periodic)
    difference = wrap(phase.roll(-1, axis).narrow(axis, 0, count) - phase.narrow(axis, 0, count))
    return difference.masked_fill_(difference.abs() > _HALF_TURN, 0.0)


def slopes(phase: Tensor, axis: int, periodic: bool) -> Tensor:
    """At each place the mean of the differences on its two sides; at open ends the only one."""
    edges = edge_differences(phase, axis, periodic)
    if periodic:
        return (edges.roll(1, axis) + edges).div_(2)
    count = edges.shape[axis]
    inner = (edges.narrow(axis, 1, count - 1) + edges.narrow(axis, 0, count - 1)) / 2
    return torch.cat([edges.narrow(axis, 0, 1), inner, edges.narrow(axis, count - 1, 1)], dim=axis)


def frequency(phase: Phase) -> Float[Tensor, "T *sites"]:
    """The frequency of each site at each frame, in radians per frame, between -pi and pi.

    Arguments:
        phase: The phase in radians, with shape (T, *).

    Raises:
        ValueError: if there are fewer than two frames.
    """
    if phase.ndim < 1 or len(phase) < 2:
        raise ValueError(f"`phase` must have shape (T, *) with at least 2 frames, got {tuple(phase.shape)}")
    return slopes(phase, 0, periodic=False)


def wave_vectors(
    phase: Phase, *, dimension: int = 2, periodic: bool = True
) -> Float[Tensor, "T *sites_and_components"]:
    """The wave vector at each site and frame, in radians per site, each component between -pi and pi.

    Where noise takes a component near pi beyond it on one side only, the two sides cancel: a wave of almost two sites
    a wavelength is seen in its spectrum, not here.

    Arguments:
        phase: The phase in radians, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        periodic: Whether the lattice is a ring or torus, or has ends, where the one difference there is counts.

    Returns:
        The wave vectors, with one more axis of `dimension` components at the end.

    Raises:
        ValueError: if the phase has another shape or is not finite.

    Example:
        >>> site = torch.arange(8.0)
        >>> wave_vectors(-2 * torch.pi / 8 * site[None], dimension=1)[0, :2, 0]
        tensor([0.7854, 0.7854])
    """
    check_lattice("phase", phase, dimension)
    return torch.stack([-slopes(phase, axis, periodic) for axis in site_axes(dimension)], dim=-1)


def phase_velocity(
    phase: Phase, *, dimension: int = 2, periodic: bool = True, least: float = LEAST_WAVE_NUMBER
) -> Float[Tensor, "T *sites_and_components"]:
    """The velocity of the wave's crests, omega k / |k|^2, in sites per frame.

    Long arrows are fast waves, the other way round than those of k. A crest of synchronous sites is everywhere at
    once, and has no velocity: where |k| is at most `least`, it is set to 0.

    Arguments:
        phase: The phase in radians, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        periodic: Whether the lattice is a ring or torus.
        least: The wave number up to which there is no wave, in radians per site.

    Returns:
        The velocities, with one more axis of `dimension` components at the end.

    Raises:
        ValueError: if the phase has another shape, fewer than two frames, or is not finite.
    """
    check_positive("least", least, zero=True)
    k = wave_vectors(phase, dimension=dimension, periodic=periodic)
    square = k.square().sum(-1, keepdim=True)
    moving = square > least**2
    return torch.where(moving, frequency(phase).unsqueeze(-1) * k / torch.where(moving, square, 1.0), 0.0)


def propagation_direction(vectors: Float[Tensor, "*any dimension"]) -> Float[Tensor, "*any"]:
    """The direction of wave vectors or velocities, in radians counter-clockwise from the right, between -pi and pi.

    On a ring it is 0 (to higher sites) or pi. A vector of zeros has none, and gets 0.

    Arguments:
        vectors: The vectors, with one or two components: along the ring, or down and to the right.

    Raises:
        ValueError: if there are other than one or two components.

    Example:
        >>> propagation_direction(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))  # to the right, upwards
        tensor([0.0000, 1.5708])
    """
    if vectors.shape[-1] not in (1, 2):
        raise ValueError(f"`vectors` must end in 1 or 2 components, got shape {tuple(vectors.shape)}")
    right = vectors[..., -1]
    # 0 - x rather than -x: atan2(-0, -1) would be -pi.
    up = 0 - vectors[..., 0] if vectors.shape[-1] == 2 else torch.zeros_like(right)
    return torch.atan2(up, right)


def divergence(phase: Phase, *, dimension: int = 2, periodic: bool = True) -> Float[Tensor, "T *inner"]:
    """The divergence of the wave vectors at each site: positive where waves start, negative where they end.

    The wave vectors that leave a site by its edges less those that enter; so over a ring or torus it adds up to 0. In
    radians per site squared, between -2 pi and 2 pi along each axis.

    Arguments:
        phase: The phase in radians, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        periodic: Whether the lattice is a ring or torus. Of one with ends, only inner sites have a value, and each
            axis is two sites shorter.

    Raises:
        ValueError: if the phase has another shape, is not finite, or has ends and fewer than three sites between them.
    """
    check_lattice("phase", phase, dimension)
    axes = site_axes(dimension)
    if not periodic and min(phase.shape[axis] for axis in axes) < 3:
        raise ValueError(f"`phase` must have at least 3 sites along each axis with ends, got {tuple(phase.shape)}")
    total = torch.zeros_like(phase)
    for axis in axes:
        edges = -edge_differences(phase, axis, True)
        total = total + edges - edges.roll(1, axis)
    if periodic:
        return total
    for axis in axes:
        total = total.narrow(axis, 1, total.shape[axis] - 2)
    return total

"""Waves whose measures are known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["exact", "grid", "plane_phase", "ring_map", "simulated", "wave_vector"]


def exact(values: object) -> Tensor:
    """The values in double precision."""
    return torch.tensor(values, dtype=torch.float64)


def grid(*sites: int) -> list[Tensor]:
    """The coordinate of every site along each axis."""
    return list(torch.meshgrid(*(torch.arange(count, dtype=torch.float64) for count in sites), indexing="ij"))


def wave_vector(sites: tuple[int, ...], waves: tuple[int, ...]) -> tuple[float, ...]:
    """The wave vector of so many whole wavelengths along each axis."""
    return tuple(2 * math.pi * count / size for count, size in zip(waves, sites, strict=True))


def plane_phase(frames: int, omega: float, k: tuple[float, ...], sites: tuple[int, ...]) -> Tensor:
    """The phase omega t - k . j of a plane wave, with shape (T, *sites)."""
    time = torch.arange(frames, dtype=torch.float64).reshape(-1, *[1] * len(sites))
    return omega * time - sum(number * places for number, places in zip(k, grid(*sites), strict=True))


def ring_map(count: int, size: int, wavelength: float, width: float, generator: torch.Generator) -> Tensor:
    """Isotropic complex Gaussian maps (count, size, size) whose spectrum is a ring of relative width `width`."""
    numbers = 2 * math.pi * torch.fft.fftfreq(size, dtype=torch.float64)
    radius = (numbers[:, None].square() + numbers.square()).sqrt() * wavelength / (2 * math.pi)
    gain = torch.exp(-(((radius - 1) / width) ** 2) / 4)
    gain[0, 0] = 0.0
    parts = torch.randn(2, count, size, size, generator=generator, dtype=torch.float64)
    return torch.fft.ifft2(torch.complex(*parts) * gain)


def simulated(
    position: Tensor, momentum: Tensor, frames: int, *, stiffness: float, coupling: float, dimension: int
) -> tuple[Tensor, Tensor]:
    """A lattice of oscillators coupled to their neighbours, from a state (*sites), and its momenta: (T, *sites) each.

    By leapfrog, 20 steps a frame, whose frequencies are right to one part in a thousand or better; the matrix of a
    frame is that of a step, twenty times.
    """
    step, steps, count = 1 / 20, 20, position.numel()
    unit = torch.eye(count, dtype=torch.float64)
    sites = unit.reshape(count, *position.shape)
    axes = range(-dimension, 0)
    neighbours = sum((sites.roll(1, axis) + sites.roll(-1, axis) - 2 * sites for axis in axes), torch.zeros(()))
    force = coupling * neighbours.reshape(count, count) - stiffness * unit
    none = torch.zeros_like(unit)
    kick = torch.cat([torch.cat([unit, none], 1), torch.cat([step / 2 * force, unit], 1)])
    drift = torch.cat([torch.cat([unit, step * unit], 1), torch.cat([none, unit], 1)])
    frame = torch.linalg.matrix_power(kick @ drift @ kick, steps)
    courses = [torch.cat([position.flatten(), momentum.flatten()])]
    for _ in range(frames - 1):
        courses.append(frame @ courses[-1])
    positions, momenta = torch.stack(courses).reshape(frames, 2, *position.shape).unbind(1)
    return positions, momenta

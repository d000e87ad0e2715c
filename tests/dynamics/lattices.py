"""Small lattices in float64, and what they do computed in another way."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from flowdis.dynamics import Lattice

__all__ = ["COUPLED", "by_convolution", "linear_matrix", "make_lattice", "random_state"]

COUPLED = ("conservative", "published", "dense", "none")


def make_lattice(shape: tuple[int, ...] = (2, 4, 5), *, spread: float = 0.1, **options: object) -> Lattice:
    """A lattice whose coupling, biases and momenta's kernels included, is not that of the start."""
    generator = torch.Generator().manual_seed(0)
    lattice = Lattice(shape, generator=generator, **options).double()
    with torch.no_grad():
        for parameter in lattice.coupling.parameters():
            parameter += spread * torch.randn(parameter.shape, generator=generator)
    return lattice


def random_state(lattice: Lattice, batch: int = 3, size: float = 1.0, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(batch, lattice.state_size, generator=generator, dtype=torch.float64)


def by_convolution(fields: Tensor, kernel: Tensor) -> Tensor:
    """The circular convolution of fields (B, C, *sides), as neural networks have it."""
    axes = fields.ndim - 2
    reach = [size // 2 for size in reversed(kernel.shape[2:]) for _ in range(2)]
    padded = functional.pad(fields, reach, mode="circular")
    return (functional.conv1d if axes == 1 else functional.conv2d)(padded, kernel)


def linear_matrix(lattice: Lattice) -> Tensor:
    """The matrix (S, S) of the linear part, built from shifts of unit vectors."""
    oscillators, sides = lattice.oscillators, lattice.torus.sides
    unit = torch.eye(lattice.size, dtype=torch.float64).reshape(-1, *lattice.shape)
    shape = (-1, *[1] * len(sides))
    springs = oscillators.stiffness.reshape(shape) * unit
    lost = oscillators.damping.reshape(shape) * unit
    for axis in range(len(sides)):
        ahead, behind = (unit.roll(shift, 2 + axis) for shift in (-1, 1))
        springs = springs + oscillators.neighbour.reshape(shape) * (2 * unit - ahead - behind)
        if oscillators.gyroscopic is not None:
            lost = lost - oscillators.gyroscopic[axis].reshape(shape) * (ahead - behind)
    count = lattice.size
    top = torch.cat([torch.zeros(count, count).double(), torch.eye(count).double()], dim=1)
    below = torch.cat([-springs.flatten(1).T, -lost.flatten(1).T], dim=1)
    return torch.cat([top, below]).detach()

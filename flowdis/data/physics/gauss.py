r"""Gauss's implicit Runge-Kutta method of five stages: symplectic, symmetric, of order 10, for any Hamiltonian.

.. math:: k_i = f\big(y + h \sum_j a_{ij} k_j\big), \qquad y' = y + h \sum_i b_i k_i

with nodes and weights of Gauss-Legendre quadrature (Hairer, Lubich and Wanner, Geometric Numerical Integration,
section II.1.3). The stages are found by fixed-point iteration, from where the last step's polynomial leads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Gauss"]

_Half = Float[Tensor, "N P"]

_STAGES = 5
_ITERATIONS = 12  # the same for all, so that no sequence depends on those beside it
_TOLERANCE = 1e-9  # of the last change; what is left after it is a hundredth of that


class Gauss:
    """Steps of a batch of systems, one after another.

    Arguments:
        slopes: How states (*, S) change.
        like: A tensor of the states' dtype and device.
    """

    def __init__(self, slopes: Callable[[Tensor], Tensor], like: Tensor) -> None:
        self._slopes = slopes
        self._nodes, inner, outer, self._inverse = _tableau(_STAGES)
        self._inner, self._outer = like.new_tensor(inner), like.new_tensor(outer[None])
        self._last: tuple[float, Tensor] | None = None
        self._guesses: dict[float, Tensor] = {}

    def step(self, h: float, positions: _Half, momenta: _Half) -> tuple[_Half, _Half]:
        """A step of length h.

        Raises:
            ValueError: if the iteration does not converge.
        """
        start = torch.cat([positions, momenta], -1)
        inner, outer = h * self._inner, h * self._outer
        slopes = change = self._guess(h, start)
        for _ in range(_ITERATIONS):
            found = self._slopes(start + _mixed(inner, slopes))
            slopes, change = found, found - slopes
        worst = abs(h) * float(change.detach().abs().max())
        if not worst <= _TOLERANCE:
            raise ValueError(f"`dt` must be short enough to solve for a step, got one still off by {worst:.1g}")
        self._last = (h, slopes)
        positions, momenta = (start + _mixed(outer, slopes)[0]).chunk(2, -1)
        return positions, momenta

    def _guess(self, h: float, start: Tensor) -> Tensor:
        """The slopes (stages, N, S) where the last step's polynomial leads; at a first step, those at its start."""
        if self._last is None:
            return self._slopes(start).expand(_STAGES, *start.shape)
        before, slopes = self._last
        ratio = h / before
        if ratio not in self._guesses:
            powers = np.vander(1 + ratio * self._nodes, _STAGES, increasing=True)
            self._guesses[ratio] = start.new_tensor(powers @ self._inverse)
        return _mixed(self._guesses[ratio], slopes)


def _mixed(weights: Tensor, slopes: Tensor) -> Tensor:
    """Sums over stages (.., N, S), one for each row of weights."""
    return (weights @ slopes.flatten(1)).unflatten(1, slopes.shape[1:])


def _tableau(stages: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nodes c, matrix a, weights b, and what takes values at the nodes to the coefficients of their polynomial."""
    roots, weights = np.polynomial.legendre.leggauss(stages)
    nodes = (roots + 1) / 2
    inverse = np.linalg.inv(np.vander(nodes, stages, increasing=True))
    powers = np.arange(1, stages + 1)
    return nodes, (nodes[:, None] ** powers / powers) @ inverse, weights / 2, inverse

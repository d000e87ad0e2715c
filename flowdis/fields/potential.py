"""Gradient fields: each velocity is the gradient of a potential, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_last
from flowdis._types import Latent
from flowdis.fields.base import FieldBank, Mix, VelocityField
from flowdis.fields.residual import Residual, ResidualMix
from flowdis.fields.ridge import Ridge

__all__ = ["PotentialField", "Potentials", "Velocities"]

Potentials = Float[Tensor, "*timed K"]
Velocities = Float[Tensor, "*timed K D"]


class PotentialField(FieldBank):
    r"""K gradient fields of ridge networks, or of deeper ones.

    .. math:: u(z, t) = \sum_h a_h S(w_h \cdot z + b_h + \tau_h t), \qquad v = \nabla u, \qquad
        \nabla \cdot v = \sum_h a_h |w_h|^2 s'(w_h \cdot z + b_h + \tau_h t)

    with S = log cosh and s = tanh. With a `depth` of 2 or more, u is the residual network of OT-Flow
    (arXiv:2006.00104), whose gradient and Laplacian are closed forms as well.

    Arguments:
        names: The K transformations.
        dim: The number D of latent dimensions.
        hidden: The number of units of each potential, in each of its layers.
        depth: 1 for the ridge network; more for the residual network of that many layers.
        clocked: Whether potentials depend on time.
        forced: Whether the Hamilton-Jacobi residual has a learned force, a ridge network of `hidden` units
            each; only the residual depends on its parameters.
        generator: The source of the initial weights; |v| starts at about 0.2 where |z| is sqrt(D).

    Raises:
        ValueError: if `hidden` or `depth` is not positive.

    Example:
        >>> bank = PotentialField(("rotate", "hue"), 4, hidden=8)
        >>> bank(torch.tensor([1.0, -0.5]))(torch.zeros(5, 4), 0.0).shape
        torch.Size([5, 4])
    """

    network: Ridge | Residual
    force: Ridge | None

    def __init__(
        self,
        names: Sequence[str],
        dim: int,
        *,
        hidden: int = 256,
        depth: int = 1,
        clocked: bool = False,
        forced: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(names, dim)
        if depth < 1:
            raise ValueError(f"`depth` must be >= 1, got {depth}")
        count = len(self.names)
        self.hidden, self.depth, self.clocked, self.forced = hidden, depth, clocked, forced
        if depth == 1:
            self.network = Ridge(count, hidden, dim, clocked=clocked, generator=generator)
        else:
            self.network = Residual(count, hidden, dim, depth, clocked=clocked, generator=generator)
        self.force = Ridge(count, hidden, dim, clocked=clocked, generator=generator) if forced else None

    def bind(self, mix: Mix) -> VelocityField:
        """The gradient of the mix of potentials."""
        if isinstance(self.network, Residual):
            return ResidualMix(mix, self.network)
        weight = self.network.weight
        return self.network.bind(mix, weight, weight.square().sum(-1))

    def potential(self, z: Latent, times: Tensor | None = None) -> Potentials:
        """The K potentials (*, K) at latents (*, D).

        Arguments:
            z: The latents, with shape (*, D).
            times: Each potential's own time, with shape (*, K); 0 where left out.
        """
        return self.network.potential(z, self._checked(z, times))

    def velocities(self, z: Latent, times: Tensor | None = None) -> Velocities:
        """The potentials' gradients (*, K, D): each field's velocity at an amount of 1.

        Arguments:
            z: The latents, with shape (*, D).
            times: Each potential's own time, with shape (*, K); 0 where left out.
        """
        return self.network.rates(z, self._checked(z, times))[0]

    def time_derivative(self, z: Latent, times: Tensor | None = None) -> Potentials:
        """The potentials' derivatives by their own time, (*, K); 0 if they are not clocked.

        Arguments:
            z: The latents, with shape (*, D).
            times: Each potential's own time, with shape (*, K); 0 where left out.
        """
        return self.network.rates(z, self._checked(z, times))[1]

    def hamilton_jacobi_residual(self, z: Latent, times: Tensor | None = None) -> Potentials:
        r"""How far each potential is from solving the Hamilton-Jacobi equation, (*, K).

        .. math:: r = \partial_t u + \tfrac12 |\nabla u|^2 - f, \qquad f = -s(z, t)^2 \le 0,

        where the force f is 0 unless the fields are `forced`. Where r = 0 and f = 0, points move on straight
        lines.

        Arguments:
            z: The latents, with shape (*, D).
            times: Each potential's own time, with shape (*, K); 0 where left out.

        Reference: Song, Keller, Sebe and Welling 2023, arXiv:2309.13167.
        """
        times = self._checked(z, times)
        gradient, rate = self.network.rates(z, times)
        residual = rate + 0.5 * gradient.square().sum(-1)
        return residual if self.force is None else residual + self.force.potential(z, times).square()

    def config(self) -> dict[str, Any]:
        """The keyword arguments that rebuild this bank."""
        return {
            "hidden": self.hidden,
            "depth": self.depth,
            "clocked": self.clocked,
            "forced": self.forced,
        }

    def _checked(self, z: Tensor, times: Tensor | None) -> Tensor | None:
        check_last("z", z, self.dim, f"D={self.dim}")
        if times is None:
            return None
        return check_last("times", times, len(self.names), f"K={len(self.names)} ({', '.join(self.names)})")

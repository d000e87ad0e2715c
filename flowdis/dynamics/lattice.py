r"""The oscillator lattice: latents on a ring or torus, coupled to their neighbours, through which waves travel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice, check_positive
from flowdis.dynamics.couplings import COUPLINGS
from flowdis.dynamics.fourier import Torus
from flowdis.dynamics.lattice_density import momentum_log_det
from flowdis.dynamics.lattice_motion import LatticeMotion
from flowdis.dynamics.lattice_stability import Stability, check_stable, measure_stability
from flowdis.dynamics.oscillators import Oscillators

__all__ = ["INTEGRATORS", "Lattice"]

INTEGRATORS = ("strang", "nwm")
"""Symmetric splitting around the exact linear motion, and the published semi-implicit Euler step."""

_NEIGHBOUR = 0.1

_State = Float[Tensor, "*batch S"]
_Sites = Float[Tensor, "*batch N"]
_Scalar = Float[Tensor, "*batch"]


class Lattice(LatticeMotion):
    r"""C channels of oscillators on a ring of n sites or a torus of H x W.

    .. math:: \dot z = p, \qquad
              \dot p = F(z, p) - \gamma z - \kappa L z - \alpha p + \sum_a \beta_a (p_{j + a} - p_{j - a})

    with the linear part as `Oscillators` has it, and F a coupling; see `COUPLINGS`. The gyroscopic term beta keeps
    energy and makes waves of one direction faster than those of the other: without kappa, :math:`\omega = -\beta \sin k
    \pm \sqrt{\beta^2 \sin^2 k + \gamma}` for exp(i(kj - omega t)).

    A state (\*, S) holds the N positions, channels first, then the N momenta; N counts the sites of all channels. A
    step of "strang" kicks the momenta for half of it, moves each wave exactly as the linear part does, and kicks
    again. It is symmetric, of second order and invertible; where F does not depend on momenta, its log-determinant is
    -h times the sum of alpha over all sites.

    Arguments:
        shape: (C, n) or (C, H, W).
        coupling: "conservative", "published", "dense" or "none".
        integrator: "strang", or "nwm" for the published step.
        step: The time h of a step.
        stiffness: The first gamma, one number or one for each channel; spread over channels where left out.
        damping: The first alpha; 0 for none, which then stays so.
        neighbour: The first kappa; 0 for none, which then stays so. 0.1 with the conservative coupling and else 0,
            where left out: the published coupling has none, and what is uncoupled or dense has no neighbours.
        gyroscopic: The first beta along every axis; no such term where left out.
        kernel: How many sites along each axis a coupling's kernel reads, odd.
        strength: How strong the coupling is at first; see `COUPLINGS`.
        generator: The source of the initial weights.

    Raises:
        ValueError: if a choice is unknown, a number is out of range, a side is shorter than the kernel, or the step is
            too long to be stable; the message says the limit.

    References:
        Keller and Welling 2023, Neural wave machines, ICML; Rusch and Mishra 2021, arXiv 2010.00951.

    Example:
        >>> lattice = Lattice((2, 8, 8), generator=torch.Generator().manual_seed(0))
        >>> lattice(torch.zeros(5, lattice.state_size), 3).shape
        torch.Size([3, 5, 256])
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        coupling: str = "conservative",
        integrator: str = "strang",
        step: float = 0.25,
        stiffness: float | Sequence[float] | None = None,
        damping: float = 0.02,
        neighbour: float | None = None,
        gyroscopic: float | None = None,
        kernel: int = 3,
        strength: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        check_choice("coupling", coupling, tuple(COUPLINGS))
        check_choice("integrator", integrator, INTEGRATORS)
        check_positive("step", step)
        check_positive("strength", strength)
        channels, *sides = _checked_shape(shape, kernel)
        torus = Torus(tuple(sides))
        if neighbour is None:
            neighbour = _NEIGHBOUR if coupling == "conservative" else 0.0
        oscillators = Oscillators(
            channels, torus, stiffness=stiffness, damping=damping, neighbour=neighbour, gyroscopic=gyroscopic
        )
        least = float(oscillators.stiffness.detach().min())
        force = COUPLINGS[coupling](
            channels, torus.sides, kernel=kernel, strength=strength, least=least, generator=generator
        )
        super().__init__(oscillators, force, channels, integrator=integrator, step=step)
        check_stable(self)

    def energy(self, state: _State, *, drive: _Sites | None = None) -> _Scalar:
        r"""The energy (*) of states (*, S), which changes by :math:`dH/dt = -\sum \alpha p^2`.

        .. math:: H = \tfrac12 |p|^2 + \tfrac12 \gamma |z|^2 + \tfrac12 \kappa \textstyle\sum |z_{j+a} - z_j|^2 +
                  \sum \log \cosh(w * z + b) - \text{drive} \cdot z

        Raises:
            ValueError: if the coupling has no energy.
        """
        z, p = (self.inside(part) for part in self.split(state))
        energy = 0.5 * p.square().flatten(0, -2).sum(0)
        energy = energy + self.oscillators.potential(z) + self.coupling.potential(z, self.fourier())
        if drive is not None:
            energy = energy - (self.drive_field(drive) * z).flatten(0, -2).sum(0)
        return energy.reshape(state.shape[:-1])

    def log_det(self, state: _State, *, drive: _Sites | None = None, steps: int = 1) -> _Scalar:
        """The log-determinant (*) in nats of the map by so many steps at states (*, S).

        The same for all states where the force does not depend on momenta; else at the cost of determinants (N, N).
        """
        if self.coupling.moving:
            return momentum_log_det(self, state, drive, steps)
        damping = self.oscillators.damping
        rate = -self.step * damping if self.integrator == "strang" else (1 - self.step * damping).abs().log()
        return (steps * self.torus.sites * rate.sum()).expand(state.shape[:-1])

    def stability(self) -> Stability:
        """How small waves about rest fare: the least stiffness and damping, and the growth of a step.

        Where the coupling is dense, at the cost of the eigenvalues of a matrix (2 N, 2 N).
        """
        return measure_stability(self)


def _checked_shape(shape: Sequence[int], kernel: int) -> tuple[int, ...]:
    if len(shape) not in (2, 3) or any(side < 1 for side in shape):
        raise ValueError(f"`shape` must be (C, n) of rings or (C, H, W) of a torus, all positive, got {tuple(shape)}")
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"`kernel` must be odd and positive, got {kernel}")
    if min(shape[1:]) < max(3, kernel):
        raise ValueError(f"`shape` must have sides of at least {max(3, kernel)} sites, got {tuple(shape)}")
    return tuple(shape)

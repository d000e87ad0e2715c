"""Log-determinants of an oscillator lattice whose force depends on momenta."""

from __future__ import annotations

import torch
from torch import Tensor

from flowdis.dynamics.lattice_motion import LatticeMotion

__all__ = ["momentum_log_det"]


def momentum_log_det(lattice: LatticeMotion, state: Tensor, drive: Tensor | None, steps: int) -> Tensor:
    r"""The log-determinant (\*) in nats of steps at states (\*, S), the force's dependence on momenta included.

    With A = dF/dp, an implicit midpoint kick of time t adds log|det(1 + t A / 2)| - log|det(1 - t A / 2)| at its
    midpoint; a published step has :math:`\log|\det(1 - h \alpha + h A)|`.

    Arguments:
        lattice: The lattice.
        state: Where the map is taken.
        drive: The constant drive, with shape (\*, N).
        steps: How many steps.
    """
    z, p = lattice.enter(state)
    field = None if drive is None else lattice.drive_field(drive)
    force, h, fourier = lattice.force(drive), lattice.step, lattice.fourier()
    identity = torch.eye(lattice.size).to(state)

    def slope(z: Tensor, p: Tensor) -> Tensor:
        return lattice.coupling.momentum_slope(fourier.to_field(z), fourier.to_field(p), fourier, field)

    def kick(z: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        after = force.kick(force.source(z), p, h / 2)
        turned = h / 4 * slope(z, (p + after) / 2)
        return after, _log_det(identity + turned) - _log_det(identity - turned)

    total = state.new_zeros(z.shape[-1])
    lost = lattice.oscillators.damping.repeat_interleave(lattice.torus.sites)
    for _ in range(steps):
        if lattice.integrator == "nwm":
            total = total + _log_det(torch.diag(1 - h * lost) + h * slope(z, p))
            z, p = (part[0] for part in lattice.run(z, p, force, 1))
            continue
        p, first = kick(z, p)
        z, p = lattice.oscillators.propagator(h)(z, p)
        p, second = kick(z, p)
        total = total + first + second - h * lost.sum()
    return total.reshape(state.shape[:-1])


def _log_det(matrices: Tensor) -> Tensor:
    return torch.linalg.slogdet(matrices).logabsdet

r"""Whether an oscillator lattice at rest is stable: the stiffness and damping of its waves, and their growth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis.dynamics.fourier import as_complex
from flowdis.dynamics.lattice_motion import LatticeMotion

__all__ = ["Stability", "check_stable", "measure_stability", "published_limit"]

_TOLERANCE = 1e-5  # of a growth per step, above rounding in float32


@dataclass(frozen=True)
class Stability:
    """How an oscillator lattice answers to small waves about rest.

    Arguments:
        kappa_min: The least stiffness of a wave, the coupling's part included.
        alpha_min: The least damping of a wave, the coupling's part included.
        growth: The largest factor by which a step multiplies a wave; above 1, waves grow until tanh holds them.
    """

    kappa_min: float
    alpha_min: float
    growth: float

    @property
    def stable(self) -> bool:
        """Whether no wave grows."""
        return self.growth <= 1 + _TOLERANCE


def measure_stability(lattice: LatticeMotion) -> Stability:
    """The stability of a lattice about rest, by its linearised acceleration and step.

    Arguments:
        lattice: The lattice.
    """
    rates = _wave_matrices(lattice, lattice.acceleration)
    half = rates.shape[-1] // 2
    return Stability(_least(-rates[..., :half]), _least(-rates[..., half:]), _growth(lattice, lattice.step))


def published_limit(stiffness: float, damping: float) -> float:
    r"""The step below which `nwm_step` keeps a wave of this stiffness and damping bounded.

    From the conditions :math:`h^2 \Omega^2 < 4 - 2 h \alpha` of its characteristic polynomial (Jury).

    Example:
        >>> published_limit(1.0, 0.0), published_limit(4.0, 3.0)
        (2.0, 0.5)
    """
    return (-damping + math.sqrt(damping**2 + 4 * stiffness)) / stiffness


def check_stable(lattice: LatticeMotion) -> None:
    """Checks that no wave about rest grows.

    Where the coupling is dense only the oscillators are looked at, as the rest is costly.

    Raises:
        ValueError: if one does; the message says the largest step, and the largest damping where that is the reason.
    """
    h = lattice.step
    if lattice.integrator == "nwm":
        _check_published(lattice)
    if not lattice.coupling.local or _growth(lattice, h) <= 1 + _TOLERANCE:
        return
    low, high = 0.0, h
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _growth(lattice, middle) <= 1 + _TOLERANCE else (low, middle)
    raise ValueError(f"`step` must be at most {low:.3g} for so strong a coupling (`strength`) to be stable, got {h}")


def _check_published(lattice: LatticeMotion) -> None:
    h, oscillators = lattice.step, lattice.oscillators
    if oscillators.gyroscopic is not None:
        raise ValueError('`gyroscopic` must be left out of the integrator "nwm", in which it makes waves grow')
    stiffness, damping = (wave.detach() for wave in oscillators.waves())
    pairs = zip(stiffness.amax(0).tolist(), damping[0].tolist(), strict=True)
    limit, stiff, lost = min((published_limit(k, a), k, a) for k, a in pairs)
    if h >= limit:
        most = 2 / h - h * stiff / 2
        instead = f", or `damping` below {most:.4g}" if most > 0 else ""
        raise ValueError(
            f"`step` must be below {limit:.4g}{instead} for the published step with stiffness {stiff:.4g} and damping "
            f"{lost:.4g}, got step {h}"
        )


def _growth(lattice: LatticeMotion, step: float) -> float:
    """The largest factor by which a step multiplies a wave."""

    def move(state: Tensor) -> Tensor:
        z, p = lattice.enter(state)
        return lattice.leave(*lattice.run(z, p, lattice.force(), 1, step=step), state.shape[:-1])[0]

    return float(torch.linalg.eigvals(_wave_matrices(lattice, move)).abs().max())


def _least(matrices: Tensor) -> float:
    """The least eigenvalue of the Hermitian parts of matrices (F, n, n)."""
    return float(torch.linalg.eigvalsh((matrices + matrices.mH) / 2).min())


def _wave_matrices(lattice: LatticeMotion, motion: Callable[[Tensor], Tensor]) -> Tensor:
    """The matrices by which a motion's derivative at rest acts on waves.

    Where the coupling treats all sites alike waves do not mix, and the answers to impulses at one site tell all.

    Returns:
        One complex matrix (outputs C, 2 C) for each wave, with shape (F, outputs C, 2 C); where waves mix one real
        matrix for all, (1, outputs N, 2 N). In float64, on the CPU.
    """
    like, count, torus = lattice.oscillators.raw_stiffness, 2 * lattice.shape[0], lattice.torus
    if lattice.coupling.local:
        tangent = torch.zeros(count, count, torus.sites).to(like)
        tangent[:, :, 0] = torch.eye(count).to(like)
    else:
        tangent = torch.eye(lattice.state_size).to(like)
    tangent = tangent.flatten(1)
    with torch.no_grad():
        answers = torch.func.jvp(motion, (torch.zeros_like(tangent),), (tangent,))[1].cpu().double()
    if not lattice.coupling.local:
        return answers.mT.unsqueeze(0)
    fields = answers.reshape(count, -1, *torus.sides)
    return as_complex(torus.fourier(answers).to_spectrum(fields.permute(*range(2, fields.ndim), 1, 0)))

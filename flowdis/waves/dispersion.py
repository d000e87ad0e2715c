r"""Dispersion: the coupling and stiffness of the lattice that a recording looks like, and its group velocity.

Sites that are coupled to their nearest neighbours carry waves of

.. math:: \Omega(k)^2 = g + 4 \kappa \sum_i \sin^2(k_i / 2), \qquad
    v_i = \frac{\partial \Omega}{\partial k_i} = \frac{\kappa \sin k_i}{\Omega(k)},

along whose ridge the power S(omega, k) lies. A least-squares line through the squared frequencies of the ridge has g
for intercept and kappa for slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.waves.spectrum import WaveSpectrum, pool, ridge_frequencies

__all__ = ["DispersionFit", "dispersion_fit"]


@dataclass(frozen=True, eq=False)
class DispersionFit:
    """A dispersion relation and the ridge that it was fitted to.

    Arguments:
        stiffness: g, in radians per frame squared.
        coupling: kappa, in radians per frame squared, site by site.
        error: The root mean square of the ridge's distances from the fit, relative to its mean frequency; weighted.
        wave_vectors: The wave vectors of the ridge, with shape (M, 1) or (M, 2), in radians per site.
        frequencies: Their frequencies, with shape (M), in radians per frame.
        weights: The share of each in the power, with shape (M).
    """

    stiffness: float
    coupling: float
    error: float
    wave_vectors: Float[Tensor, "M dimension"]
    frequencies: Float[Tensor, "M"]
    weights: Float[Tensor, "M"]

    def frequency(self, vectors: Float[Tensor, "*any dimension"]) -> Float[Tensor, "*any"]:
        """The fitted frequency of wave vectors, in radians per frame; 0 where the fit has no real one."""
        return (self.stiffness + self.coupling * _stretch(vectors)).clamp(min=0).sqrt()

    def group_velocity(self, vectors: Float[Tensor, "*any dimension"]) -> Float[Tensor, "*any dimension"]:
        """The velocity of a packet of waves about each wave vector, in sites per frame; 0 where nothing oscillates."""
        frequency = self.frequency(vectors).unsqueeze(-1)
        slope = self.coupling * vectors.sin()
        return torch.where(frequency > 0, slope / torch.where(frequency > 0, frequency, 1.0), 0.0)

    def to_json(self) -> dict[str, Any]:
        """The fit, its error, and how many wave vectors it is through."""
        return {
            "stiffness": self.stiffness,
            "coupling": self.coupling,
            "error": self.error,
            "wave_vectors": len(self.frequencies),
        }


def _stretch(vectors: Tensor) -> Tensor:
    return 4 * (vectors / 2).sin().square().sum(-1)


def dispersion_fit(spectrum: WaveSpectrum, *, least: float = 0.01) -> DispersionFit:
    """Fits the dispersion of a lattice of nearest neighbours to the ridge of a spectrum.

    The ridge is the frequency of most power of each wave vector, weighted by the power in its bin and the two beside.
    Frequencies below the first or near the last bin, that is slower than the recording or faster than two frames a
    cycle, are not seen; neither are friction (which lowers the squared frequency by its quarter square) nor the
    frames' own error (a simulated frequency w at step h has sin(w h / 2) = h Omega / 2). All batch entries count as
    recordings of one lattice.

    Arguments:
        spectrum: The spectrum.
        least: Wave vectors count that have at least this share of the power of the strongest.

    Raises:
        ValueError: if `least` is not between 0 and 1, or fewer than two wave vectors of different stretch count.
    """
    if not 0 < least <= 1:
        raise ValueError(f"`least` must be more than 0 and at most 1, got {least}")
    pooled = pool(spectrum)
    peak = pooled.argmax(0)
    near = (torch.arange(len(pooled), device=pooled.device)[:, None] - peak).abs() <= 1
    strength = (pooled * near).sum(0)
    counted = strength >= least * strength.max()
    counted &= strength > 0
    vectors = spectrum.vectors.reshape(-1, spectrum.dimension)[counted]
    frequencies = ridge_frequencies(spectrum, pooled)[counted]
    weights = strength[counted] / strength[counted].sum()
    stretch, squares = _stretch(vectors), frequencies.square()
    if len(stretch) < 2 or float(stretch.max() - stretch.min()) < 1e-6:
        raise ValueError(
            "`spectrum` must have power at two wave vectors of different length at least "
            f"for a dispersion to be fitted, got {len(stretch)} vectors with a share of {least} of the strongest"
        )
    centred = stretch - (weights * stretch).sum()
    coupling = float((weights * centred * squares).sum() / (weights * centred.square()).sum())
    stiffness = float((weights * squares).sum() - coupling * (weights * stretch).sum())
    fitted = (stiffness + coupling * stretch).clamp(min=0).sqrt()
    spread = (weights * (frequencies - fitted).square()).sum().sqrt()
    error = float(spread / (weights * frequencies).sum())
    return DispersionFit(stiffness, coupling, error, vectors, frequencies, weights)

"""Waves in recordings of activity on rings and tori: phase, motion, coherence, nulls, selectivity and pinwheels.

Plain tensors in and out, frames first and sites last: activity has shape (T, *, N) on a ring and (T, *, H, W) on a
torus, angles are in radians, frequencies in radians per frame and wave numbers in radians per site. Nothing here knows
of models.
"""

from flowdis.waves.coherence import (
    direction_coherence,
    gradient_directedness,
    standing_index,
    steady_current,
    synchrony,
)
from flowdis.waves.columns import ColumnSpacing, column_spacing
from flowdis.waves.dispersion import DispersionFit, dispersion_fit
from flowdis.waves.following import CircularRegression, SpeedFollowing, circular_regression, speed_following
from flowdis.waves.motion import divergence, frequency, phase_velocity, propagation_direction, wave_vectors
from flowdis.waves.null import CLASSES, NullTest, permuted_site_null, site_permutations, wave_class
from flowdis.waves.phase import amplitude_mask, analytic_signal, band_pass, quadrature_signal, trim_edges, wrap
from flowdis.waves.pinwheels import Pinwheels, charges, find_pinwheels, winding
from flowdis.waves.report import WaveReport, measure_waves
from flowdis.waves.retracing import retrace_ratio, return_ratio
from flowdis.waves.selectivity import (
    circular_variance,
    d_prime,
    preference,
    selectivity_index,
    tuning_curves,
    tuning_harmonic,
)
from flowdis.waves.spectrum import (
    WaveSpectrum,
    concentration,
    direction_index,
    signed_direction_index,
    synchronous_share,
    wave_spectrum,
)
from flowdis.waves.tracking import ChargeEvent, ChargeTrack, ChargeTracks, track_charges

__all__ = [
    "WaveReport",
    "measure_waves",
    "analytic_signal",
    "quadrature_signal",
    "band_pass",
    "trim_edges",
    "amplitude_mask",
    "wrap",
    "frequency",
    "wave_vectors",
    "phase_velocity",
    "propagation_direction",
    "divergence",
    "direction_coherence",
    "synchrony",
    "gradient_directedness",
    "standing_index",
    "steady_current",
    "WaveSpectrum",
    "wave_spectrum",
    "direction_index",
    "signed_direction_index",
    "synchronous_share",
    "concentration",
    "DispersionFit",
    "dispersion_fit",
    "CLASSES",
    "NullTest",
    "permuted_site_null",
    "site_permutations",
    "wave_class",
    "tuning_curves",
    "tuning_harmonic",
    "preference",
    "selectivity_index",
    "circular_variance",
    "d_prime",
    "Pinwheels",
    "find_pinwheels",
    "charges",
    "winding",
    "ColumnSpacing",
    "column_spacing",
    "ChargeTracks",
    "ChargeTrack",
    "ChargeEvent",
    "track_charges",
    "return_ratio",
    "retrace_ratio",
    "CircularRegression",
    "circular_regression",
    "SpeedFollowing",
    "speed_following",
]

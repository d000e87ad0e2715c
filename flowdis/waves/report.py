"""The report: everything that is measured of the waves in a recording, in one frozen record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.waves.coherence import standing_index, steady_current, synchrony
from flowdis.waves.dispersion import DispersionFit, dispersion_fit
from flowdis.waves.lattices import Activity, Signal, check_lattice
from flowdis.waves.motion import divergence, propagation_direction
from flowdis.waves.null import NullTest, check_level, permuted_site_null, wave_class
from flowdis.waves.phase import amplitude_mask, analytic_signal, quadrature_signal, trim_edges
from flowdis.waves.pinwheels import Pinwheels, find_pinwheels
from flowdis.waves.spectrum import WaveSpectrum, signed_direction_index, synchronous_share, wave_spectrum

__all__ = ["WaveReport", "measure_waves"]


@dataclass(frozen=True)
class WaveReport:
    """The waves of a recording; figures are means over frames and batch entries.

    Arguments:
        kind: "travelling", "standing", "synchronous" or "none", by `wave_class`.
        frames: How many frames there were.
        trimmed: How many were left out at each end where phases are read.
        sites: The lattice's shape.
        frequency: The frequency of most power, in radians per frame.
        wave_vector: The wave vector of most power, in radians per site along each axis.
        wavelength: 2 pi / |k| of it, in sites; None where k is 0.
        speed: omega / |k| of it, in sites per frame; None where k is 0.
        direction: Its direction in radians counter-clockwise from the right; None where k is 0.
        synchrony: The length of the mean of e^(i phase) over the sites.
        synchronous_share: The share of power at k = 0.
        standing: The standing index.
        current: The steady current.
        signed_direction: (P(+) - P(-)) / (P(+) + P(-)) along each axis.
        sources: The mean size of the divergence of the wave vectors, in radians per site squared.
        tests: "coherence", "directedness", "direction_index" and "concentration", each beside its null.
        dispersion: The lattice that the ridge of the spectrum looks like; None where it has one wave vector only.
        vortices: The charges of the phase, frame by frame; None on a ring.
    """

    kind: str
    frames: int
    trimmed: int
    sites: tuple[int, ...]
    frequency: float
    wave_vector: tuple[float, ...]
    wavelength: float | None
    speed: float | None
    direction: float | None
    synchrony: float
    synchronous_share: float
    standing: float
    current: float
    signed_direction: tuple[float, ...]
    sources: float
    tests: Mapping[str, NullTest]
    dispersion: DispersionFit | None
    vortices: Pinwheels | None

    @property
    def coherence(self) -> float:
        """How much all sites' wave vectors point one way."""
        return self.tests["coherence"].observed

    @property
    def direction_index(self) -> float:
        """How much of the waves' power goes one way."""
        return self.tests["direction_index"].observed

    def to_json(self) -> dict[str, Any]:
        """All fields by name; tests, dispersion and vortices as their own."""
        found: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        found |= {name: list(found[name]) for name in ("sites", "wave_vector", "signed_direction")}
        found["tests"] = {name: test.to_json() for name, test in self.tests.items()}
        found["dispersion"] = None if self.dispersion is None else self.dispersion.to_json()
        found["vortices"] = None if self.vortices is None else self.vortices.to_json()
        return found


@torch.no_grad()
def measure_waves(
    activity: Activity,
    *,
    momenta: Activity | None = None,
    natural_frequency: float | Float[Tensor, "*frequencies"] | None = None,
    dimension: int = 2,
    periodic: bool = True,
    trim: int | None = None,
    least: float = 0.1,
    permutations: int = 199,
    level: float = 0.99,
    generator: torch.Generator | None = None,
) -> WaveReport:
    """Measures the waves in recordings on a ring or torus, and names what they are.

    All batch entries and channels are taken for recordings of the same kind: figures are means over them, spectra are
    added up, and sites are permuted in all of them alike.

    Arguments:
        activity: The activity, with shape (T, *, N) or (T, *, H, W): positions, where there are momenta.
        momenta: The momenta, shaped alike, in positions per frame; with them the phase is exact at every frame.
        natural_frequency: The frequency for the quadrature with momenta, in radians per frame; that of most power
            where left out.
        dimension: How many of the last axes count sites.
        periodic: Whether the lattice is a ring or torus, or has ends.
        trim: Frames left out at each end where phases are read. Where left out: none with momenta, otherwise one
            period of the frequency of most power, or a quarter of the frames if that is less.
        least: The least amplitude that has a phase, as a share of the root mean square over all frames. Frames of a
            recording that has died away count as without direction; 0 lets every site count.
        permutations: How many permutations of sites the null has.
        level: The level of the tests, of which the class depends on one.
        generator: The source of chance for permutations.

    Raises:
        ValueError: if shapes do not match, there are fewer than five frames, the activity is not finite or does not
            change, or a number is out of range.
    """
    check_lattice("activity", activity, dimension, frames=5)
    check_positive("least", least, zero=True)
    check_level(level, permutations)
    signal = _signal(activity, momenta, natural_frequency, dimension, periodic)
    spectrum = wave_spectrum(signal, dimension=dimension, periodic=periodic)
    main = _main_wave(spectrum)
    trim = _trim(trim, main["frequency"], len(activity), exact=momenta is not None)
    inner = trim_edges(signal, trim)
    tests = permuted_site_null(
        signal, dimension=dimension, mask=amplitude_mask(signal, dimension=dimension, least=least), trim=trim,
        periodic=periodic, permutations=permutations, level=level, generator=generator,
    )  # fmt: skip
    synchronous = float(synchronous_share(spectrum).mean())
    standing = float(standing_index(inner, dimension=dimension).mean())
    current = float(steady_current(inner, dimension=dimension, periodic=periodic).mean())
    phase = inner.angle()
    return WaveReport(
        kind=wave_class(tests, synchronous=synchronous, standing=standing, current=current, level=level),
        frames=len(activity),
        trimmed=trim,
        sites=tuple(activity.shape[-dimension:]),
        **main,
        synchrony=float(synchrony(phase, dimension=dimension).mean()),
        synchronous_share=synchronous,
        standing=standing,
        current=current,
        signed_direction=tuple(signed_direction_index(spectrum).reshape(-1, dimension).mean(0).tolist()),
        sources=float(divergence(phase, dimension=dimension, periodic=periodic).abs().mean()),
        tests=tests,
        dispersion=_dispersion(spectrum),
        vortices=find_pinwheels(inner, periodic=periodic, least=least) if dimension == 2 else None,
    )


def _signal(
    activity: Tensor, momenta: Tensor | None, natural_frequency: float | Tensor | None, dimension: int, periodic: bool
) -> Signal:
    """The analytic signal, or with momenta that in quadrature."""
    if not bool((activity != activity[:1]).any()):
        raise ValueError("`activity` must change over time, got the same in every frame")
    if momenta is None:
        if natural_frequency is not None:
            raise ValueError("`natural_frequency` must come with `momenta`, got none")
        return analytic_signal(activity)
    if momenta.shape != activity.shape:
        given = tuple(momenta.shape)
        raise ValueError(f"`momenta` must be shaped like `activity`, {tuple(activity.shape)}, got {given}")
    if natural_frequency is None:
        natural_frequency = wave_spectrum(activity, dimension=dimension, periodic=periodic).dominant()[0]
    return quadrature_signal(activity - activity.mean(0), momenta - momenta.mean(0), natural_frequency)


def _main_wave(spectrum: WaveSpectrum) -> dict[str, Any]:
    """What the frequency and the wave vector of most power say."""
    frequency, vector = spectrum.dominant()
    length = math.hypot(*vector)
    return {
        "frequency": frequency,
        "wave_vector": vector,
        "wavelength": 2 * math.pi / length if length else None,
        "speed": frequency / length if length else None,
        "direction": float(propagation_direction(torch.tensor(vector))) if length else None,
    }


def _trim(trim: int | None, frequency: float, frames: int, *, exact: bool) -> int:
    """How many frames are left out at each end."""
    if trim is None:
        period = math.ceil(2 * math.pi / frequency) if frequency > 0 else frames
        return 0 if exact else min(period, frames // 4)
    if not 0 <= 2 * trim <= frames - 2:
        raise ValueError(f"`trim` must be at least 0 and leave 2 frames of {frames}, got {trim}")
    return trim


def _dispersion(spectrum: WaveSpectrum) -> DispersionFit | None:
    """The fit, where there is a ridge to fit."""
    try:
        return dispersion_fit(spectrum)
    except ValueError:
        return None

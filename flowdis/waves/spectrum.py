r"""The spectrum over frequency and wave vector, and what it says of the direction of waves.

.. math:: S(\omega, k) = \Big| \sum_t \sum_j h_t \, a_j(t) \, e^{-i (\omega t - k \cdot j)} \Big|^2, \qquad \omega > 0

is the power of the wave that goes along +k: with frequencies kept positive, k and -k are different directions. h is
Hann's window, so that frames need not hold whole periods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Inexact
from torch import Tensor

from flowdis.waves.lattices import check_lattice, site_axes

__all__ = [
    "WaveSpectrum",
    "concentration",
    "direction_index",
    "signed_direction_index",
    "synchronous_share",
    "wave_spectrum",
]

ZERO_MODE = {1: (..., 0), 2: (..., 0, 0)}


@dataclass(frozen=True, eq=False)
class WaveSpectrum:
    """Power by frequency and wave vector.

    Arguments:
        power: The power, with shape (F, *, N) or (F, *, H, W): frequencies first, and along the last axes the wave
            numbers in the order of a Fourier transform.
        frequencies: The frequencies in radians per frame, with shape (F): those above 0 and below pi.
        wave_numbers: Along each of the last axes, its wave numbers in radians per site, between -pi and pi.
    """

    power: Float[Tensor, "F *modes"]
    frequencies: Float[Tensor, "F"]
    wave_numbers: tuple[Float[Tensor, "_"], ...]

    @property
    def dimension(self) -> int:
        """How many of the last axes count wave numbers."""
        return len(self.wave_numbers)

    @property
    def by_wave_vector(self) -> Float[Tensor, "*modes"]:
        """The power of each wave vector, over all frequencies, with shape (*, N) or (*, H, W)."""
        return self.power.sum(0)

    @property
    def vectors(self) -> Float[Tensor, "*modes dimension"]:
        """The wave vectors, with shape (N, 1) or (H, W, 2)."""
        return torch.stack(torch.meshgrid(*self.wave_numbers, indexing="ij"), dim=-1)

    def dominant(self) -> tuple[float, tuple[float, ...]]:
        """The frequency and the wave vector of most power, over all batch entries, in radians per frame and per site.

        The frequency is interpolated between bins, exactly for a pure tone (Grandke 1983); the wave vector is one of
        a ring's or torus's own. Both are 0 where there is no power.
        """
        pooled = pool(self)
        mode = int(pooled.sum(0).argmax())
        if not bool(pooled[:, mode].sum() > 0):
            return 0.0, (0.0,) * self.dimension
        vector = self.vectors.reshape(-1, self.dimension)[mode]
        return float(ridge_frequencies(self, pooled)[mode]), tuple(vector.tolist())


def wave_spectrum(signal: Inexact[Tensor, "T *sites"], *, dimension: int = 2, periodic: bool = True) -> WaveSpectrum:
    """The spectrum of activity, or of an analytic or quadrature signal; the mean over time of each site is left out.

    Arguments:
        signal: The activity (real) or its signal (complex), with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        periodic: Whether the lattice is a ring or torus; one with ends gets Hann's window along each axis, too.

    Raises:
        ValueError: if the signal has another shape or fewer than five frames, or is not finite.
    """
    check_lattice("signal", signal, dimension, frames=5)
    numbers = tuple(wave_numbers(signal.shape[axis], signal) for axis in site_axes(dimension))
    power = spatial_power(temporal_bins(signal), dimension, periodic)
    return WaveSpectrum(power, _frequencies(len(signal), signal), numbers)


def hann(count: int, like: Tensor) -> Tensor:
    """Hann's window, of the dtype of the real part of `like`."""
    return torch.hann_window(count, periodic=True, device=like.device, dtype=like.real.dtype)


def _frequencies(frames: int, like: Tensor) -> Tensor:
    """The frequencies above 0 and below half a turn per frame."""
    bins = torch.arange(1, (frames + 1) // 2, device=like.device, dtype=like.real.dtype)
    return 2 * math.pi * bins / frames


def wave_numbers(count: int, like: Tensor) -> Tensor:
    return 2 * math.pi * torch.fft.fftfreq(count, device=like.device, dtype=like.real.dtype)


def temporal_bins(signal: Tensor) -> Complex[Tensor, "F *sites"]:
    """The windowed Fourier transform over time, at the frequencies above 0 and below pi."""
    window = hann(len(signal), signal).reshape(-1, *[1] * (signal.ndim - 1))
    bins = torch.fft.fft((signal - signal.mean(0)) * window, dim=0)
    return bins[1 : (len(signal) + 1) // 2]


def spatial_power(bins: Complex[Tensor, "F *sites"], dimension: int, periodic: bool) -> Float[Tensor, "F *sites"]:
    """The power of e^(-i k . j): the inverse transform's sign, without its factor; windowed where there are ends."""
    if not periodic:
        for axis in site_axes(dimension):
            bins = bins * hann(bins.shape[axis], bins).reshape(-1, *[1] * (-1 - axis))
    return torch.fft.ifftn(bins, dim=site_axes(dimension), norm="forward").abs().square()


def pool(spectrum: WaveSpectrum) -> Float[Tensor, "F modes"]:
    """The power (F, K) summed over all batch entries, wave vectors in one row."""
    modes = math.prod(len(numbers) for numbers in spectrum.wave_numbers)
    return spectrum.power.reshape(len(spectrum.power), -1, modes).sum(1)


def ridge_frequencies(spectrum: WaveSpectrum, pooled: Float[Tensor, "F modes"]) -> Float[Tensor, "modes"]:
    """The frequency at which each wave vector has most power, in radians per frame, between bins.

    With Hann's window, amplitudes of a tone in the two nearest bins have the ratio r = (1 + d) / (2 - d), d the
    distance from the nearest.
    """
    padded = torch.nn.functional.pad(pooled, (0, 0, 1, 1))
    peak = pooled.argmax(0, keepdim=True)
    below, top, above = (padded.gather(0, peak + step) for step in (0, 1, 2))
    ratio = (torch.maximum(below, above) / torch.where(top > 0, top, 1.0)).sqrt()
    distance = ((2 * ratio - 1) / (1 + ratio)).clamp(min=0)
    spacing = spectrum.frequencies[0]
    return (spacing * (peak + 1 + torch.where(above >= below, distance, -distance)))[0]


def _opposite(power: Tensor, dimension: int) -> Tensor:
    """The power at -k, for each k."""
    axes = site_axes(dimension)
    return power.flip(axes).roll([1] * dimension, axes)


def _waves_only(power: Tensor, dimension: int, axes: tuple[int, ...]) -> Tensor:
    """The power with that of k = 0 left out, and all of it where that leaves nothing but rounding over some axes."""
    waves = power.clone()
    waves[ZERO_MODE[dimension]] = 0.0
    left, whole = waves.sum(axes, keepdim=True), power.sum(axes, keepdim=True)
    return torch.where(left > (100 * torch.finfo(power.dtype).eps) ** 2 * whole, waves, 0.0)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """The part of the whole, 0 where there is none."""
    return torch.where(whole > 0, part / torch.where(whole > 0, whole, 1.0), 0.0)


def direction_index(spectrum: WaveSpectrum) -> Float[Tensor, "*batch"]:
    r"""How much of the waves' power goes one way, :math:`\sum |P(k) - P(-k)| / \sum (P(k) + P(-k))` over pairs k, -k.

    1 if each wave vector with power is without its opposite, 0 for standing waves. What all sites do alike, at k = 0,
    does not count. Where nothing is arranged in space it
    is about 1/2, less for noise of many frequencies: read it beside the null of permuted sites. A spiral or a target,
    which goes all ways, has 0 too; `steady_current` tells it from a standing wave. Without any waves it is 0.

    Arguments:
        spectrum: The spectrum.

    Returns:
        The index of each batch entry, with shape (*).
    """
    return direction_index_of(spectrum.by_wave_vector, spectrum.dimension)


def direction_index_of(power: Tensor, dimension: int) -> Tensor:
    """The direction index of the power (*, N) or (*, H, W) of each wave vector."""
    axes = site_axes(dimension)
    waves = _waves_only(power, dimension, axes)
    return _share((waves - _opposite(waves, dimension)).abs().sum(axes) / 2, waves.sum(axes))


def signed_direction_index(spectrum: WaveSpectrum) -> Float[Tensor, "*batch dimension"]:
    """Along each axis, (P(+) - P(-)) / (P(+) + P(-)): power of waves towards higher sites against that towards lower.

    1 for a wave towards higher sites, -1 towards lower, 0 for a standing wave, or where nothing goes along the axis.
    Wave vectors with a component of 0 or pi along it do not count.

    Arguments:
        spectrum: The spectrum.

    Returns:
        The indices, with shape (*, 1) or (*, 2).
    """
    power, axes = spectrum.by_wave_vector, site_axes(spectrum.dimension)
    found = []
    for axis, numbers in zip(axes, spectrum.wave_numbers, strict=True):
        inside = numbers.abs() < math.pi * (1 - 1e-6)
        sign = (numbers.sign() * inside).reshape(-1, *[1] * (-1 - axis))
        found.append(_share((power * sign).sum(axes), (power * sign.abs()).sum(axes)))
    return torch.stack(found, dim=-1)


def synchronous_share(spectrum: WaveSpectrum) -> Float[Tensor, "*batch"]:
    """The share of the power at k = 0, where all sites do the same: synchrony, which is no wave. From 0 to 1."""
    power = spectrum.by_wave_vector
    return _share(power[ZERO_MODE[spectrum.dimension]], power.sum(site_axes(spectrum.dimension)))


def concentration(spectrum: WaveSpectrum) -> Float[Tensor, "*batch"]:
    r"""How much the waves' power is concentrated on few pairs of frequency and wave vector: :math:`\sum p^2`.

    p is each pair's share of the power over k other than 0; its inverse counts the pairs that share the power. Sites
    in an order that means nothing spread over all wave vectors, a wave or a pulse, standing or not, over few.

    Arguments:
        spectrum: The spectrum.

    Returns:
        The concentration of each batch entry, with shape (*).
    """
    return concentration_of(spectrum.power, spectrum.dimension)


def concentration_of(power: Tensor, dimension: int) -> Tensor:
    """The concentration of power (F, *, N) or (F, *, H, W)."""
    axes = (0, *site_axes(dimension))
    waves = _waves_only(power, dimension, axes)
    return _share(waves.square().sum(axes), waves.sum(axes).square())

r"""Phase: where in its cycle each site is, at every frame.

A wave of frequency omega > 0 and wave vector k is x_j(t) = cos(omega t - k . j), and everything here and beside is
written for its complex signal

.. math:: a_j(t) = x_j(t) + i \, (\mathcal{H} x_j)(t) = e^{i (\omega t - k \cdot j)}, \qquad \varphi_j(t) = \arg a_j(t),

H the Hilbert transform, which turns cosines into sines. Signals without momenta get it from a Fourier transform, which
takes the recording for one period of something periodic: near its first and last frame it is wrong. Where momenta are
known, no frame is.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Complex, Float, Shaped
from torch import Tensor

from flowdis._checks import check_finite, check_positive
from flowdis.waves.lattices import Activity, Signal, check_dimension, check_lattice, site_axes

__all__ = ["amplitude_mask", "analytic_signal", "band_pass", "quadrature_signal", "trim_edges", "wrap"]


def wrap(angle: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Angles in radians brought to [-pi, pi), by whole turns; to rounding, near whose ends pi may stand for -pi.

    Example:
        >>> wrap(torch.tensor([0.5, 0.5 + 4 * math.pi, math.pi])).tolist()
        [0.5, 0.5, -3.1415927]
    """
    turns = angle.add(math.pi).div_(2 * math.pi).floor_()
    return torch.sub(angle, turns, alpha=2 * math.pi)


def analytic_signal(activity: Activity) -> Signal:
    """The analytic signal of each site, less its mean over time: the activity, and in quadrature its Hilbert transform.

    The bins 1 to ceil(T / 2) - 1 of the Fourier transform are doubled, and the last of an even number of frames, at
    half a turn per frame, is kept once; so the real part is the activity less its mean, exactly, for even and odd T.
    Exact for whole periods in T frames. Otherwise wrong near both ends (of 7.4 periods, by radians at the first frame,
    by 0.08 at most one period from it and 0.05 two): `trim_edges`.

    Arguments:
        activity: The activity, with shape (T, *).

    Returns:
        The signal, with shape (T, *).

    Raises:
        ValueError: if there are fewer than three frames, or a value is not finite.

    References:
        Gabor 1946, Theory of communication; Marple 1999, for the bins of a sampled signal.
    """
    if activity.ndim < 1 or activity.shape[0] < 3:
        raise ValueError(f"`activity` must have shape (T, *) with at least 3 frames, got {tuple(activity.shape)}")
    check_finite("activity", activity)
    frames = activity.shape[0]
    weights = activity.new_zeros(frames)
    weights[1 : (frames + 1) // 2] = 2.0
    if frames % 2 == 0:
        weights[frames // 2] = 1.0
    bins = torch.fft.fft(activity - activity.mean(0), dim=0)
    return torch.fft.ifft(bins * weights.reshape(-1, *[1] * (activity.ndim - 1)), dim=0)


def quadrature_signal(
    positions: Activity, momenta: Activity, frequency: float | Float[Tensor, "*frequencies"]
) -> Complex[Tensor, "T *sites"]:
    r"""The signal of oscillators whose momenta are known, :math:`a = x - i p / \Omega`.

    Exact at every frame for x = cos(Omega t - k . j) with p = dx / dt. With damping alpha it is off by up to about
    alpha / (2 Omega) rad, and if Omega is not the frequency it circles on an ellipse.

    Arguments:
        positions: The positions, with shape (T, *), measured from where the oscillators rest.
        momenta: The momenta, shaped alike, in positions per unit of time.
        frequency: The natural frequency Omega, in radians per that unit: a number, or a tensor that fits the last axes
            of the positions, as (C, 1, 1) does for one of each channel.

    Raises:
        ValueError: if a value is not finite or a frequency is not positive.
    """
    check_finite("positions", positions)
    check_finite("momenta", momenta)
    frequencies = torch.as_tensor(frequency, dtype=positions.dtype, device=positions.device)
    check_positive("frequency", float(check_finite("frequency", frequencies).min()))
    scaled = momenta / frequencies
    if scaled.shape != positions.shape:
        raise ValueError(f"`frequency` must fit shape {tuple(positions.shape)}, got {tuple(frequencies.shape)}")
    return torch.complex(positions, -scaled)


def trim_edges(values: Shaped[Tensor, "T *sites"], frames: int) -> Shaped[Tensor, "frames *sites"]:
    """The values without so many frames at the beginning and at the end.

    Raises:
        ValueError: if `frames` is negative or leaves nothing.
    """
    if frames < 0 or 2 * frames >= len(values):
        raise ValueError(f"`frames` must be at least 0 and less than half of {len(values)}, got {frames}")
    return values[frames : len(values) - frames]


def band_pass(activity: Activity, low: float, high: float) -> Activity:
    """The part of the activity with frequencies between two, without moving any in time.

    A window on the Fourier transform over time, 1 inside the band and falling to 0 within half an octave outside of
    it, as a cosine. It does not depend on the direction of time, as causal filters do, so that phases stay. The mean
    is lost.

    Arguments:
        activity: The activity, with shape (T, *).
        low: The lower end, in radians per frame.
        high: The upper end, at most pi.

    Raises:
        ValueError: unless 0 < low < high <= pi, or if a value is not finite.
    """
    if not 0 < low < high <= math.pi:
        raise ValueError(f"`low` and `high` must be 0 < low < high <= pi, got {low} and {high}")
    check_finite("activity", activity)
    bins = torch.fft.rfft(activity, dim=0)
    turns = 2 * math.pi * torch.arange(len(bins), device=activity.device, dtype=activity.dtype) / len(activity)
    octaves = torch.maximum(math.log2(low) - turns.log2(), turns.log2() - math.log2(high))
    gain = 0.5 + 0.5 * torch.cos(math.pi * (2 * octaves).clamp(0, 1))
    return torch.fft.irfft(bins * gain.reshape(-1, *[1] * (activity.ndim - 1)), n=len(activity), dim=0)


def amplitude_mask(signal: Signal, *, dimension: int = 2, least: float = 0.1) -> Bool[Tensor, "T *sites"]:
    """Where the signal is strong enough to have a phase: |a| at least so much of its root mean square.

    The root mean square is over the frames and the sites of one lattice; where a lattice is silent, nothing is.

    Arguments:
        signal: The signal, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        least: The least amplitude, as a share of the root mean square.

    Raises:
        ValueError: if the signal has another shape, a value is not finite, or `least` is negative.
    """
    check_positive("least", least, zero=True)
    check_lattice("signal", signal, check_dimension(dimension))
    power = signal.abs().square()
    strength = power.mean((0, *site_axes(dimension)), keepdim=True).sqrt()
    return (signal.abs() >= least * strength) & (signal.abs() > 0)

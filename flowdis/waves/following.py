r"""Following: whether waves go faster where the input does.

The slope of a phase against something that runs on, time or the input's own angle, is found without unwrapping, as the
s that makes the residuals most alike (Kempter et al. 2012):

.. math:: \max_s \; \sum_j \Big| \frac1T \sum_t e^{i (\varphi_j(t) - s \, x(t))} \Big|^2,

each site with an offset of its own. Against time, s is a frequency. The slope of the waves' frequencies against the
inputs' says whether they follow: 1 if a wave goes round as often as its input, 0 if it keeps its own time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from flowdis._checks import check_finite
from flowdis.waves.lattices import Phase, check_dimension, check_lattice

__all__ = ["CircularRegression", "SpeedFollowing", "circular_regression", "speed_following"]

_NARROWING = 40  # of the bracket by the golden section: by 4e-9, to where rounding hides the crest
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False)
class CircularRegression:
    """The slopes of angles against something that runs on.

    Arguments:
        slope: The slopes, with shape (*).
        concentration: How alike the residuals are, from 0 to 1 where the line is exact, with shape (*): the root of
            the mean over the sites that share a slope of the squared length of their mean residual. By chance it is
            more than one over the root of the number of frames, as the slope is sought.
    """

    slope: Float[Tensor, "*batch"]
    concentration: Float[Tensor, "*batch"]


def circular_regression(
    x: Float[Tensor, "T"],
    angle: Float[Tensor, "T *sites"],
    *,
    shared: int = 0,
    slopes: tuple[float, float] | None = None,
) -> CircularRegression:
    """The slope of angles against x, with an offset for each and no unwrapping.

    Arguments:
        x: What the angles are set against, with shape (T).
        angle: The angles in radians, with shape (T, *).
        shared: How many of the last axes have one slope together.
        slopes: The lowest and highest slope to look for. From -pi to pi per smallest step of x where left out: beyond
            that, steps of x cannot tell them.

    Returns:
        The slopes and how exact they are, with shape (*) without the axes that share one.

    Raises:
        ValueError: if there are fewer than three frames, x has fewer than two values, a value is not finite, `shared`
            is not a number of axes, or the slopes are not in order.
    """
    if len(x) < 3 or not 0 <= shared < angle.ndim:
        given = tuple(angle.shape)
        raise ValueError(f"`angle` must have shape (T, *) with 3 frames and {shared} axes or more, got {given}")
    check_finite("angle", angle)
    steps = check_finite("x", x).sort().values.diff()
    if not bool((steps > 0).any()):
        raise ValueError("`x` must have at least two values, got one")
    limit = math.pi / float(steps[steps > 0].min())
    low, high = (-limit, limit) if slopes is None else slopes
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"`slopes` must be a lower and a higher finite number, got {slopes}")
    batch = angle.shape[1 : angle.ndim - shared]
    phasors = torch.polar(torch.ones_like(angle), angle).reshape(len(x), math.prod(batch), -1)
    centred = x - (x.max() + x.min()) / 2
    slope = _crest(phasors, centred, low, high)
    return CircularRegression(slope.reshape(batch), _height(phasors, centred, slope).sqrt().reshape(batch))


def _height(phasors: Tensor, x: Tensor, slope: Tensor) -> Float[Tensor, "n"]:
    """The mean over sites of |mean over frames of e^(i (angle - s x))|^2, for phasors (T, n, sites), slopes (n)."""
    turned = torch.polar(torch.ones_like(x)[:, None], -x[:, None] * slope)
    return torch.einsum("tnj,tn->nj", phasors, turned).abs().square().mean(-1) / len(x) ** 2


def _crest(phasors: Complex[Tensor, "T n sites"], x: Float[Tensor, "T"], low: float, high: float) -> Tensor:
    """The slope (n) of the highest crest: four places on each half of its main lobe, then the golden section."""
    spacing = math.pi / (4 * float(x.max() - x.min()))
    count = max(2, math.ceil((high - low) / spacing) + 1)
    candidates = torch.linspace(low, high, count, device=x.device, dtype=x.dtype)
    best, height = x.new_full(phasors.shape[1:2], low), x.new_full(phasors.shape[1:2], -1.0)
    for candidate in candidates:
        found = _height(phasors, x, candidate.expand(phasors.shape[1]))
        best, height = torch.where(found > height, candidate, best), torch.maximum(found, height)
    left, right = (best - spacing).clamp(min=low), (best + spacing).clamp(max=high)
    for _ in range(_NARROWING):
        inner = right - _GOLDEN * (right - left)
        outer = left + _GOLDEN * (right - left)
        lower = _height(phasors, x, inner) < _height(phasors, x, outer)
        left, right = torch.where(lower, inner, left), torch.where(lower, right, outer)
    return (left + right) / 2


@dataclass(frozen=True)
class SpeedFollowing:
    """How the frequency of waves depends on the speed of their input.

    Arguments:
        input_speeds: The speed of each sequence's input, in radians per frame.
        wave_speeds: The frequency of its waves, in radians per frame.
        concentrations: How exactly its waves have one frequency, from 0 to 1.
        slope: Of the least-squares line of the wave speeds over the input speeds: 1 follows, 0 keeps its own time.
        intercept: The wave speed at rest, by that line.
        correlation: Pearson's correlation of the two; 0 if all waves are alike.
    """

    input_speeds: tuple[float, ...]
    wave_speeds: tuple[float, ...]
    concentrations: tuple[float, ...]
    slope: float
    intercept: float
    correlation: float

    def to_json(self) -> dict[str, Any]:
        """All fields by name."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


def speed_following(
    phase: Phase, input_speeds: Float[Tensor, "B"], *, dimension: int = 2, fastest: float = math.pi
) -> SpeedFollowing:
    """How fast the waves of sequences go round, against how fast their inputs do.

    The phases of each sequence's sites have one frequency together, by circular regression on time. A signal from
    positions alone has positive frequencies whichever way its wave goes: give the sizes of speeds, and read the way
    from the wave vectors.

    Arguments:
        phase: The phases in radians, with shape (T, B, *, N) or (T, B, *, H, W).
        input_speeds: How fast each input runs round its period, in radians per frame, with shape (B).
        dimension: How many of the last axes count sites.
        fastest: The highest frequency to look for, at most pi radians per frame.

    Raises:
        ValueError: if shapes do not match, there are fewer than three frames, a value is not finite, or all input
            speeds are the same.
    """
    check_lattice("phase", phase, check_dimension(dimension), frames=3)
    if phase.ndim < 2 + dimension or phase.shape[1] != len(input_speeds):
        given = tuple(phase.shape)
        raise ValueError(f"`phase` must have shape (T, {len(input_speeds)}, *sites), an entry a speed, got {given}")
    speeds = check_finite("input_speeds", input_speeds).double().cpu()
    if len(speeds) < 2 or float(speeds.max() - speeds.min()) == 0:
        raise ValueError(f"`input_speeds` must have at least two different speeds, got {speeds.tolist()}")
    if not 0 < fastest <= math.pi:
        raise ValueError(f"`fastest` must be more than 0 and at most pi, got {fastest}")
    time = torch.arange(len(phase), device=phase.device, dtype=phase.dtype)
    fit = circular_regression(time, phase, shared=phase.ndim - 2, slopes=(-fastest, fastest))
    waves = fit.slope.double().cpu()
    across, up = speeds - speeds.mean(), waves - waves.mean()
    slope = float((across * up).sum() / across.square().sum())
    size = float(across.norm() * up.norm())
    return SpeedFollowing(
        tuple(speeds.tolist()),
        tuple(waves.tolist()),
        tuple(fit.concentration.tolist()),
        slope,
        float(waves.mean()) - slope * float(speeds.mean()),
        float((across * up).sum()) / size if size > 0 else 0.0,
    )

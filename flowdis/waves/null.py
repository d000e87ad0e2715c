r"""The null: what the same recordings would measure if the places of sites meant nothing; and the verdict.

Sites are permuted, once for all frames, batch entries and channels, so that each site keeps its whole course and only
the arrangement is lost. If sites are exchangeable, an observed figure is as likely to have any rank among those of P
permutations: the chance that it exceeds all but a fraction is that fraction, whatever the recordings are like.

Permuting tells an arrangement from none. It does not tell a wave from any other arrangement, such as smooth noise, so
a verdict asks for more than a figure above the null; and it leaves synchrony as it is, so that synchrony is a class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.waves.coherence import coherence_of, directedness_of
from flowdis.waves.lattices import Signal, check_lattice, site_axes
from flowdis.waves.motion import slopes
from flowdis.waves.phase import trim_edges
from flowdis.waves.spectrum import concentration_of, direction_index_of, spatial_power, temporal_bins

__all__ = ["CLASSES", "NullTest", "permuted_site_null", "site_permutations", "wave_class"]

CLASSES = ("travelling", "standing", "synchronous", "none")

_CLEAR = 2 / 3
_AT_ONCE = 2**21  # numbers of the permuted signal in memory


@dataclass(frozen=True)
class NullTest:
    """A figure beside what it is with sites permuted.

    Arguments:
        observed: The figure.
        mean: Its mean over permutations.
        threshold: The level's quantile over permutations, by rank.
        percentile: How many per cent of the permutations are below the observed figure, those equal to it by half.
        p_value: The chance, among the permutations and the observed order, of a figure at least as large.
    """

    observed: float
    mean: float
    threshold: float
    percentile: float
    p_value: float

    def to_json(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def site_permutations(
    count: int, sites: int, *, generator: torch.Generator | None = None, device: torch.device | None = None
) -> Int[Tensor, "count sites"]:
    """So many permutations of the numbers of sites, each as likely as any.

    Arguments:
        count: How many.
        sites: How many sites there are.
        generator: The source of chance, on the same device.
        device: Where to make them; the generator's own device where left out.

    Raises:
        ValueError: if a number is not positive.
    """
    check_positive("count", count)
    check_positive("sites", sites)
    place = device if device is not None or generator is None else generator.device
    draws = torch.rand(count, sites, generator=generator, device=place, dtype=torch.float64)
    return draws.argsort(dim=-1)


def permuted_site_null(
    signal: Signal,
    *,
    dimension: int = 2,
    mask: Bool[Tensor, "T *sites"] | None = None,
    trim: int = 0,
    periodic: bool = True,
    permutations: int = 199,
    level: float = 0.99,
    generator: torch.Generator | None = None,
) -> dict[str, NullTest]:
    """Measures of order in space, beside those of the same signal with its sites permuted.

    They are "coherence" and "directedness" of the wave vectors (means over the frames that are left), and of the
    spectrum of all frames the "direction_index" and the "concentration"; each is a mean over batch entries.

    Arguments:
        signal: The analytic or quadrature signal, with shape (T, *, N) or (T, *, H, W).
        dimension: How many of the last axes count sites.
        mask: Where the phase counts; everywhere where left out.
        trim: Frames left out at each end, except in the spectrum.
        periodic: Whether the lattice is a ring or torus.
        permutations: How many permutations: enough for one alone to be above the level.
        level: The level of the threshold.
        generator: The source of chance.

    Returns:
        The tests by name.

    Raises:
        ValueError: if the signal has another shape, fewer than five frames, or is not finite, if `level` is not
            between 0 and 1, or if there are too few permutations for it.
    """
    check_lattice("signal", signal, dimension, frames=5)
    check_level(level, permutations)
    place = signal.device
    sites = math.prod(signal.shape[-dimension:])
    orders = site_permutations(permutations, sites, generator=generator).to(place)
    orders = torch.cat([torch.arange(sites, device=place)[None], orders])
    counted = torch.ones_like(signal, dtype=torch.bool) if mask is None else mask
    parts = (trim_edges(signal.angle(), trim), trim_edges(counted, trim), temporal_bins(signal))
    found: dict[str, list[Tensor]] = {}
    for some in orders.split(max(1, _AT_ONCE // signal.numel())):
        phase, counts, bins = (_permuted(part, some, dimension) for part in parts)
        for name, figures in _figures(phase, counts, bins, dimension, periodic).items():
            found.setdefault(name, []).append(figures)
    return {name: _test(torch.cat(pieces), level) for name, pieces in found.items()}


def check_level(level: float, permutations: int) -> None:
    """Refuses a level that so few permutations cannot reach."""
    if not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1, got {level}")
    least = math.ceil(1 / (1 - level) - 1e-9) - 1
    if permutations < least:
        raise ValueError(f"`permutations` must be at least {least} for a level of {level}, got {permutations}")


def _permuted(values: Tensor, orders: Tensor, dimension: int) -> Tensor:
    """Values (*, sites) in P orders, as (*, P, sites)."""
    sites = values.shape[-dimension:]
    return values.flatten(-dimension)[..., orders].unflatten(-1, sites)


def _figures(phase: Tensor, mask: Tensor, bins: Tensor, dimension: int, periodic: bool) -> dict[str, Tensor]:
    """Each measure (P), the mean over frames and batch entries, of values whose last axis before the sites is P."""
    axes = site_axes(dimension)
    gradients = [slopes(phase, axis, periodic) for axis in axes]
    power = spatial_power(bins, dimension, periodic)
    figures = {
        "coherence": coherence_of(gradients, axes, mask),
        "directedness": directedness_of(gradients, axes),
        "direction_index": direction_index_of(power.sum(0), dimension),
        "concentration": concentration_of(power, dimension),
    }
    return {name: values.reshape(-1, values.shape[-1]).mean(0) for name, values in figures.items()}


def _test(figures: Tensor, level: float) -> NullTest:
    """The first figure against the others."""
    observed, null = figures[0], figures[1:]
    # Sums in another order round differently: what equals the observed figure but for that is as large.
    tie = 1e3 * torch.finfo(figures.dtype).eps * observed.abs().clamp(min=1e-300)
    above, below = int((null > observed + tie).sum()), int((null < observed - tie).sum())
    ties = len(null) - above - below
    allowed = math.floor((1 - level) * (1 + len(null)) + 1e-9) - 1
    threshold = null.sort(descending=True).values[allowed]
    return NullTest(
        observed=float(observed),
        mean=float(null.mean()),
        threshold=float(threshold),
        percentile=100 * (below + ties / 2) / len(null),
        p_value=(1 + above + ties) / (1 + len(null)),
    )


def wave_class(
    tests: Mapping[str, NullTest], *, synchronous: float, standing: float, current: float, level: float = 0.99
) -> str:
    """Names what a recording is: "travelling", "standing", "synchronous" or "none".

    - synchronous, if half of the power or more is at k = 0, whatever the rest does;
    - none, unless the concentration of the spectrum is above the level of its null: sites have no order in space;
    - travelling, if the steady current is at least 2/3 and at least the standing index;
    - standing, if the standing index is at least 2/3 and more than the steady current;
    - none, otherwise: order in space that neither keeps its direction nor one phase, such as smooth noise.

    Travelling need not be in one direction: spirals and targets travel. For that read coherence and direction index
    beside their own nulls.

    Arguments:
        tests: The tests against permuted sites, of which "concentration" is used.
        synchronous: The share of power at k = 0, as `synchronous_share` has it.
        standing: As `standing_index` has it.
        current: As `steady_current` has it.
        level: The level of the test.

    Raises:
        ValueError: if there is no test of the concentration.
    """
    if "concentration" not in tests:
        raise ValueError(f"`tests` must have 'concentration', got {', '.join(tests) or 'none'}")
    if synchronous >= 0.5:
        return "synchronous"
    if tests["concentration"].p_value > 1 - level + 1e-9:
        return "none"
    if current >= max(standing, _CLEAR):
        return "travelling"
    return "standing" if standing >= _CLEAR else "none"

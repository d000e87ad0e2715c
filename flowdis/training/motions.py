"""How transformations move in training: from anywhere to anywhere, or by even steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowdis._checks import check_choice
from flowdis.data import TRANSFORMS, Motion, Orbit, Steps, Transformation

__all__ = ["even_motions", "orbit_motions"]

# Scale ranges over what both protocols and their reverses visit; half a turn either way is enough for whole turns,
# as every pose is also a start.
_ORBITS: dict[str, Motion] = {
    "scale": Orbit(start=(0.54, 2.0)),
    "rotate": Orbit(reach=180.0),
    "hue": Orbit(reach=180.0),
}


def orbit_motions(names: Sequence[str], known: Mapping[str, Transformation] = TRANSFORMS) -> dict[str, Motion]:
    """Motions that start anywhere and go anywhere, by up to half a period, for each named transformation.

    Arguments:
        names: Names out of `known`.
        known: The transformations by name.

    Raises:
        ValueError: if a name is unknown.
    """
    ours = {name: motion for name, motion in _ORBITS.items() if known.get(name) == TRANSFORMS[name]}
    periods = {name: known[check_choice("names", name, known)].period for name in names}
    return {name: ours.get(name, Orbit(reach=period and period / 2)) for name, period in periods.items()}


def even_motions(
    names: Sequence[str], count: int, length: int, known: Mapping[str, Transformation] = TRANSFORMS
) -> dict[str, Motion]:
    """Motions by even steps upwards, `count` of which make a period, or `count` - 1 the whole range.

    Arguments:
        names: Names out of `known`.
        count: How many poses a transformation takes.
        length: The number T of steps of a sequence.
        known: The transformations by name.

    Raises:
        ValueError: if a name is unknown.
    """
    motions: dict[str, Motion] = {}
    for name in names:
        kind = known[check_choice("names", name, known)]
        (low, high), ranged = kind.range, max(count - 1, length)
        if kind.period is not None:
            motions[name] = Steps(kind.period / count, start=kind.range)
        elif kind.unit.logarithmic:
            ratio = (high / low) ** (1 / ranged)
            motions[name] = Steps(ratio, start=(low, low * ratio ** (ranged - length)))
        else:
            step = (high - low) / ranged
            motions[name] = Steps(step, start=(low, low + step * (ranged - length)))
    return motions

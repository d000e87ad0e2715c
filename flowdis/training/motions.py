"""How transformations move in training: from anywhere to anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowdis._checks import check_choice
from flowdis.data import ORBIT, TRANSFORMS, Motion, Orbit, Steps, Transformation

__all__ = ["orbit_motions", "speed_motions"]

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


def speed_motions(
    names: Sequence[str], length: int, known: Mapping[str, Transformation] = TRANSFORMS
) -> dict[str, Motion]:
    """Motions that start anywhere and take steps upwards, at 0.5 to 1.5 times a usual one, for each transformation.

    What the orbit protocol names takes its steps; anything else an eighteenth of its period, or steps that take a
    third of its range at the usual speed.

    Arguments:
        names: Names out of `known`.
        length: The number T of steps of a sequence.
        known: The transformations by name.

    Raises:
        ValueError: if a name is unknown.
    """
    speed = (0.5, 1.5)
    motions: dict[str, Motion] = {}
    for name in names:
        kind = known[check_choice("names", name, known)]
        (low, high), taken = kind.range, 3 * length
        if name in ORBIT and kind == TRANSFORMS[name]:
            motions[name] = ORBIT[name]
        elif kind.period is not None:
            motions[name] = Steps(kind.period / 18, start=kind.range, speed=speed)
        elif kind.unit.logarithmic:
            step = (high / low) ** (1 / taken)
            motions[name] = Steps(step, start=(low, high / step ** (speed[1] * length)), speed=speed)
        else:
            step = (high - low) / taken
            motions[name] = Steps(step, start=(low, high - step * speed[1] * length), speed=speed)
    return motions

"""How transformations move in training: from anywhere to anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowdis._checks import check_choice
from flowdis.data import TRANSFORMS, Motion, Orbit, Transformation

__all__ = ["orbit_motions"]

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

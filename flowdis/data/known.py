"""The transformations that can be drawn truly: what each does, in which unit, and where training draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowdis._checks import check_choice
from flowdis.paths import Unit

__all__ = ["TRANSFORMS", "Transformation", "units_of"]

_KINDS = ("geometric", "photometric", "hue", "factor")


@dataclass(frozen=True)
class Transformation:
    """A transformation that can be drawn: its unit, how it acts, and where training draws it.

    Arguments:
        unit: The natural unit, and how much of it one amount is.
        kind: "geometric" acts on pixel coordinates (x, y, 1), "photometric" on pixel values (p, 1), "hue" on
            colours, "factor" on a ground-truth factor of a data set, whose images are looked up or rendered.
        generator: The matrix G of the group g(a) = exp(a G), a in the unit (its logarithm where that is
            logarithmic): the upper rows of a 3 x 3 or 2 x 2 matrix whose last row is 0. Empty for hue and factors.
        range: The values that training draws from, in the natural unit.
        period: The value that is the identity again, for transformations that run in a circle.
    """

    unit: Unit
    kind: str
    generator: tuple[tuple[float, ...], ...]
    range: tuple[float, float]
    period: float | None = None

    @property
    def identity(self) -> float:
        """The value that changes nothing: 1 of what multiplies, 0 of anything else."""
        return 1.0 if self.unit.logarithmic else 0.0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, _KINDS)
        low, high = self.range
        if not low < high or (self.unit.logarithmic and low <= 0):
            raise ValueError(f"`range` must be two ascending values in unit {self.unit.name!r}, got {self.range}")


_TURN = math.pi / 180

TRANSFORMS: dict[str, Transformation] = {
    # counter-clockwise as seen
    "rotate": Transformation(
        Unit("degree", 45.0), "geometric", ((0.0, _TURN, 0.0), (-_TURN, 0.0, 0.0)), (0.0, 360.0), 360.0
    ),
    # above 1 enlarges
    "scale": Transformation(
        Unit("factor", 1.5, logarithmic=True), "geometric", ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), (0.6, 2.0)
    ),
    # red to yellow to green
    "hue": Transformation(Unit("degree", 90.0), "hue", (), (0.0, 360.0), 360.0),
    # to the right
    "translate_x": Transformation(Unit("pixel", 4.0), "geometric", ((0.0, 0.0, 1.0), (0.0, 0.0, 0.0)), (-4.0, 4.0)),
    # downwards
    "translate_y": Transformation(Unit("pixel", 4.0), "geometric", ((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)), (-4.0, 4.0)),
    # leans the top to the right, as italics do
    "shear": Transformation(Unit("slope", 0.25), "geometric", ((0.0, -1.0, 0.0), (0.0, 0.0, 0.0)), (-0.5, 0.5)),
    # widens, and flattens by as much
    "stretch": Transformation(
        Unit("factor", 1.25, logarithmic=True), "geometric", ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0)), (0.7, 1.4)
    ),
    "brightness": Transformation(Unit("factor", 1.5, logarithmic=True), "photometric", ((1.0, 0.0),), (0.5, 1.5)),
    # about mid grey, 0.5
    "contrast": Transformation(Unit("factor", 1.5, logarithmic=True), "photometric", ((1.0, -0.5),), (0.5, 1.5)),
}


def units_of(
    names: Sequence[str],
    units: Mapping[str, Unit] | None = None,
    known: Mapping[str, Transformation] = TRANSFORMS,
) -> dict[str, Unit]:
    """The unit of each named transformation: the one given in `units`, else its own.

    Arguments:
        names: Names out of `known`.
        units: Units that replace the defaults; their sizes are free, what they measure is not.
        known: The transformations by name; those of `TRANSFORMS` where left out.

    Returns:
        One unit per name, in order.

    Raises:
        ValueError: if a name is unknown, or a unit measures something else than its transformation does.

    Example:
        >>> units_of(["rotate"])["rotate"].size
        45.0
    """
    chosen = {}
    for name in names:
        own = known[check_choice("names", name, known)].unit
        unit = own if units is None else units.get(name, own)
        if (unit.name, unit.logarithmic) != (own.name, own.logarithmic):
            wanted = f"{'the logarithm of a ' if own.logarithmic else ''}{own.name}"
            raise ValueError(f"`units` must measure {name!r} by {wanted}, got {unit}")
        chosen[name] = unit
    return chosen

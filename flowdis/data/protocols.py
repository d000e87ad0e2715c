"""Protocols: the sequences that flows are compared on, the published ones and harder ones, from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.known import TRANSFORMS, Transformation
from flowdis.data.motions import Motion, Orbit, Steps
from flowdis.data.sequences import TransformSequences
from flowdis.paths import Unit

__all__ = ["ORBIT", "PROTOCOLS", "PUBLISHED", "even_motions", "motions", "orbit", "published"]

_Stills = Float[Tensor, "N C H W"]

PUBLISHED: dict[str, Motion] = {
    "scale": Steps(0.1, additive=True),
    "rotate": Steps(10.0),
    "hue": Steps(20.0),
}

ORBIT: dict[str, Motion] = {
    "scale": Steps(0.1, start=(0.7, 1.3), speed=(0.5, 1.5), additive=True),
    "rotate": Steps(10.0, start=(0.0, 360.0), speed=(0.5, 1.5)),
    "hue": Steps(20.0, start=(0.0, 360.0), speed=(0.5, 1.5)),
}

PROTOCOLS: dict[str, Mapping[str, Motion]] = {"published": PUBLISHED, "orbit": ORBIT}
"""The protocols, with the motions of the transformations that they name."""


def motions(
    protocol: str,
    names: Sequence[str],
    length: int = 8,
    known: Mapping[str, Transformation] = TRANSFORMS,
) -> dict[str, Motion]:
    """The motion of each named transformation under a protocol.

    Of images, what a protocol does not name takes `length` even steps from the identity to the end of the range that
    it is trained on ("published"), or from anywhere below the identity at half to full speed ("orbit"). Factors of a
    data set go from anywhere to anywhere in their range, circular ones by up to half a round either way; no
    published protocol has them.

    Arguments:
        protocol: "published" or "orbit".
        names: Names out of `known`.
        length: The number T of steps.
        known: The transformations by name; those of `TRANSFORMS` where left out.

    Raises:
        ValueError: if the protocol or a name is unknown, or a factor is asked for under "published".
    """
    named = PROTOCOLS[check_choice("protocol", protocol, PROTOCOLS)]
    chosen: dict[str, Motion] = {}
    for name in names:
        kind = known[check_choice("names", name, known)]
        (low, high), identity = kind.range, kind.identity
        if kind.kind == "factor":
            if protocol == "published":
                raise ValueError(f"`protocol` must be orbit for factors of a data set, got published for {name!r}")
            chosen[name] = Orbit(reach=None if kind.period is None else kind.period / 2)
            continue
        step = high ** (1 / length) if kind.unit.logarithmic else high / length
        anywhere = Steps(step, start=(low, identity), speed=(0.5, 1.0))
        chosen[name] = named.get(name, Steps(step) if protocol == "published" else anywhere)
    return chosen


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


def published(
    images: _Stills,
    which: str | None = None,
    *,
    names: Sequence[str] = tuple(PUBLISHED),
    length: int = 8,
    units: Mapping[str, Unit] | None = None,
) -> TransformSequences:
    """The published protocol: upright, then T steps of +0.1 scale, 10 degrees of angle or 20 of hue.

    Arguments:
        images: The still images in [0, 1], with shape (N, C, H, W).
        which: The one transformation that moves; drawn for each sequence if left out.
        names: The names of the model's transformations, in order.
        length: The number T of steps.
        units: Units of the amounts, where they are not those of `TRANSFORMS`.

    Returns:
        The sequences: scale factors 1.0, 1.1, ... 1.8, angles 0, 10, ... 80, hues 0, 20, ... 160.

    Raises:
        ValueError: if a name is not part of the protocol.
    """
    return _protocol(PUBLISHED, images, which, names, length, units)


def orbit(
    images: _Stills,
    which: str | None = None,
    *,
    names: Sequence[str] = tuple(PUBLISHED),
    length: int = 8,
    units: Mapping[str, Unit] | None = None,
) -> TransformSequences:
    """The orbit protocol: from any start (scale 0.7 to 1.3), published steps at 0.5 to 1.5 times their speed.

    Arguments:
        images: The still images in [0, 1], with shape (N, C, H, W).
        which: The one transformation that moves; drawn for each sequence if left out.
        names: The names of the model's transformations, in order.
        length: The number T of steps.
        units: Units of the amounts, where they are not those of `TRANSFORMS`.

    Returns:
        The sequences.

    Raises:
        ValueError: if a name is not part of the protocol.
    """
    return _protocol(ORBIT, images, which, names, length, units)


def _protocol(
    motions: Mapping[str, Motion],
    images: Tensor,
    which: str | None,
    names: Sequence[str],
    length: int,
    units: Mapping[str, Unit] | None,
) -> TransformSequences:
    chosen = {check_choice("names", name, motions): motions[name] for name in names}
    return TransformSequences(images, chosen, length=length, units=units, single=1.0, which=which)

"""Protocols: the sequences that flows are compared on, the published ones and harder ones, from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.motions import Motion, Steps
from flowdis.data.sequences import TransformSequences
from flowdis.paths import Unit

__all__ = ["ORBIT", "PUBLISHED", "orbit", "published"]

_Stills = Float[Tensor, "N C H W"]

_NAMES = ("scale", "rotate", "hue")

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


def published(
    images: _Stills,
    which: str | None = None,
    *,
    names: Sequence[str] = _NAMES,
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
    names: Sequence[str] = _NAMES,
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

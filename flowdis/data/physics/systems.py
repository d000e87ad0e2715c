"""Sequences of mechanical systems, with parameters and initial states as published, simulated and rendered.

They are those of the Hamiltonian dynamics suite (Botev et al. 2021, arXiv 2111.05458): masses, lengths, constants,
ranges, the size of discs, a mass m having the area m, and of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.data.frames import FrameSequences
from flowdis.data.motions import uniform
from flowdis.data.physics.renderer import BodyRenderer
from flowdis.data.physics.separable import Bodies
from flowdis.data.physics.simulate import simulate
from flowdis.data.rendered import RenderedFrames

__all__ = ["SYSTEMS", "two_body"]

_Range = tuple[float, float]


def two_body(
    count: int,
    steps: int,
    *,
    dt: float = 0.1,
    friction: float = 0.0,
    image_size: int = 32,
    colour: bool = False,
    eccentricity: float = 0.0,
    generator: torch.Generator | None = None,
) -> FrameSequences:
    r"""Two bodies that go round each other: m = g = 1, r in [0.5, 1.5] from the centre at first.

    They start on opposite sides, anywhere on the circle, at the speed of a circular orbit, counter-clockwise; the
    period is :math:`4 \pi r^{3/2}`. Friction makes them spiral inwards.

    Arguments:
        count: The number N of sequences.
        steps: The number of steps; sequences have one frame more.
        dt: The time from frame to frame.
        friction: The friction.
        image_size: The height and width; lengths grow with it.
        colour: Whether images are in colour, the bodies red and blue.
        eccentricity: The largest eccentricity, drawn evenly from 0 on; orbits then start where they are widest.
        generator: Where all randomness comes from.

    Returns:
        The sequences, rendered as they are asked for, with states (x_1, y_1, x_2, y_2, and momenta alike).

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> orbits = two_body(5, 20, generator=torch.Generator().manual_seed(0))
        >>> orbits.states.shape, orbits.sample(3, frames=10).frames.shape
        (torch.Size([21, 5, 8]), torch.Size([11, 3, 1, 32, 32]))
    """
    if not 0 <= eccentricity < 1:
        raise ValueError(f"`eccentricity` must lie in [0, 1), got {eccentricity}")
    radius, angle = _drawn((0.5, 1.5), count, generator), _drawn((0.0, 2 * math.pi), count, generator)
    slower = (1 - _drawn((0.0, eccentricity), count, generator)).sqrt()
    outwards = torch.stack([angle.cos(), angle.sin()], 1)
    onwards = torch.stack([-angle.sin(), angle.cos()], 1)
    place = radius[:, None] * outwards
    momentum = (slower / (2 * radius.sqrt()))[:, None] * onwards
    start = torch.cat([place, -place, momentum, -momentum], 1)
    system = Bodies((1.0, 1.0))
    look = BodyRenderer(system, (_radius(1.0),) * 2, 2.75, image_size, colour)
    return _sequences("two_body", look, start, steps, dt, friction)


SYSTEMS: dict[str, Callable[..., FrameSequences]] = {
    "two_body": two_body,
}
"""What makes sequences, by the system's name."""


def _drawn(bounds: _Range, count: int, generator: torch.Generator | None) -> Float[Tensor, "N"]:
    """Uniform numbers in float64 on the CPU, where systems are simulated."""
    check_positive("count", count)
    return uniform(*bounds, count, generator).to("cpu", torch.float64)


def _radius(mass: float) -> float:
    return math.sqrt(mass / math.pi)


def _sequences(name: str, look: BodyRenderer, start: Tensor, steps: int, dt: float, friction: float) -> FrameSequences:
    states = simulate(look.system, start, steps, dt=check_positive("dt", dt), friction=friction)
    return FrameSequences(RenderedFrames(look, states), dt=dt, name=name)

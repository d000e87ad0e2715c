"""Sequences of mechanical systems, with parameters and initial states as published, simulated and rendered.

Masses, lengths, constants and ranges are those of the Hamiltonian dynamics suite (Botev et al. 2021, arXiv 2111.05458),
where nothing else is said, as is the size of discs, a mass m having the area m, and of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.data.frames import FrameSequences
from flowdis.data.motions import uniform
from flowdis.data.physics.double_pendulum import DoublePendulum
from flowdis.data.physics.renderer import BodyRenderer
from flowdis.data.physics.separable import Bodies, Pendulum, SeparableSystem, Spring
from flowdis.data.physics.simulate import simulate
from flowdis.data.rendered import RenderedFrames

__all__ = ["SYSTEMS", "double_pendulum", "pendulum", "spring", "three_body", "two_body"]

_Range = tuple[float, float]


def spring(
    count: int,
    steps: int,
    *,
    dt: float = 0.1,
    friction: float = 0.0,
    image_size: int = 32,
    colour: bool = False,
    generator: torch.Generator | None = None,
) -> FrameSequences:
    r"""A mass on a spring, up and down: k = 2, m = 0.5, its amplitude r in [0.1, 1], its phase anywhere.

    Friction f makes the amplitude fall as :math:`e^{-f t / 2 m}`.

    Arguments:
        count: The number N of sequences.
        steps: The number of steps; sequences have one frame more.
        dt: The time from frame to frame; published are 0.05 and 0.1.
        friction: The friction, in units of momentum by speed and time; published are 0 and 0.05.
        image_size: The height and width; lengths grow with it.
        colour: Whether images are in colour, each body in its own, or grey.
        generator: Where all randomness comes from.

    Returns:
        The sequences, rendered as they are asked for, with states (height, momentum).

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> springs = spring(5, 20, generator=torch.Generator().manual_seed(0))
        >>> springs.states.shape, springs.sample(3, frames=10).frames.shape
        (torch.Size([21, 5, 2]), torch.Size([11, 3, 1, 32, 32]))
    """
    system = Spring()
    phase = _annulus((0.1, 1.0), count, generator)
    start = phase * phase.new_tensor([1.0, math.sqrt(system.stiffness * system.mass)])
    disc = _radius(system.mass)
    look = BodyRenderer(system, (disc,), 1 + disc, image_size, colour)
    return _sequences("spring", system, look, start, steps, dt, friction)


def pendulum(
    count: int,
    steps: int,
    *,
    dt: float = 0.1,
    friction: float = 0.0,
    image_size: int = 32,
    colour: bool = False,
    generator: torch.Generator | None = None,
) -> FrameSequences:
    """A pendulum: m = 0.5, g = 3, l = 1, angle and momentum anywhere at a distance r in [1.3, 2.3] from rest.

    Some swing and some go all the way round, when the angle goes on beyond pi. Arguments and errors are those of
    `spring`.

    Returns:
        The sequences, rendered as they are asked for, with states (angle from hanging down, momentum).
    """
    system = Pendulum()
    start = _annulus((1.3, 2.3), count, generator)
    disc = _radius(system.mass)
    look = BodyRenderer(system, (disc,), 1 + disc, image_size, colour, rods=(system.length,))
    return _sequences("pendulum", system, look, start, steps, dt, friction)


def double_pendulum(
    count: int,
    steps: int,
    *,
    dt: float = 0.1,
    friction: float = 0.0,
    image_size: int = 32,
    colour: bool = False,
    generator: torch.Generator | None = None,
) -> FrameSequences:
    """A pendulum hung from another: each m = 0.5 and l = 1, g = 3, each start as that of `pendulum`.

    Its motion is chaotic. Arguments and errors are those of `spring`.

    Returns:
        The sequences, rendered as they are asked for, with states (both angles from hanging down, both momenta).
    """
    system = DoublePendulum()
    first, second = (_annulus((1.3, 2.3), count, generator) for _ in system.weights)
    start = torch.stack([first[:, 0], second[:, 0], first[:, 1], second[:, 1]], 1)
    discs = tuple(_radius(weight) for weight in system.weights)
    look = BodyRenderer(system, discs, sum(system.lengths) + discs[1], image_size, colour, rods=system.lengths)
    return _sequences("double_pendulum", system, look, start, steps, dt, friction)


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

    They start on opposite sides, anywhere on a circle, at the speed of a circular orbit, counter-clockwise; the
    period is :math:`4 \pi r^{3/2}`. Friction makes them spiral inwards.

    Arguments:
        count, steps, dt, friction, image_size, colour, generator: As for `spring`.
        eccentricity: The largest eccentricity, drawn evenly from 0 on; orbits then start where they are widest.

    Returns:
        The sequences, rendered as they are asked for, with states (x_1, y_1, x_2, y_2, and momenta alike).

    Raises:
        ValueError: if a number is out of range.
    """
    if not 0 <= eccentricity < 1:
        raise ValueError(f"`eccentricity` must lie in [0, 1), got {eccentricity}")
    radius, angle = _drawn((0.5, 1.5), count, generator), _drawn((0.0, 2 * math.pi), count, generator)
    slower = (1 - _drawn((0.0, eccentricity), count, generator)).sqrt()
    outwards, onwards = _directions(angle)
    place = radius[:, None] * outwards
    momentum = (slower / (2 * radius.sqrt()))[:, None] * onwards
    start = torch.cat([place, -place, momentum, -momentum], 1)
    system = Bodies((1.0, 1.0))
    look = BodyRenderer(system, (_radius(1.0),) * 2, 2.75, image_size, colour)
    return _sequences("two_body", system, look, start, steps, dt, friction)


def three_body(
    count: int,
    steps: int,
    *,
    dt: float = 0.1,
    friction: float = 0.0,
    image_size: int = 32,
    colour: bool = False,
    disorder: float = 0.1,
    generator: torch.Generator | None = None,
) -> FrameSequences:
    """Three bodies at the corners of a triangle: m = g = 1, r in [0.9, 1.2] from the centre at first.

    Each starts at the speed at which the triangle would turn for ever, counter-clockwise, but for a share of up to
    `disorder` more or less, as in Hamiltonian neural networks (Greydanus et al. 2019, arXiv 1906.01563); their centre
    of mass rests. The motion is chaotic: after 10 units of time about 6 in 100 have thrown a body out of the image,
    which reaches as far as that of `two_body`. Where bodies meet, a softening of 0.2 keeps forces finite.

    Arguments:
        count, steps, dt, friction, image_size, colour, generator: As for `spring`.
        disorder: The largest change of a speed.

    Returns:
        The sequences, rendered as they are asked for, with states (x_1, y_1, .. y_3, and momenta alike).

    Raises:
        ValueError: if a number is out of range.
    """
    if not 0 <= disorder < 1:
        raise ValueError(f"`disorder` must lie in [0, 1), got {disorder}")
    system = Bodies((1.0, 1.0, 1.0), softening=0.2)
    radius, angle = _drawn((0.9, 1.2), count, generator), _drawn((0.0, 2 * math.pi), count, generator)
    places, momenta = [], []
    for corner in range(3):
        outwards, onwards = _directions(angle + corner * 2 * math.pi / 3)
        # Two pulls along sides of length sqrt(3) r, at 30 degrees to the centre: v^2 / r = 3 r / (3 r^2 + s^2)^1.5
        speed = radius * (3 / (3 * radius**2 + system.softening**2) ** 1.5).sqrt()
        speed = speed * (1 + _drawn((-disorder, disorder), count, generator))
        places.append(radius[:, None] * outwards)
        momenta.append(speed[:, None] * onwards)
    still = [momentum - sum(momenta) / 3 for momentum in momenta]
    start = torch.cat([*places, *still], 1)
    look = BodyRenderer(system, (_radius(1.0),) * 3, 2.75, image_size, colour)
    return _sequences("three_body", system, look, start, steps, dt, friction, substeps=math.ceil(dt / 0.005))


SYSTEMS: dict[str, Callable[..., FrameSequences]] = {
    "spring": spring,
    "pendulum": pendulum,
    "double_pendulum": double_pendulum,
    "two_body": two_body,
    "three_body": three_body,
}
"""What makes sequences, by the system's name."""


def _drawn(bounds: _Range, count: int, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers (N) in float64 on the CPU, where systems are simulated."""
    check_positive("count", count)
    return uniform(*bounds, count, generator).to("cpu", torch.float64)


def _annulus(radii: _Range, count: int, generator: torch.Generator | None) -> Tensor:
    """Points (N, 2) in any direction, their distance from 0 uniform."""
    return _drawn(radii, count, generator)[:, None] * _directions(_drawn((0.0, 2 * math.pi), count, generator))[0]


def _directions(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors (N, 2) outwards at an angle, and counter-clockwise along the circle there."""
    return torch.stack([angle.cos(), angle.sin()], 1), torch.stack([-angle.sin(), angle.cos()], 1)


def _radius(mass: float) -> float:
    """Of a disc whose area is the mass."""
    return math.sqrt(mass / math.pi)


def _sequences(
    name: str,
    system: SeparableSystem | DoublePendulum,
    look: BodyRenderer,
    start: Tensor,
    steps: int,
    dt: float,
    friction: float,
    substeps: int | None = None,
) -> FrameSequences:
    states = simulate(system, start, steps, dt=check_positive("dt", dt), friction=friction, substeps=substeps)
    return FrameSequences(RenderedFrames(look, states), dt=dt, name=name)

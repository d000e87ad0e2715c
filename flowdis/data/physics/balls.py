"""Bouncing balls, moved from one collision to the next, so that no energy is lost or won, however many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_finite, check_last, check_positive
from flowdis.data.frames import FrameSequences
from flowdis.data.motions import uniform
from flowdis.data.physics.renderer import BodyRenderer
from flowdis.data.rendered import RenderedFrames

__all__ = ["Balls", "bouncing_balls"]

_Range = tuple[float, float]
_Start = Float[Tensor, "N S"]
_Paths = Float[Tensor, "T N S"]
_States = Float[Tensor, "*batch S"]

_ATTEMPTS = 1000


@dataclass(frozen=True)
class Balls:
    """Balls of equal mass in a square box, which bounce off its walls and off each other and never slow down.

    States are (x_1, y_1, x_2, .. and velocities alike), the centre of the box being (0, 0).

    Arguments:
        count: The number of balls.
        radius: Their radius.
        box: The length of a side of the box.
    """

    count: int = 3
    radius: float = 1.2
    box: float = 10.0

    def __post_init__(self) -> None:
        for name in ("count", "radius", "box"):
            check_positive(name, getattr(self, name))
        if not 2 * self.radius < self.box:
            raise ValueError(f"`radius` must be less than half of the box, {self.box / 2}, got {self.radius}")

    def places(self, states: _States) -> Float[Tensor, "*batch bodies 2"]:
        """Where the balls are, x to the right and y up."""
        return states[..., : 2 * self.count].unflatten(-1, (self.count, 2))

    def energy(self, states: _States) -> Float[Tensor, "*batch"]:
        """The energy, half the sum of squared speeds."""
        return 0.5 * states[..., 2 * self.count :].square().sum(-1)

    def simulate(self, start: _Start, steps: int, *, dt: float) -> _Paths:
        """Moves a batch of boxes exactly, from event to event.

        Arguments:
            start: The states at first, with shape (N, 4 balls); no two balls overlap, and none a wall.
            steps: The number of steps.
            dt: The time from one state to the next.

        Returns:
            The states at times 0, dt, .. steps dt, with shape (steps + 1, N, 4 balls).

        Raises:
            ValueError: if a number is out of range, or balls overlap at first.
        """
        check_finite("start", check_last("start", start, 4 * self.count, f"4 x {self.count} numbers"))
        check_positive("dt", dt)
        check_positive("steps", steps)
        places, speeds = start.unflatten(-1, (2, self.count, 2)).unbind(1)
        if bool(self._overlap(places, 1e-9 * self.box).any()):
            raise ValueError("`start` must be of balls apart and within the box, got some that overlap")
        states = [start]
        for _ in range(steps):
            places, speeds = self._advanced(places, speeds, dt)
            states.append(torch.stack([places, speeds], 1).flatten(1))
        return torch.stack(states)

    def apart(self, count: int, generator: torch.Generator | None) -> Float[Tensor, "N balls 2"]:
        """Draws places at which balls do not overlap, uniformly, in float64 on the CPU.

        Raises:
            ValueError: if none are found, as the box is too full.
        """
        reach = self.box / 2 - self.radius
        places = torch.zeros(count, self.count, 2, dtype=torch.float64)
        left = torch.arange(count)
        for _ in range(_ATTEMPTS):
            drawn = uniform(-reach, reach, len(left) * self.count * 2, generator).to("cpu", torch.float64)
            places[left] = drawn.reshape(-1, self.count, 2)
            left = left[self._overlap(places[left], 0.0)]
            if not len(left):
                return places
        raise ValueError(f"`balls` must fit into the box, got {self.count} of radius {self.radius} in {self.box}")

    def _overlap(self, places: Tensor, slack: float) -> Tensor:
        outside = (places.abs() > self.box / 2 - self.radius + slack).flatten(1).any(1)
        if self.count == 1:
            return outside
        first, second = self._pairs
        gaps = (places[:, first] - places[:, second]).norm(dim=-1)
        return outside | (gaps < 2 * self.radius - slack).any(1)

    @property
    def _pairs(self) -> tuple[list[int], list[int]]:
        pairs = list(combinations(range(self.count), 2))
        return [i for i, _ in pairs], [j for _, j in pairs]

    def _advanced(self, places: Tensor, speeds: Tensor, time: float) -> tuple[Tensor, Tensor]:
        """Moves all boxes by a time; each box through as many events as it meets."""
        left = places.new_full((len(places),), time)
        while bool((left > 0).any()):
            walls, pairs = self._until_wall(places, speeds), self._until_pair(places, speeds)
            soonest, which = torch.cat([walls, pairs], 1).min(1)
            hits = soonest < left
            step = torch.minimum(soonest, left)
            places = places + speeds * step[:, None, None]
            left = torch.where(hits, left - step, 0.0)
            wall = hits & (which < walls.shape[1])
            speeds = self._off_walls(speeds, wall, which)
            speeds = self._off_pairs(places, speeds, hits & ~wall, which - walls.shape[1])
        return places, speeds

    def _until_wall(self, places: Tensor, speeds: Tensor) -> Tensor:
        """The time until each coordinate (N, 2 balls) meets the wall that it moves to."""
        away = (self.box / 2 - self.radius) * speeds.sign() - places
        return torch.where(speeds != 0, away / speeds, math.inf).clamp_min(0).flatten(1)

    def _until_pair(self, places: Tensor, speeds: Tensor) -> Tensor:
        """The time until each pair touches, infinite where it does not."""
        first, second = self._pairs
        gap, rate = places[:, first] - places[:, second], speeds[:, first] - speeds[:, second]
        closing = -(gap * rate).sum(-1)
        distance = gap.square().sum(-1) - 4 * self.radius**2
        under_root = closing.square() - rate.square().sum(-1) * distance
        meet = (closing > 0) & (under_root >= 0)
        time = distance / (closing + under_root.clamp_min(0).sqrt())
        return torch.where(meet, time.clamp_min(0), math.inf)

    def _off_walls(self, speeds: Tensor, wall: Tensor, which: Tensor) -> Tensor:
        flips = torch.nn.functional.one_hot(which.clamp_max(2 * self.count - 1), 2 * self.count).bool() & wall[:, None]
        return torch.where(flips.reshape_as(speeds), -speeds, speeds)

    def _off_pairs(self, places: Tensor, speeds: Tensor, pair: Tensor, which: Tensor) -> Tensor:
        """Exchanges the velocities of two balls along the line between them."""
        rows = pair.nonzero()[:, 0]
        if not len(rows):
            return speeds
        first, second = (torch.tensor(side, device=places.device)[which[rows]] for side in self._pairs)
        gap = places[rows, first] - places[rows, second]
        rate = speeds[rows, first] - speeds[rows, second]
        exchanged = gap * ((gap * rate).sum(-1, keepdim=True) / gap.square().sum(-1, keepdim=True))
        speeds = speeds.clone()
        speeds[rows, first] -= exchanged
        speeds[rows, second] += exchanged
        return speeds


def bouncing_balls(
    count: int,
    steps: int,
    *,
    dt: float = 1.0,
    balls: int = 3,
    radius: float = 1.2,
    speed: _Range = (0.5, 0.5),
    image_size: int = 32,
    colour: bool = False,
    generator: torch.Generator | None = None,
) -> FrameSequences:
    """Balls that bounce about a box of side 10, off its walls and off each other (after Sutskever and Hinton 2007).

    Arguments:
        count: The number N of sequences.
        steps: The number of steps; sequences have one frame more.
        dt: The time from frame to frame.
        balls: The number of balls.
        radius: Their radius.
        speed: The range out of which each ball's first speed is drawn; its direction is any.
        image_size: The height and width; the image is the box.
        colour: Whether images are in colour, each ball in its own, or grey.
        generator: Where all randomness comes from.

    Returns:
        The sequences, rendered as they are asked for, with states (x_1, y_1, x_2, .. and velocities alike).

    Raises:
        ValueError: if a number is out of range, or the balls do not fit into the box.

    Example:
        >>> rolling = bouncing_balls(5, 20, generator=torch.Generator().manual_seed(0))
        >>> rolling.states.shape, rolling.sample(3, frames=10).frames.shape
        (torch.Size([21, 5, 12]), torch.Size([11, 3, 1, 32, 32]))
    """
    check_positive("count", count)
    if not (0 <= speed[0] <= speed[1] < math.inf):
        raise ValueError(f"`speed` must be two ascending finite values >= 0, got {speed}")
    system = Balls(balls, radius)
    places = system.apart(count, generator)
    drawn = (uniform(*bounds, count * balls, generator) for bounds in (speed, (0.0, 2 * math.pi)))
    fast, angle = (values.to("cpu", torch.float64).reshape(count, balls) for values in drawn)
    speeds = fast[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
    states = system.simulate(torch.stack([places, speeds], 1).flatten(1), steps, dt=dt)
    look = BodyRenderer(system, (radius,) * balls, system.box / 2, image_size, colour)
    return FrameSequences(RenderedFrames(look, states), dt=dt, name="bouncing_balls")

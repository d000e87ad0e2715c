"""Motions: how a transformation's start and amounts are drawn; distortions that enlarge a set of images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.data.transforms import Transformation, units_of
from flowdis.paths import Path, Unit

__all__ = ["Augmentation", "Motion", "Orbit", "Steps", "uniform"]

Range = tuple[float, float]


class Motion(ABC):
    """How one transformation moves in a sequence. Its numbers are in the transformation's natural unit."""

    @abstractmethod
    def draw(
        self, count: int, kind: Transformation, length: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Draws where sequences start and how they go on, as group parameters.

        Arguments:
            count: The number B of sequences.
            kind: The transformation.
            length: The number T of steps.
            generator: Where the randomness comes from.

        Returns:
            The starts, with shape (B), and the changes in each segment, with shape (S, B): S is 1 where the
            speed is constant, else T.
        """

    @abstractmethod
    def check(self, name: str, kind: Transformation, length: int) -> None:
        """Checks that the motion suits a transformation.

        Raises:
            ValueError: naming the transformation and what does not suit it.
        """


@dataclass(frozen=True)
class Orbit(Motion):
    """Starts anywhere and goes anywhere at constant speed, forwards or backwards: what training needs.

    Arguments:
        start: The range of starts, uniform in the group's parameter; the transformation's own if left out.
        reach: The largest change either way: the change is uniform up to it. If left out, it is the period of
            a transformation that has one; without a period the end is then drawn as the start is, so that
            images never leave the range.
    """

    start: Range | None = None
    reach: float | None = None

    def __post_init__(self) -> None:
        if self.start is not None:
            _check_range("start", self.start)
        if self.reach is not None:
            check_positive("reach", self.reach)

    def draw(
        self, count: int, kind: Transformation, length: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """See `Motion.draw`."""
        low, high = _parameters(self.start or kind.range, kind)
        start = uniform(low, high, count, generator)
        reach = self.reach or kind.period
        if reach is None:
            return start, (uniform(low, high, count, generator) - start)[None]
        bound = float(_parameters((reach, reach), kind)[0])
        return start, uniform(-bound, bound, count, generator)[None]

    def check(self, name: str, kind: Transformation, length: int) -> None:
        """See `Motion.check`."""
        if not kind.unit.logarithmic:
            return
        if self.start is not None and self.start[0] <= 0:
            raise ValueError(f"`start` of {name!r} must be positive {kind.unit.name}s, got {self.start}")
        if self.reach is not None and self.reach <= 1:
            raise ValueError(f"`reach` of {name!r} must be a {kind.unit.name} above 1, got {self.reach}")


@dataclass(frozen=True)
class Steps(Motion):
    """Starts in a range and takes T even steps: what published protocols do.

    Arguments:
        step: The change from frame to frame.
        start: The range of starts; the identity if left out.
        speed: The range of a sequence's speed, which multiplies its steps.
        signed: Whether half of the sequences go backwards.
        additive: For transformations that multiply: whether the step is added to the factor, from s to s +
            step, and not multiplied to it. The amounts of such a sequence are logarithms of ratios and differ
            from step to step.
        changing: Whether every step of a sequence has a speed of its own.
    """

    step: float
    start: Range | None = None
    speed: Range = (1.0, 1.0)
    signed: bool = False
    additive: bool = False
    changing: bool = False

    def __post_init__(self) -> None:
        if self.start is not None:
            _check_range("start", self.start)
        _check_range("speed", self.speed)
        if self.speed[0] <= 0:
            raise ValueError(f"`speed` must be positive, got {self.speed}; set `signed` to go backwards too")

    def draw(
        self, count: int, kind: Transformation, length: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """See `Motion.draw`."""
        low, high = self._starts(kind)
        rows = length if self.changing else 1
        speed = uniform(*self.speed, rows * count, generator).reshape(rows, count)
        if self.signed:
            speed = speed * (2 * uniform(0.0, 1.0, count, generator).round() - 1)
        if self.additive:
            begin = uniform(low, high, count, generator)
            run = torch.cat([torch.zeros_like(speed[:1]), speed.expand(length, -1).cumsum(0)])
            factors = (begin + self.step * run).log()
            return factors[0], factors.diff(dim=0)
        start = uniform(*_parameters((low, high), kind), count, generator)
        return start, length / rows * speed * _parameters((self.step, self.step), kind)[0]

    def check(self, name: str, kind: Transformation, length: int) -> None:
        """See `Motion.check`."""
        if not kind.unit.logarithmic:
            if self.additive:
                raise ValueError(f"`additive` must be left out for {name!r}, whose steps are added anyway")
            return
        low, _ = self._starts(kind)
        furthest = self.step * length * self.speed[1]
        lowest = low - abs(furthest) if self.signed else low + min(furthest, 0.0)
        if low <= 0 or (self.additive and lowest <= 0) or (not self.additive and self.step <= 0):
            values = f"from {low} by steps of {self.step}"
            raise ValueError(f"`Steps` of {name!r} must stay at positive {kind.unit.name}s, got {values}")

    def _starts(self, kind: Transformation) -> Range:
        identity = 1.0 if kind.unit.logarithmic else 0.0
        return self.start or (identity, identity)


@dataclass(frozen=True)
class Augmentation:
    """Small distortions of the still image, constant along a sequence and resampled together with its motion.

    Arguments:
        shear: The largest slope that the image leans by.
        stretch: The largest factor that it is widened by as it is flattened, or the other way round; 1 for
            none.
        shift: The largest shift along each axis, in pixels.
    """

    shear: float = 0.15
    stretch: float = 1.1
    shift: float = 1.0

    def __post_init__(self) -> None:
        check_positive("shear", self.shear, zero=True)
        check_positive("shift", self.shift, zero=True)
        if not 1 <= self.stretch < float("inf"):
            raise ValueError(f"`stretch` must be a factor of at least 1, got {self.stretch}")

    def before(self, start: Path, units: Mapping[str, Unit], generator: torch.Generator | None) -> Path:
        """The path that distorts first, then goes where `start` does, over the names of both.

        Arguments:
            start: A path with amounts of shape (S, B, K).
            units: The units of its amounts.
            generator: Where the randomness comes from.

        Returns:
            A path of S + 1 rows.
        """
        bounds = {
            "shear": self.shear,
            "stretch": self.stretch,
            "translate_x": self.shift,
            "translate_y": self.shift,
        }
        names = (*start.names, *(name for name in bounds if name not in start.names))
        count = start.amounts.shape[1]
        amounts = start.amounts.new_zeros(start.segments + 1, count, len(names))
        amounts[1:, :, : len(start.names)] = start.amounts
        for name, unit in units_of(tuple(bounds), units).items():
            bound = float(unit.to_amount(bounds[name]))
            amounts[0, :, names.index(name)] = uniform(-bound, bound, count, generator)
        return Path(names, amounts)


def uniform(low: float | Tensor, high: float | Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers, with shape (B), on the generator's device and in float64 where that has it."""
    device = generator.device if generator is not None else torch.device("cpu")
    dtype = torch.float32 if device.type == "mps" else torch.float64
    return low + (high - low) * torch.rand(count, generator=generator, device=device, dtype=dtype)


def _parameters(values: Range, kind: Transformation) -> Range:
    """Values in the natural unit as parameters of the group."""
    low, high = (float(kind.unit.to_amount(value)) * kind.unit.step for value in values)
    return low, high


def _check_range(argument: str, given: Range) -> None:
    if len(given) != 2 or not given[0] <= given[1] or float("inf") in (-given[0], given[1]):
        raise ValueError(f"`{argument}` must be two ascending finite values, got {given}")

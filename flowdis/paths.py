r"""Paths: matrices of amounts, and the algebra that builds them.

A path over K transformations is a matrix of amounts A with shape (S, K), or (S, B, K) with one matrix per sample: S
segments of unit time, in segment s of which the latent follows

.. math:: dz/ds = \sum_k A_{sk} \, v_k(z, c_{sk} + A_{sk} s), \qquad 0 \le s \le 1,

where c is the reading of each field's clock at the start of the segment (0 unless said). Nothing here knows of images,
fields or solvers.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from flowdis._checks import check_choice, check_finite, check_last

__all__ = ["Flow", "Path", "Unit", "flows", "parse_path"]


@dataclass(frozen=True)
class Unit:
    """What a user's number means: the name of the natural unit, and how much of it one amount is.

    Arguments:
        name: The natural unit, such as "degree", "factor" or "pixel".
        size: The value that one amount stands for: 45 with unit "degree" makes an amount of 1 a turn by 45 degrees.
        logarithmic: Whether the transformation multiplies, so that its amount is log(value) / log(size).

    Raises:
        ValueError: if `size` is not positive, or is 1 for a logarithmic unit.
    """

    name: str = "amount"
    size: float = 1.0
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if not (self.size > 0 and math.isfinite(self.size)) or (self.logarithmic and self.size == 1):
            wanted = "positive and not 1" if self.logarithmic else "positive"
            raise ValueError(f"`size` of unit {self.name!r} must be {wanted}, got {self.size}")

    @property
    def step(self) -> float:
        """The group parameter that one amount stands for, `size` or its logarithm."""
        return math.log(self.size) if self.logarithmic else self.size

    def to_amount(self, value: float | Tensor) -> Tensor:
        """Turns values in the natural unit into amounts, of the same shape, in float64 unless given as a float tensor.

        Raises:
            ValueError: if a value is not finite, or not positive where the unit is logarithmic.
        """
        values = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
        values = values if values.is_floating_point() else values.to(torch.float64)
        check_finite("value", values)
        if not self.logarithmic:
            return values / self.step
        if bool((values <= 0).any()):
            raise ValueError(f"`value` in unit {self.name!r} must be positive, got {float(values.min())}")
        return values.log() / self.step

    def to_value(self, amount: float | Tensor) -> Tensor:
        """Turns amounts into values in the natural unit; the inverse of `to_amount`."""
        parameter = torch.as_tensor(amount) * self.step
        return parameter.exp() if self.logarithmic else parameter


@dataclass(frozen=True, eq=False)
class Path:
    """A matrix of amounts over named transformations; `>>` then, `+` at once, `~` back, `*` speed.

    Arguments:
        names: The K transformations, in the order of the model's fields.
        amounts: The amounts, with shape (S, K) or (S, *, K), in units of the fields.
        clocks: The readings of the clocks at the segments' starts, shaped like `amounts`; 0 where left out.

    Raises:
        ValueError: if shapes do not match or an amount is not finite.

    Example:
        >>> rotate, hue = flows({"rotate": Unit("degree", 45.0), "hue": Unit("degree", 90.0)})
        >>> (rotate(45) >> hue(180)).amounts.tolist()
        [[1.0, 0.0], [0.0, 2.0]]
        >>> (~(rotate(45) >> hue(180))).amounts.tolist()
        [[-0.0, -2.0], [-1.0, -0.0]]
        >>> (rotate(45) + 2 * hue(90)).amounts.tolist()
        [[1.0, 2.0]]
    """

    names: tuple[str, ...]
    amounts: Tensor
    clocks: Tensor | None = None

    def __post_init__(self) -> None:
        wanted = f"K={len(self.names)} ({', '.join(self.names)})"
        check_last("amounts", self.amounts, len(self.names), wanted)
        check_finite("amounts", self.amounts)
        if self.amounts.ndim < 2 or self.amounts.shape[0] == 0:
            shape = tuple(self.amounts.shape)
            raise ValueError(f"`amounts` must have shape (S, *, K) with S >= 1 segments, got {shape}")
        if self.clocks is not None and self.clocks.shape != self.amounts.shape:
            shapes = f"{tuple(self.amounts.shape)}, got {tuple(self.clocks.shape)}"
            raise ValueError(f"`clocks` must be shaped like `amounts`, {shapes}")

    @property
    def segments(self) -> int:
        """The number S of segments, each of unit time."""
        return self.amounts.shape[0]

    @property
    def batch_shape(self) -> torch.Size:
        """The shape * of a path with one matrix per sample; empty for one that serves every sample."""
        return self.amounts.shape[1:-1]

    def clock(self, segment: int) -> Tensor:
        """The clocks' readings (*, K) at the start of a segment."""
        return torch.zeros_like(self.amounts[segment]) if self.clocks is None else self.clocks[segment]

    def running(self) -> Path:
        """The same path with clocks that run on from segment to segment, from their readings at its start."""
        elapsed = self.amounts.cumsum(0) - self.amounts
        return Path(self.names, self.amounts, self.clock(0) + elapsed)

    def to(self, like: Tensor) -> Path:
        """The same path in the dtype and on the device of `like`."""
        clocks = None if self.clocks is None else self.clocks.to(dtype=like.dtype).to(like.device)
        return Path(self.names, self.amounts.to(dtype=like.dtype).to(like.device), clocks)

    def elapsed(self, times: Tensor, *, absolute: bool = False) -> Tensor:
        """The amounts run up to each of T times in [0, S], with shape (T, *, K): signed sums, or sums of magnitudes."""
        amounts = self.amounts.abs() if absolute else self.amounts
        run = (times.to(amounts).unsqueeze(-1) - torch.arange(self.segments).to(amounts)).clamp(0, 1)
        return torch.einsum("ts,s...k->t...k", run, amounts)

    def total(self) -> Tensor:
        """The sum of amounts over segments, with shape (*, K)."""
        return self.amounts.sum(0)

    def __rshift__(self, other: Path) -> Path:
        first, second = _matched(self, other)
        clocks = None
        if self.clocks is not None or other.clocks is not None:
            clocks = torch.cat([_clocks(self, first), _clocks(other, second)])
        return Path(self.names, torch.cat([first, second]), clocks)

    def __add__(self, other: Path) -> Path:
        if not isinstance(other, Path):
            return NotImplemented
        if self.segments != other.segments:
            raise ValueError(
                f"paths added up must have equally many segments, got {self.segments} and {other.segments}; "
                "write (a + b) >> (c + d) instead of (a >> c) + (b >> d)"
            )
        first, second = _matched(self, other)
        if self.clocks is None and other.clocks is None:
            return Path(self.names, first + second)
        mine, theirs = _clocks(self, first), _clocks(other, second)
        if bool(((first != 0) & (second != 0) & (mine != theirs)).any()):
            raise ValueError("paths added up must agree on the clock of a transformation that both of them move")
        return Path(self.names, first + second, torch.where(first != 0, mine, theirs))

    def __invert__(self) -> Path:
        clocks = None if self.clocks is None else self.clocks.flip(0)
        ends = self.amounts.flip(0)
        return Path(self.names, -ends, ends.clone() if clocks is None else clocks + ends)

    def opposite(self) -> Path:
        """The path the other way at every turn, amounts and clocks negated: a new motion, not the way back of `~`."""
        return Path(self.names, -self.amounts, None if self.clocks is None else -self.clocks)

    def __mul__(self, speed: float | Tensor) -> Path:
        if isinstance(speed, Tensor) and speed.ndim > 0:
            speed = speed.unsqueeze(-1)
        faster = self.amounts * speed
        return Path(self.names, faster, None if self.clocks is None else self.clocks.expand_as(faster))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        if self.batch_shape:
            return f"Path({', '.join(self.names)}; amounts of shape {tuple(self.amounts.shape)})"
        rows = []
        for row in self.amounts.tolist():
            moved = [f"{name} {amount:+.4g}" for name, amount in zip(self.names, row, strict=True) if amount]
            rows.append(" + ".join(moved) or "stay")
        return f"Path({' >> '.join(rows)})"


def _clocks(path: Path, like: Tensor) -> Tensor:
    if path.clocks is None:
        return torch.zeros_like(like)
    return path.clocks.to(like).expand_as(like)


def _matched(first: Path, second: Path) -> tuple[Tensor, Tensor]:
    if first.names != second.names:
        raise ValueError(f"paths belong to different models: {first.names} and {second.names}")
    a, b = first.amounts, second.amounts
    dtype = torch.promote_types(a.dtype, b.dtype)
    try:
        batch = torch.broadcast_shapes(first.batch_shape, second.batch_shape)
    except RuntimeError:
        shapes = f"{tuple(first.batch_shape)} and {tuple(second.batch_shape)}"
        raise ValueError(f"paths must have matching batch shapes, got {shapes}") from None

    def expanded(amounts: Tensor) -> Tensor:
        missing = len(batch) - (amounts.ndim - 2)
        shaped = amounts.reshape(amounts.shape[0], *[1] * missing, *amounts.shape[1:])
        return shaped.to(dtype=dtype).to(a.device).expand(-1, *batch, -1)

    return expanded(a), expanded(b)


@dataclass(frozen=True)
class Flow:
    """One named transformation; called with a value in its natural unit it gives a path of one segment.

    Arguments:
        name: Which of `names` this flow is.
        names: All transformations of the model, in order.
        unit: The natural unit of the transformation.

    Example:
        >>> scale = Flow("scale", ("rotate", "scale"), Unit("factor", 2.0, logarithmic=True))
        >>> scale(4.0).amounts.tolist()
        [[0.0, 2.0]]
    """

    name: str
    names: tuple[str, ...]
    unit: Unit = Unit()

    def __post_init__(self) -> None:
        check_choice("name", self.name, self.names)

    def __call__(self, value: float | Tensor, *, clock: float | Tensor = 0.0) -> Path:
        """The path that moves this transformation by `value`, a number or one per sample with shape (*)."""
        return self.by_amount(self.unit.to_amount(value), clock=clock)

    def by_amount(self, amount: float | Tensor, *, clock: float | Tensor = 0.0) -> Path:
        """The path that moves this transformation by `amount` (in units of its field), one number or shape (*)."""
        given = amount if isinstance(amount, Tensor) else torch.tensor(amount, dtype=torch.float64)
        amounts = given.new_zeros(1, *given.shape, len(self.names))
        index = self.names.index(self.name)
        amounts[..., index] = given
        if not isinstance(clock, Tensor) and clock == 0:
            return Path(self.names, amounts)
        clocks = torch.zeros_like(amounts)
        clocks[..., index] = torch.as_tensor(clock).to(amounts)
        return Path(self.names, amounts, clocks)


def flows(units: Mapping[str, Unit]) -> tuple[Flow, ...]:
    """One `Flow` per named unit, in order."""
    names = tuple(units)
    return tuple(Flow(name, names, unit) for name, unit in units.items())


_STEP = re.compile(r"^(?P<name>[A-Za-z_]\w*)\s*(?:by\s+)?\(?\s*(?P<value>[-+]?\d[\d.eE+-]*)\s*\)?$")


def parse_path(text: str, available: Sequence[Flow]) -> Path:
    """Reads a path as a person writes it: "rotate 45 then hue 120", "rotate 45 and scale 1.3", "hue(120) >> hue(9)".

    "and" (or +) binds tighter than "then" (or >>); values are in natural units.

    Raises:
        ValueError: if the text is not such a path, or names a transformation that is not `available`.
    """
    by_name = {flow.name: flow for flow in available}
    rows = [
        reduce(operator.add, [_step(part.strip(), by_name) for part in re.split(r"\band\b|\s\+\s", segment)])
        for segment in re.split(r"\bthen\b|>>", text)
    ]
    return reduce(operator.rshift, rows)


def _step(text: str, by_name: Mapping[str, Flow]) -> Path:
    match = _STEP.match(text)
    if match is None:
        raise ValueError(f"`path` must read like 'rotate 45 then hue 120', could not read {text!r}")
    flow = by_name[check_choice("path", match["name"], tuple(by_name))]
    try:
        value = float(match["value"])
    except ValueError:
        raise ValueError(f"`path` needs a number after {flow.name!r}, got {match['value']!r}") from None
    return flow(value)

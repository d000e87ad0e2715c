"""Grids of ground-truth factors: every combination once, by number and by classes, drawn with some factors fixed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.known import Transformation
from flowdis.paths import Unit

__all__ = ["Factor", "FactorGrid"]

_Classes = Int[Tensor, "*batch F"]
_Indices = Int[Tensor, "*batch"]
_Values = Float[Tensor, "*batch F"]


@dataclass(frozen=True)
class Factor:
    """One factor of variation: its name, and the values that it takes on the grid.

    Arguments:
        name: The name.
        values: The values in the natural unit, ascending; category numbers 0, 1, .. where `ordered` is false.
        unit: The natural unit, and how much of it one amount is.
        period: The value after which a circular factor is the same again. Where the last value is the first one
            plus the period, as the orientations of dSprites are, both show the same image.
        ordered: Whether there is something between two neighbouring values. No path moves a factor without
            order, such as a shape.

    Raises:
        ValueError: naming the factor, if values are not finite and ascending, reach further than the period, or
            do not suit the unit or a factor without order.

    Example:
        >>> hue = Factor("hue", (0.0, 90.0, 180.0, 270.0), Unit("degree", 90.0), period=360.0)
        >>> hue.size, hue.circular, hue.cycle
        (4, True, 4)
    """

    name: str
    values: tuple[float, ...]
    unit: Unit = Unit("step")
    period: float | None = None
    ordered: bool = True

    def __post_init__(self) -> None:
        ascending = all(low < high for low, high in zip(self.values, self.values[1:], strict=False))
        if not (self.values and ascending and all(map(math.isfinite, self.values))):
            raise ValueError(f"`values` of factor {self.name!r} must be finite and ascending, got {self.values}")
        if self.unit.logarithmic and self.values[0] <= 0:
            raise ValueError(f"`values` of factor {self.name!r} must be positive {self.unit.name}s, got {self.values}")
        reach = self.values[-1] - self.values[0]
        if self.period is not None and not (0 < self.period < math.inf and reach <= self.period * (1 + 1e-9)):
            raise ValueError(f"`period` of factor {self.name!r} must be at least its range {reach}, got {self.period}")
        if not self.ordered and (self.circular or self.values != tuple(range(self.size))):
            raise ValueError(f"`values` of factor {self.name!r} without order must be 0, 1, .. and have no period")

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.values)

    @property
    def circular(self) -> bool:
        """Whether the factor comes back to where it started."""
        return self.period is not None

    @property
    def cycle(self) -> int | None:
        """The number of steps once around the circle, one less than values where the ends coincide; else None."""
        if self.period is None:
            return None
        ends_meet = self.size > 1 and math.isclose(self.values[-1] - self.values[0], self.period, rel_tol=1e-6)
        return self.size - ends_meet

    @property
    def transformation(self) -> Transformation:
        """The factor as what a path moves: its unit, and its range in that.

        Raises:
            ValueError: if no path moves it, as it has no order or one value only.
        """
        if not self.ordered or self.size < 2:
            raise ValueError(f"factor {self.name!r} must be ordered and have two values or more for a path to move it")
        last = self.values[-1] if self.period is None else self.values[0] + self.period
        return Transformation(self.unit, "factor", (), (self.values[0], last), self.period)


class FactorGrid:
    """All combinations of some factors, numbered with the last factor varying fastest, as published sets are.

    Arguments:
        factors: The factors, from the slowest to the fastest.

    Raises:
        ValueError: if there is no factor or two share a name.

    Example:
        >>> grid = FactorGrid([Factor("shape", (0.0, 1.0, 2.0), ordered=False), Factor("x", (0.0, 0.5))])
        >>> len(grid), grid.classes(torch.tensor(3)).tolist(), grid.values(torch.tensor(3)).tolist()
        (6, [1, 1], [1.0, 0.5])
    """

    def __init__(self, factors: Sequence[Factor]) -> None:
        names = [factor.name for factor in factors]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"`factors` must be at least one, of different names, got {', '.join(names) or 'none'}")
        self.factors = tuple(factors)
        self._sizes = torch.tensor(self.sizes)
        self._strides = torch.tensor([math.prod(self.sizes[k + 1 :]) for k in range(len(names))])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the factors."""
        return tuple(factor.name for factor in self.factors)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each factor has."""
        return tuple(factor.size for factor in self.factors)

    def __len__(self) -> int:
        return math.prod(self.sizes)

    def index(self, classes: _Classes) -> _Indices:
        """The number of a combination, given each factor's class 0, 1, ..; the inverse of `classes`.

        Raises:
            ValueError: naming the factor whose class is not on the grid.
        """
        self._check_width("classes", classes)
        sizes, strides = self._sizes.to(classes.device), self._strides.to(classes.device)
        outside = (classes < 0) | (classes >= sizes)
        if bool(outside.any()):
            *row, k = (int(i) for i in outside.nonzero()[0])
            got = f"{int(classes[outside][0])}{f' in row {row[0]}' if row else ''}"
            raise ValueError(f"`classes` of factor {self.names[k]!r} must lie in 0..{self.sizes[k] - 1}, got {got}")
        return (classes.long() * strides).sum(-1)

    def classes(self, indices: _Indices) -> _Classes:
        """The class of each factor, given the number of a combination: mixed-radix digits, last fastest.

        Raises:
            IndexError: if a number is not on the grid.
        """
        outside = (indices < 0) | (indices >= len(self))
        if bool(outside.any()):
            raise IndexError(f"`indices` must lie in 0..{len(self) - 1}, got {int(indices[outside].flatten()[0])}")
        sizes, strides = self._sizes.to(indices.device), self._strides.to(indices.device)
        return indices.long()[..., None] // strides % sizes

    def values(self, indices: _Indices) -> _Values:
        """The value of each factor in its natural unit, in float64, given the number of a combination."""
        return self._lookup(self.classes(indices))

    def nearest(self, values: _Values) -> _Classes:
        """The class of each factor whose value is nearest, the shorter way round a circle.

        Raises:
            ValueError: if a value is not finite, or between two values of a factor without order.
        """
        self._check_width("values", values)
        if not bool(torch.isfinite(values).all()):
            raise ValueError("`values` must be finite")
        gaps = [self._gaps(k, values[..., k]) for k in range(len(self.factors))]
        for factor, gap in zip(self.factors, gaps, strict=True):
            if not factor.ordered and bool((gap.amin(-1) > 1e-6).any()):
                raise ValueError(f"`values` of factor {factor.name!r} must be categories 0..{factor.size - 1}")
        return torch.stack([gap.argmin(-1) for gap in gaps], -1)

    def sample(
        self, count: int, *, generator: torch.Generator | None, fixed: Mapping[str, int] | None = None
    ) -> Int[Tensor, "count F"]:
        """Draws combinations evenly.

        Arguments:
            count: How many.
            generator: Where the randomness comes from; on its device the classes lie.
            fixed: Factors that keep one class.

        Returns:
            Their classes.

        Raises:
            ValueError: if a fixed factor is unknown or its class is not on the grid.
        """
        columns = [self._draw(size, count, generator) for size in self.sizes]
        for name, chosen in (fixed or {}).items():
            k = self.position(name)
            if not 0 <= chosen < self.sizes[k]:
                raise ValueError(f"`fixed` class of factor {name!r} must lie in 0..{self.sizes[k] - 1}, got {chosen}")
            columns[k] = torch.full_like(columns[k], chosen)
        return torch.stack(columns, -1)

    def pairs(
        self, count: int, changing: Sequence[str], *, generator: torch.Generator | None
    ) -> tuple[Int[Tensor, "count F"], Int[Tensor, "count F"]]:
        """Draws pairs that differ in the named factors, in every one of them, and in no other.

        Arguments:
            count: How many.
            changing: The factors that change, each to any other of its classes.
            generator: Where the randomness comes from.

        Returns:
            The classes before and after.

        Raises:
            ValueError: if no factor is named, or one is unknown or has one value only.
        """
        before = self.sample(count, generator=generator)
        after = before.clone()
        for k in self.columns("changing", changing):
            size = self.sizes[k]
            if size < 2:
                raise ValueError(f"`changing` must name factors of two values or more, got {self.names[k]!r}")
            after[:, k] = (before[:, k] + 1 + self._draw(size - 1, count, generator)) % size
        return before, after

    def groups(
        self, count: int, size: int, *, generator: torch.Generator | None, sharing: Sequence[str] | None = None
    ) -> tuple[Int[Tensor, " count"], Int[Tensor, "count size F"]]:
        """Draws groups whose members share the class of one factor, all else drawn anew for each member.

        Groups of two are the pairs of the beta-VAE metric (Higgins et al. 2017), larger ones the votes of the
        FactorVAE metric (Kim and Mnih 2018, arXiv 1802.05983).

        Arguments:
            count: How many groups.
            size: How many members each has.
            generator: Where the randomness comes from.
            sharing: The factors out of which each group draws the one that it shares; all if left out.

        Returns:
            The position of the shared factor, and the members' classes.
        """
        among = self.columns("sharing", self.names if sharing is None else sharing)
        members = self.sample(count * size, generator=generator).view(count, size, len(self.factors))
        shared = torch.tensor(among, device=members.device)[self._draw(len(among), count, generator)]
        kept = torch.nn.functional.one_hot(shared, len(self.factors))[:, None].bool()
        return shared, torch.where(kept, members[:, :1], members)

    def position(self, name: str) -> int:
        """Where the factor of this name stands.

        Raises:
            ValueError: if there is none, listing those that there are.
        """
        return self.names.index(check_choice("factor", name, self.names))

    def columns(self, argument: str, names: Iterable[str]) -> list[int]:
        """Where the factors stand that an argument names.

        Raises:
            ValueError: naming the argument, if it names none, one twice, or one that is unknown.
        """
        found = [self.position(name) for name in names]
        if not found or len(set(found)) < len(found):
            raise ValueError(f"`{argument}` must name one factor or more, each once, got {list(names)}")
        return found

    def _check_width(self, argument: str, given: Tensor) -> None:
        if given.ndim < 1 or given.shape[-1] != len(self.factors):
            wanted = f"F={len(self.factors)} ({', '.join(self.names)})"
            raise ValueError(f"`{argument}` must end in {wanted}, got shape {tuple(given.shape)}")

    def _lookup(self, classes: Tensor) -> Tensor:
        tables = [_table(factor, classes.device) for factor in self.factors]
        return torch.stack([table[classes[..., k]] for k, table in enumerate(tables)], -1)

    def _gaps(self, k: int, values: Tensor) -> Tensor:
        """How far values are from each value of factor k, round the circle; of two ends that meet, the equal one."""
        factor = self.factors[k]
        table = _table(factor, values.device)
        plain = (values.to(table.dtype)[..., None] - table).abs()
        if factor.period is None:
            return plain
        around = plain % factor.period
        return torch.minimum(around, factor.period - around) + 1e-9 * plain

    @staticmethod
    def _draw(size: int, count: int, generator: torch.Generator | None) -> Tensor:
        device = generator.device if generator is not None else torch.device("cpu")
        return torch.randint(size, (count,), generator=generator, device=device)


def _table(factor: Factor, device: torch.device) -> Tensor:
    return torch.tensor(factor.values, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)

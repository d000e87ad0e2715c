"""One table of all models against all metrics; several seeds of a model are one row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from flowdis.metrics.columns import Metric, group_metrics

__all__ = ["LEVEL", "MeasuredModel", "ModelTable", "Row", "Score", "model_table", "t_interval"]

LEVEL = 0.95
"""The level of the intervals over seeds."""


@dataclass(frozen=True)
class MeasuredModel:
    """What was measured of one model, trained from one seed.

    Arguments:
        model: The name of its row, the same for all its seeds.
        seed: The seed that it was trained from, None where there is none.
        scores: The values of metrics by name, such as "codes.dci.completeness"; None where one is not defined.
        control: Whether it only shows what others are to be judged by, such as a constant code. Controls stand last,
            and are never the best.

    Raises:
        ValueError: if the model or a metric has no name, or a value is not a finite number.
    """

    model: str
    seed: int | None
    scores: Mapping[str, float | None]
    control: bool = False

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ValueError(f"`model` must be a name, got {self.model!r}")
        for name, value in self.scores.items():
            if not name.strip():
                raise ValueError(f"`scores` must name every metric, got {name!r} of {self.model}")
            if value is not None and not math.isfinite(value):
                told = "must be finite, or None where a metric is not defined"
                raise ValueError(f"`scores` {told}, got {value} for {name} of {self.model}, seed {self.seed}")


def t_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    r"""The interval of the mean of normal values, :math:`\bar x \pm t_{n-1, (1 + \text{level}) / 2} \, s / \sqrt n`.

    Arguments:
        values: At least two values.
        level: The share of such intervals that hold the true mean.

    Raises:
        ValueError: if there are fewer than two values, or `level` does not lie between 0 and 1.

    References:
        Student 1908, The probable error of a mean, Biometrika 6(1).

    Example:
        >>> low, high = t_interval([1.0, 2.0, 3.0])
        >>> round(low, 4), round(high, 4)
        (-0.4841, 4.4841)
    """
    if len(values) < 2:
        raise ValueError(f"`values` must hold at least two values, got {len(values)}")
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1, got {level}")
    from scipy.special import stdtrit  # comes with torchdiffeq

    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = float(stdtrit(count - 1, (1 + level) / 2)) * math.sqrt(variance / count)
    return mean - half, mean + half


@dataclass(frozen=True)
class Score:
    """One metric of one model over its seeds.

    Three seeds or more have the t-interval of their mean. Two have their range, which holds the true mean of
    symmetric values half of the time; their t-interval would be thirteen times as wide as they are apart, and say
    little.

    Arguments:
        seeds: The seeds that have a value, at least one.
        values: Their values.
    """

    seeds: tuple[int | None, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return math.fsum(self.values) / len(self.values)

    @property
    def kind(self) -> Literal["t", "range"] | None:
        """What the interval is; None where there is none."""
        return None if len(self.values) < 2 else "range" if len(self.values) == 2 else "t"

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval over seeds; None for a single one."""
        if self.kind == "t":
            return t_interval(self.values)
        return (min(self.values), max(self.values)) if self.kind == "range" else None


@dataclass(frozen=True)
class Row:
    """One model: its seeds, and its scores by metric; a metric that was not measured is missing."""

    model: str
    seeds: tuple[int | None, ...]
    scores: Mapping[str, Score]
    control: bool = False


@dataclass(frozen=True)
class ModelTable:
    """All models against all metrics; `model_table` makes it.

    Arguments:
        rows: The models, controls last.
        columns: The metrics by name, those of a group together.
        metadata: What stands below the table: the machine, the budget, the command.
    """

    rows: tuple[Row, ...]
    columns: Mapping[str, Metric]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def groups(self) -> Iterator[tuple[str, dict[str, Metric]]]:
        """Each group with its columns by name."""
        for group in dict.fromkeys(metric.group for metric in self.columns.values()):
            yield group, {name: metric for name, metric in self.columns.items() if metric.group == group}

    def best(self, name: str) -> tuple[str, ...]:
        """The models with the best mean of a metric; none where no direction is better, or nobody to be better than.

        Raises:
            KeyError: if the table has no such metric.
        """
        direction = self.columns[name].direction
        means = {row.model: row.scores[name].mean for row in self.rows if name in row.scores and not row.control}
        if direction is None or len(means) < 2:
            return ()
        best = max(means.values()) if direction == "higher" else min(means.values())
        return tuple(model for model, mean in means.items() if math.isclose(mean, best, rel_tol=1e-9))

    def to_json(self) -> dict[str, Any]:
        """The columns, and the rows with the values of every seed, means and intervals."""
        columns = [
            {"name": name, "title": m.title, "direction": m.direction, "group": m.group, "unit": m.unit}
            for name, m in self.columns.items()
        ]
        rows = [
            {
                "model": row.model,
                "control": row.control,
                "seeds": list(row.seeds),
                "scores": {name: _written(row.scores[name]) for name in self.columns if name in row.scores},
            }
            for row in self.rows
        ]
        return {"level": LEVEL, "columns": columns, "rows": rows, "metadata": dict(self.metadata)}


def _written(score: Score) -> dict[str, Any]:
    interval = score.interval
    return {
        "mean": score.mean,
        "interval": None if interval is None else list(interval),
        "kind": score.kind,
        "seeds": list(score.seeds),
        "values": list(score.values),
    }


def model_table(models: Sequence[MeasuredModel], metadata: Mapping[str, str] | None = None) -> ModelTable:
    """The table of measured models, a row for each name in the order in which they come.

    Arguments:
        models: The models, each with all its seeds.
        metadata: What stands below the table: the machine, the budget, the command.

    Raises:
        ValueError: if there is no model, none has a score, a seed of a model comes twice, some of its seeds are
            unknown and others not, or it is a control with some seeds only.

    Example:
        >>> runs = [MeasuredModel("VAE", seed, {"codes.mig": 0.1 * seed}) for seed in (1, 2, 3)]
        >>> table = model_table(runs)
        >>> table.rows[0].model, table.rows[0].scores["codes.mig"].mean
        ('VAE', 0.2)
    """
    by_name: dict[str, list[MeasuredModel]] = {}
    for model in models:
        by_name.setdefault(model.model, []).append(model)
    rows = [_row(name, seeds) for name, seeds in by_name.items()]
    columns = group_metrics(name for model in models for name, value in model.scores.items() if value is not None)
    if not columns:
        raise ValueError(f"`models` must hold at least one score, got none from {len(models)} models")
    rows.sort(key=lambda row: row.control)
    return ModelTable(tuple(rows), columns, dict(metadata or {}))


def _row(name: str, models: Sequence[MeasuredModel]) -> Row:
    seeds = tuple(model.seed for model in models)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"`models` must hold every seed of a model once, got seeds {list(seeds)} of {name}")
    if None in seeds and len(seeds) > 1:
        raise ValueError(f"`models` must give all seeds of a model or none, got seeds {list(seeds)} of {name}")
    if len({model.control for model in models}) > 1:
        raise ValueError(f"`models` must have a model as a control with all its seeds or none, got both of {name}")
    found: dict[str, dict[int | None, float]] = {}
    for model in models:
        for metric, value in model.scores.items():
            if value is not None:
                found.setdefault(metric, {})[model.seed] = float(value)
    scores = {metric: Score(tuple(values), tuple(values.values())) for metric, values in found.items()}
    return Row(name, seeds, scores, models[0].control)

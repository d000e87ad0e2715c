"""What stands in the cells of a written table of models, whatever it is written as."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flowdis.metrics.columns import Metric, arrow
from flowdis.metrics.table import LEVEL, ModelTable, Row, Score

__all__ = ["blocks", "cell_texts", "heading", "legend", "metadata_lines", "number_texts", "row_label"]


def number_texts(score: Score) -> tuple[str, str]:
    """The mean of a score, and its interval: "± half" for a t-interval, "[lowest, highest]" for a range.

    Example:
        >>> number_texts(Score((0, 1, 2), (0.5, 0.6, 0.7)))
        ('0.600', '± 0.248')
        >>> number_texts(Score((0, 1), (98.0, 102.0)))
        ('100.0', '[98.0, 102.0]')
    """
    mean, interval = score.mean, score.interval
    low, high = interval or (mean, mean)
    half = (high - low) / 2
    text = _number(mean, mean, half)
    if interval is None:
        return text, ""
    if score.kind == "t":
        return text, f"± {_number(half, mean, half)}"
    return text, f"[{_number(low, mean, half)}, {_number(high, mean, half)}]"


def _number(value: float, mean: float, half: float) -> str:
    """A value with about four digits of the mean, and as many more as half the interval needs not to read 0."""
    size = abs(mean) or 1.0
    if not 1e-3 <= size < 1e9:
        return f"{value:.2e}"
    digits = next((count for count, least in enumerate((1000, 100, 10, 0.1)) if size >= least), 4)
    if half > 0:
        digits = max(digits, min(6, math.ceil(-math.log10(half) - 1e-9)))
    return f"{value:.{digits}f}"


def cell_texts(row: Row, name: str) -> tuple[str, str, str]:
    """The mean, the interval, and how many seeds where that is not all of the row's; empty where not measured."""
    score = row.scores.get(name)
    if score is None:
        return "", "", ""
    count = "" if len(score.values) == len(row.seeds) else f"(n = {len(score.values)})"
    return *number_texts(score), count


def heading(metric: Metric) -> str:
    """What stands over a column: its title, its unit, and which way is better."""
    return " ".join(part for part in (metric.title, metric.unit and f"({metric.unit})", arrow(metric)) if part)


def row_label(row: Row) -> str:
    """What stands before a row."""
    name = " ".join(row.model.split())
    return f"{name} (control)" if row.control else name


def blocks(table: ModelTable, across: int = 6) -> Iterator[tuple[str, dict[str, Metric]]]:
    """The columns in groups; a group with more than fit across a page in parts of about the same width."""
    for group, columns in table.groups():
        names = list(columns)
        size = math.ceil(len(names) / math.ceil(len(names) / across))
        for start in range(0, len(names), size):
            yield group, {name: columns[name] for name in names[start : start + size]}


def legend(table: ModelTable, best: str, *, drawn: bool = False) -> str:
    """What the signs in a table mean, as far as they occur.

    Arguments:
        table: The table.
        best: How the best mean of a column is marked.
        drawn: Whether it stands below bars rather than numbers.
    """
    scores = [score for row in table.rows for score in row.scores.values()]
    kinds, directions = {score.kind for score in scores}, {metric.direction for metric in table.columns.values()}
    parts = ["Means over seeds" if kinds - {None} else "One seed each"]
    if "t" in kinds:
        which = f"{LEVEL:.0%} t-interval of the mean (three seeds or more)"
        parts.append(f"line: {which}" if drawn else f"± half of the {which}")
    if "range" in kinds:
        parts.append(f"{'line: lowest to highest' if drawn else '[lowest, highest]'} of two seeds")
    parts += ["rings: single seeds"] if drawn and kinds - {None} else []
    parts += ["↑ higher is better"] if "higher" in directions else []
    parts += ["↓ lower is better"] if "lower" in directions else []
    parts += [f"{best}: the best mean, controls apart"] if any(map(table.best, table.columns)) else []
    if any(set(table.columns) - set(row.scores) for row in table.rows):
        parts.append(f"{'–' if drawn else 'empty'}: not measured")
    return "; ".join(parts) + "."


def metadata_lines(table: ModelTable) -> list[str]:
    """A line for each entry of the metadata."""
    return [" ".join(f"{name}: {value}".split()) for name, value in table.metadata.items()]

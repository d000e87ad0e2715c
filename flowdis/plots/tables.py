"""Nested metrics as tables: records that share their columns stand together, whatever a section is called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from flowdis.plots.meanings import meaning_of, title_of
from flowdis.plots.pages import definitions, details, table

__all__ = ["format_number", "metrics_tables"]

# Keys that only hold others together, and say nothing in the name of a row.
_CONTAINERS = {"equivariance", "pairs", "paths"}
# Keys whose records are folded away: the line that unfolds them, the caption over them.
_FOLDED = {
    "without_last": ("Without the last frame", "Sums over t = 1 to T − 1, as some published code has them"),
    "controls": ("Beside the controls", "Errors beside the controls"),
}
# What stands over parts of a section without a name of their own.
_OVER = {
    ("undo", ()): "worst of all",
    ("composition", ("sequential",)): "mean · sequential",
    ("composition", ("linear",)): "mean · linear",
}
_FIRST = ("error", "ratio", "floor", "identity", "constant", "linear", "black", "forward", "backward")
_SHARES = {
    "of_floor": ("error", "floor"),
    "of_identity": ("error", "identity"),
    "of_forward": ("backward", "forward"),
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Keys = tuple[str, ...]


@dataclass
class _Group:
    """Records with columns in common: by their place, their plain values by key."""

    kind: str
    rows: dict[Keys, dict[str, Any]] = field(default_factory=dict)

    def columns(self) -> list[str]:
        """All keys, known ones first."""
        keys = list(dict.fromkeys(key for row in self.rows.values() for key in row))
        return sorted(keys, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))


def format_number(value: Any) -> str:
    """A value as it stands in a table: four digits, thousands apart, powers of ten for the small and large.

    Example:
        >>> format_number(316.44), format_number(1288662), format_number(1.3e-7), format_number(True)
        ('316.4', '1,288,662', '1.3 × 10⁻⁷', 'yes')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, Sequence):
        joint = " and " if value and all(isinstance(item, str) for item in value) else ", "
        return joint.join(format_number(item) for item in value) or "none"
    number = float(value)
    if not math.isfinite(number):
        return "not finite"
    if number and not 1e-3 <= abs(number) < 1e9:
        digits, power = f"{number:.2e}".split("e")
        text = f"{float(digits):g} × 10{str(int(power)).translate(_RAISED)}"
    else:
        text = f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"
    return text.replace("-", "−")


def metrics_tables(values: Any, *, section: str = "", caption: str = "", unfolded: bool = False) -> str:
    """A section of nested metrics as HTML tables, with what their columns mean.

    Arguments:
        values: Numbers, texts and lists, in mappings of any depth.
        section: The key of the section, where meanings depend on it.
        caption: What stands over the main table.
        unfolded: Whether the meanings of columns are seen from the start.
    """
    if not isinstance(values, Mapping):
        values = {section or "value": values}
    groups: list[_Group] = []
    series: dict[Keys, Sequence[float]] = {}
    matrices: dict[Keys, Sequence[Sequence[float]]] = {}
    _collect(values, (), groups, series, matrices)
    parts = [_group(group, section, caption or title_of(section), unfolded) for group in groups]
    names = values.get("names")
    parts += [_matrix(place, rows, names, section) for place, rows in matrices.items()]
    parts += [_series(series)] if series else []
    return "\n".join(part for part in parts if part)


def _collect(
    values: Mapping[str, Any],
    place: Keys,
    groups: list[_Group],
    series: dict[Keys, Sequence[float]],
    matrices: dict[Keys, Sequence[Sequence[float]]],
) -> None:
    record: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            continue
        here = (*place, key)
        if _is_list(value) and value and all(_is_list(row) and _numeric(row) for row in value):
            matrices[here] = value
        elif _is_list(value) and len(value) > 1 and _numeric(value):
            series[here] = value
        elif _is_list(value) and value and all(_is_list(item) for item in value):
            record[key] = ", ".join(format_number(item) for item in value)
        else:
            record[key] = ", ".join(value) if _is_list(value) and _wordy(value) else value
    if record:
        _join(groups, place, record)
    for key, value in values.items():
        if isinstance(value, Mapping):
            _collect(value, (*place, key), groups, series, matrices)


def _join(groups: list[_Group], place: Keys, record: dict[str, Any]) -> None:
    kind = next((part for part in place if part in _FOLDED), "")
    for group in groups:
        if group.kind == kind and any(set(record) & set(row) for row in group.rows.values()):
            group.rows[place] = record
            return
    groups.append(_Group(kind, {place: record}))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _numeric(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _wordy(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values)


def _row_name(place: Keys, section: str) -> str:
    if (section, place) in _OVER:
        return _OVER[section, place]
    parts = [part.replace("_", " ") for part in place if part not in _CONTAINERS and part not in _FOLDED]
    return " · ".join(parts) or "overall"


def _group(group: _Group, section: str, caption: str, unfolded: bool) -> str:
    rows = group.rows
    known = any(meaning_of(key, section).text for row in rows.values() for key in row)
    if len(rows) == 1 and (() in rows or not known):
        place, record = next(iter(rows.items()))
        return _list(record, section, place, caption)
    columns = group.columns()
    shares = [name for name, (of, to) in _SHARES.items() if any(of in row and to in row for row in rows.values())]
    if section == "round":  # once round, the source is the truth, and no edit is no error
        shares = [name for name in shares if name != "of_identity"]
    meanings = [meaning_of(key, section) for key in (*columns, *shares)]
    heads = [f"{meaning.name} ({meaning.unit})" if meaning.unit else meaning.name for meaning in meanings]
    body = [(_row_name(place, section), _cells(row, columns, shares)) for place, row in rows.items()]
    summary, caption = _FOLDED.get(group.kind, ("", caption))
    shown = table(caption, ["edit", *heads], body)
    if summary:
        return details(summary, shown)
    texts = {meaning.name: meaning.text for meaning in meanings if meaning.text}
    return shown + (details("What the columns mean", definitions(texts), unfolded=unfolded) if texts else "")


def _cells(row: Mapping[str, Any], columns: Sequence[str], shares: Sequence[str]) -> list[str]:
    cells = []
    for key in columns:
        mark = ' class="main"' if key in ("error", "ratio") else ""
        cells.append(f"<td{mark}>{escape(format_number(row[key])) if key in row else ''}</td>")
    for name in shares:
        share = _share(row, name)
        if share is None:
            cells.append("<td></td>")
        elif name == "of_identity":
            part = f"--part: {100 * min(max(share, 0.0), 1.0):.0f}%"
            cells.append(f'<td class="share" style="{part}">{share:.3f}</td>')
        else:
            cells.append(f"<td>{share:.3f}</td>")
    return cells


def _share(row: Mapping[str, Any], name: str) -> float | None:
    of, to = (row.get(key) for key in _SHARES[name])
    if not isinstance(of, int | float) or not isinstance(to, int | float) or not to or not math.isfinite(of / to):
        return None
    return of / to


def _list(record: Mapping[str, Any], section: str, place: Keys, caption: str) -> str:
    """One record downwards: name, value, and where they are known unit and meaning."""
    parent = meaning_of(place[-1], section) if place else None
    meanings = [meaning_of(key, section) for key in record]
    told = any(meaning.unit or meaning.text for meaning in meanings)
    body = []
    for meaning, value in zip(meanings, record.values(), strict=True):
        cells = [f'<td class="main">{escape(format_number(value))}</td>']
        if told:
            cells += [f'<td class="words">{escape(text)}</td>' for text in (meaning.unit, meaning.text)]
        body.append((meaning.name, cells))
    if parent is not None:
        unit = f" ({parent.unit})" if parent.unit else ""
        caption = f"{title_of(parent.name)}{unit}"
    heads = ["number", "value", "unit", "what it means"] if told else ["number", "value"]
    shown = table(caption, heads, body, words=2 if told else 0)
    return shown + (f"<p>{escape(parent.text)}</p>" if parent is not None and parent.text else "")


def _matrix(place: Keys, rows: Sequence[Sequence[float]], names: Any, section: str) -> str:
    meaning = meaning_of(place[-1], section)
    fitting = _is_list(names) and len(names) == len(rows)
    down = [str(name) for name in names] if fitting else [str(i) for i in range(len(rows))]
    square = len(rows[0]) == len(rows)
    across = down if square else [str(i) for i in range(len(rows[0]))]
    body = [
        (name, [f"<td>{escape(format_number(value))}</td>" for value in row])
        for name, row in zip(down, rows, strict=True)
    ]
    unit = f" ({meaning.unit})" if meaning.unit else ""
    told = f"<p>{escape(meaning.text)}</p>" if meaning.text else ""
    return table(f"{title_of(meaning.name)}{unit}", ["flow", *across], body) + told


def _series(series: Mapping[Keys, Sequence[float]]) -> str:
    """Lists of numbers, one a row, folded away: they are many."""
    longest = max(len(values) for values in series.values())
    body = [
        (
            _row_name(tuple(part for part in place if part != "frames"), ""),
            [f"<td>{escape(format_number(v))}</td>" for v in values],
        )
        for place, values in series.items()
    ]
    shown = table("Frame by frame", ["edit", *(str(i + 1) for i in range(longest))], body)
    return details("Frame by frame", shown)

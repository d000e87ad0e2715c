"""Attributes of images from a table: one row for each file, numbers or categories, every error by its line."""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["AttributeTable", "Kind", "read_attributes"]

Kind = Literal["binary", "ordinal", "continuous", "categorical"]

_SEVERAL = 10  # whole numbers of no more different values than this are ordinal
_TOLD = 8  # errors of a table that are listed


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """A attributes of N images.

    Arguments:
        names: The attributes.
        values: Their values, with shape (N, A); of attributes in words the number of the level.
        kinds: What each attribute is: binary (two values), ordinal (a few whole numbers), continuous, or categorical
            (three or more levels in words, without order).
        levels: By name, the words of attributes that are given in words, in alphabetical order.
        rows: Which of the files each image is, with N entries; all in order unless some were left out.
    """

    names: tuple[str, ...]
    values: Float[Tensor, "N A"]
    kinds: tuple[Kind, ...]
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Float[Tensor, "N"]:
        """The values of one attribute, with shape (N)."""
        if name not in self.names:
            raise KeyError(f"attributes are {', '.join(self.names)}, got {name!r}")
        return self.values[:, self.names.index(name)]


def read_attributes(path: str | Path, files: Sequence[str | Path], *, skip_bad: bool = False) -> AttributeTable:
    """Reads the attributes of image files from a table of comma-, semicolon- or tab-separated values.

    The first line names the columns; the first column holds the files' names, alone or with folders before them. A
    column is of numbers if at least half of its values are, and of words else.

    Arguments:
        path: The table, in UTF-8.
        files: The image files, in the order of the images.
        skip_bad: Whether to leave out images whose row is missing or wrong, and rows of unknown files, with a warning
            that names all of them.

    Returns:
        The attributes, in the order of the files.

    Raises:
        FileNotFoundError: if there is no such table.
        ValueError: if it is not such a table, or, each named by file and line, a row is missing, tells of a file that
            is not among the images, twice of one, or holds something else than a number in a column of numbers.
    """
    table = Path(path).expanduser()
    if not table.is_file():
        raise FileNotFoundError(f"`attributes` must be a table of values, got {path}, which is not a file")
    names, lines = _lines(table)
    numeric = {name: _mostly_numbers([cells[k] for _, _, cells in lines]) for k, name in enumerate(names)}
    errors: list[str] = []
    by_row = _matched(table, lines, files, errors)
    good: dict[int, list[str]] = {}
    for row, file in enumerate(files):
        if row not in by_row:
            errors.append(f"{table} has no row for {file}")
            continue
        line, cells = by_row[row]
        wrong = [_wrong(name, cell, numeric[name]) for name, cell in zip(names, cells, strict=True)]
        found = [f"{table}, line {line}, {Path(file).name}: {told}" for told in wrong if told]
        errors += found
        if not found:
            good[row] = cells
    if errors:
        told = _told(errors)
        if not skip_bad or not good:
            raise ValueError(f"{told}{'' if skip_bad else '; set `skip_bad` to leave out such rows and images'}")
        warnings.warn(f"left out: {told}", stacklevel=2)
    return _table(names, numeric, good)


def _lines(table: Path) -> tuple[tuple[str, ...], list[tuple[int, str, list[str]]]]:
    """The attributes' names; the number, the file and the cells of each line that is not empty."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{table} must be text in UTF-8: {error}") from error
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    names: tuple[str, ...] = ()
    lines = []
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if not any(stripped):
            continue
        if not names:
            names = tuple(stripped[1:])
            if not names or "" in names or len(set(names)) < len(names):
                wanted = "a file column and at least one attribute, all with different names"
                raise ValueError(f"{table}, line {reader.line_num} must name {wanted}, got {separator.join(stripped)}")
        elif len(stripped) != len(names) + 1:
            raise ValueError(f"{table}, line {reader.line_num} must have {len(names) + 1} values, got {len(stripped)}")
        else:
            lines.append((reader.line_num, stripped[0], stripped[1:]))
    if not lines:
        raise ValueError(f"{table} must hold a line of names and a row for each file, got no row")
    return names, lines


def _matched(
    table: Path, lines: list[tuple[int, str, list[str]]], files: Sequence[str | Path], errors: list[str]
) -> dict[int, tuple[int, list[str]]]:
    """The line and the cells of each file that has a row."""
    endings: dict[tuple[str, ...], list[int]] = {}
    for row, file in enumerate(files):
        parts = Path(file).parts
        for start in range(len(parts)):
            endings.setdefault(parts[start:], []).append(row)
    by_row: dict[int, tuple[int, list[str]]] = {}
    for line, name, cells in lines:
        found = endings.get(Path(name).parts, [])
        if len(found) != 1:
            why = "is not among the images" if not found else f"may be any of {len(found)} images: say its folder"
            errors.append(f"{table}, line {line}: {name or 'a file without a name'} {why}")
        elif found[0] in by_row:
            errors.append(f"{table}, line {line}: {name} has a row already, in line {by_row[found[0]][0]}")
        else:
            by_row[found[0]] = line, cells
    return by_row


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _mostly_numbers(cells: list[str]) -> bool:
    given = [cell for cell in cells if cell]
    return 2 * sum(_number(cell) is not None for cell in given) >= len(given)


def _wrong(name: str, cell: str, numeric: bool) -> str | None:
    """What is wrong with a cell, in words."""
    if not cell:
        return f"{name} is missing"
    value = _number(cell)
    finite = value is not None and math.isfinite(value)
    return f"{name} must be a finite number, got {cell!r}" if numeric and not finite else None


def _told(errors: list[str]) -> str:
    more = f"; and {len(errors) - _TOLD} more" if len(errors) > _TOLD else ""
    return "; ".join(errors[:_TOLD]) + more


def _table(names: tuple[str, ...], numeric: Mapping[str, bool], good: Mapping[int, list[str]]) -> AttributeTable:
    columns: list[list[float]] = []
    kinds: list[Kind] = []
    levels: dict[str, tuple[str, ...]] = {}
    for k, name in enumerate(names):
        cells = [row[k] for row in good.values()]
        if numeric[name]:
            columns.append([float(cell) for cell in cells])
        else:
            levels[name] = tuple(sorted(set(cells)))
            columns.append([float(levels[name].index(cell)) for cell in cells])
        kinds.append(_kind(columns[-1], name in levels))
    return AttributeTable(names, torch.tensor(columns).T.contiguous(), tuple(kinds), levels, tuple(good))


def _kind(values: list[float], words: bool) -> Kind:
    different = set(values)
    if len(different) <= 2:
        return "binary"
    if words:
        return "categorical"
    return "ordinal" if len(different) <= _SEVERAL and all(value == int(value) for value in different) else "continuous"

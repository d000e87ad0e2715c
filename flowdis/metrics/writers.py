"""The table of models as files: plain text, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath

from flowdis._files import write_whole
from flowdis.metrics.cells import blocks, cell_texts, heading, legend, metadata_lines, row_label
from flowdis.metrics.latex import latex_text
from flowdis.metrics.table import ModelTable, Row

__all__ = ["csv_text", "json_text", "markdown_text", "plain_text", "text_table", "write_table"]


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns, the first column flush left, the others flush right.

    Example:
        >>> print(text_table(("", "error"), [("hue", "12.0"), ("rotate", "7.5")]))
                error
        hue      12.0
        rotate    7.5
    """
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join((first, *others)).rstrip()

    return "\n".join(line(row) for row in (header, *rows))


def plain_text(table: ModelTable, *, width: int = 110) -> str:
    """The table for a terminal, cut between columns where it is wider than that; the best means are starred."""

    def cell(row: Row, name: str) -> str:
        mean, *rest = cell_texts(row, name)
        star = "*" if row.model in table.best(name) else ""
        return " ".join(part for part in (mean + star, *rest) if part)

    labels = [row_label(row) for row in table.rows]
    parts = []
    for group, columns in table.groups():
        cells = {name: [heading(metric), *(cell(row, name) for row in table.rows)] for name, metric in columns.items()}
        for names in _fitting(cells, width - max(map(len, (group, *labels))) - len("  seeds")):
            header = (group, "seeds", *(cells[name][0] for name in names))
            rows = [
                (labels[i], str(len(row.seeds)), *(cells[name][i + 1] for name in names))
                for i, row in enumerate(table.rows)
            ]
            parts.append(text_table(header, rows))
    told = textwrap.wrap(legend(table, "*"), max(width, 20))
    return "\n\n".join([*parts, "\n".join([*told, *metadata_lines(table)])]) + "\n"


def _fitting(cells: Mapping[str, Sequence[str]], width: int) -> Iterator[list[str]]:
    """Names of columns that fit beside each other, at least one at a time."""
    names: list[str] = []
    used = 0
    for name, column in cells.items():
        wide = max(map(len, column)) + 2
        if names and used + wide > width:
            yield names
            names, used = [], 0
        names.append(name)
        used += wide
    yield names


def markdown_text(table: ModelTable) -> str:
    """The table in GitHub's Markdown, one for each group of columns; the best means are bold."""

    def cell(row: Row, name: str) -> str:
        mean, *rest = cell_texts(row, name)
        bold = "**" if row.model in table.best(name) else ""
        return " ".join(part for part in (bold + mean + bold, *map(_escape, rest)) if part)

    lines = []
    for group, columns in blocks(table):
        heads = (_escape(heading(metric)) for metric in columns.values())
        lines.append(_markdown_row(_escape(group), "seeds", *heads))
        lines.append(_markdown_row("---", "---:", *("---:" for _ in columns)))
        for row in table.rows:
            cells = (cell(row, name) for name in columns)
            lines.append(_markdown_row(_escape(row_label(row)), str(len(row.seeds)), *cells))
        lines.append("")
    lines += [_escape(legend(table, "bold")), "", *(f"- {_escape(line)}" for line in metadata_lines(table))]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    """Text whose signs mean nothing in Markdown, on one line."""
    return re.sub(r"([\\`*_\[\]<>|~#&$])", r"\\\1", " ".join(text.split()))


def csv_text(table: ModelTable) -> str:
    """The table as CSV: a row for each model; for each metric its mean, the ends of its interval, its count of seeds.

    Cells that were not measured are empty. The metadata have columns of their own at the right, so that every line
    is a model's.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    parts = ("", ".low", ".high", ".count")
    heads = [f"{name}{part}" for name in table.columns for part in parts]
    writer.writerow(["model", "control", "seeds", *heads, *(f"metadata.{name}" for name in table.metadata)])
    for row in table.rows:
        cells: list[object] = []
        for name in table.columns:
            score = row.scores.get(name)
            if score is None:
                cells += [""] * len(parts)
            else:
                cells += [score.mean, *(score.interval or ("", "")), len(score.values)]
        seeds = " ".join(str(seed) for seed in row.seeds if seed is not None)
        writer.writerow([row.model, int(row.control), seeds, *cells, *table.metadata.values()])
    return stream.getvalue()


def json_text(table: ModelTable) -> str:
    """The table as JSON, with the value of every seed."""
    return json.dumps(table.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_table(table: ModelTable, folder: str | FilePath, *, stem: str = "table") -> dict[str, FilePath]:
    """Writes a table as JSON, CSV, Markdown, LaTeX and plain text, each file whole or not at all.

    Arguments:
        table: The table.
        folder: Where the files go; it is made where needed.
        stem: Their name without its ending.

    Returns:
        The files by ending: json, csv, md, tex, txt.

    Raises:
        OSError: if a file cannot be written.
    """
    writers = {"json": json_text, "csv": csv_text, "md": markdown_text, "tex": latex_text, "txt": plain_text}
    return {
        ending: write_whole(FilePath(folder) / f"{stem}.{ending}", write(table).encode())
        for ending, write in writers.items()
    }

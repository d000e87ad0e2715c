"""Metrics as text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowdis.metrics.writers import text_table

__all__ = ["error_records", "error_tables", "short_table"]

_COLUMNS = ("error", "floor", "identity", "black", "constant", "linear")


def error_tables(metrics: Mapping[str, Any]) -> str:
    """For each protocol the errors of each transformation, beside their controls."""
    parts = []
    for protocol, section in metrics.get("protocols", {}).items():
        errors = section["equivariance"]
        names = [name for name in _COLUMNS if all(name in error for error in errors.values())]
        header = (protocol, *names, "error without last")
        rows = [
            (name, *(f"{error[column]:.1f}" for column in names), f"{error['without_last']['error']:.1f}")
            for name, error in errors.items()
        ]
        parts.append(text_table(header, rows))
    if parts:
        parts.append("Sums over frames and pixels of absolute differences, means over images.")
    return "\n\n".join(parts)


def short_table(metrics: Mapping[str, Any]) -> str:
    """The error, the floor and the identity of everything that was measured against the truth."""
    rows = [
        (label, *(f"{record[name]:.1f}" for name in ("error", "floor", "identity")), _ratio(record))
        for label, record in error_records(metrics)
    ]
    return text_table(("", "error", "floor", "identity", "error/floor"), rows) if rows else "nothing to compare with"


def error_records(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Everything that was measured against the truth, by what it is."""
    for protocol, section in metrics.get("protocols", {}).items():
        for name, error in section["equivariance"].items():
            yield f"{protocol}: {name}", error
    for kind in ("sequential", "linear"):
        if kind in metrics.get("composition", {}):
            yield f"two edits, {kind}", metrics["composition"][kind]


def _ratio(record: Mapping[str, Any]) -> str:
    return f"{record['error'] / record['floor']:.2f}" if record["floor"] else "-"

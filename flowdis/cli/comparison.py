"""Several runs side by side: which settings differ, and what each came to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowdis.cli.runs import Run, differences
from flowdis.cli.tables import error_records
from flowdis.metrics.writers import text_table

__all__ = ["compare", "comparison_text"]

_TRAINING = ("steps", "seconds", "frames_per_second", "parameters")
_UNCOMPARED = ("command", "training.checkpoint_seconds", "training.keep")


def compare(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """What differs between runs.

    Arguments:
        runs: The runs, finished or not.

    Returns:
        By "settings" and "metrics", rows by name, each with a value for every run by its folder: None where that run
        has no such setting, or has not been measured. Settings that all runs share are left out.

    Raises:
        FileNotFoundError: if a folder holds no run.
        ValueError: if a file of a run cannot be read.
    """
    names = [str(run.folder) for run in runs]
    settings, metrics = {}, {}
    for name, run in zip(names, runs, strict=True):
        settings[name] = run.settings()
        metrics[name] = dict(_measured(run.read_metrics() if run.metrics.is_file() else {}, run))
        if not settings[name] and not run.metrics.is_file():
            raise FileNotFoundError(f"`runs` must be folders of runs, got {run.folder}, which holds none")
    return {"settings": _settings(settings), "metrics": _rows(metrics)}


def _settings(of: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    first, *others = of.values()
    keys = dict.fromkeys(key for other in others for key, _, _ in differences(first, other))
    kept = [key for key in keys if not key.startswith(_UNCOMPARED)]
    return {key: {name: _at(settings, key) for name, settings in of.items()} for key in kept}


def _at(values: Any, key: str) -> Any:
    """The setting of a key such as "training.seed"."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _measured(metrics: Mapping[str, Any], run: Run) -> Iterator[tuple[str, Any]]:
    """The numbers that runs are compared by."""
    for label, record in error_records(metrics):
        yield f"{label}: error", record["error"]
        if record.get("floor"):
            yield f"{label}: error / floor", record["error"] / record["floor"]
    for label, key in (("undone, latent", "undo.latent"), ("log-likelihood", "log_likelihood.nats_per_sequence")):
        yield label, _at(metrics, key)
    held_out = [entry["held_out.loss"] for entry in run.read_history() if "held_out.loss" in entry]
    last = _at(metrics, "training.held_out.last")
    yield "held-out loss", last if last is not None else held_out[-1] if held_out else None
    for key in _TRAINING:
        yield key.replace("_", " "), _at(metrics, f"training.{key}")


def _rows(of: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    labels = dict.fromkeys(label for values in of.values() for label in values)
    rows = {label: {name: values.get(label) for name, values in of.items()} for label in labels}
    return {label: row for label, row in rows.items() if any(value is not None for value in row.values())}


def comparison_text(comparison: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """What differs between runs, as tables for a terminal.

    Arguments:
        comparison: What `compare` gave.
    """
    parts = []
    for title, rows in comparison.items():
        names = list(next(iter(rows.values()), {}))
        body = [(label, *(_cell(row[name]) for name in names)) for label, row in rows.items()]
        parts.append(text_table((title, *names), body) if body else f"no {title} that differ")
    return "\n\n".join(parts)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return value if isinstance(value, str) else json.dumps(value)

"""The card of a model that a run has made: its own facts, with what it was trained on and how well it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowdis.models import LatentFlow, ModelCard

__all__ = ["run_card"]

_COLUMNS = {"error": "error", "floor": "floor", "identity": "no edit"}
_SHOWN = ("in_turn.png", "at_once.png")


def run_card(
    model: LatentFlow,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    strips: Path | None = None,
    *,
    name: str = "path/to/this/folder",
    command: str | None = None,
) -> ModelCard:
    """The card of a run's model.

    Arguments:
        model: The model.
        settings: What the run was begun with.
        metrics: The metrics of the run.
        strips: The folder of its pictures, where there are any.
        name: What the code on the card loads the model by.
        command: The command that made it, where it is known.
    """
    data, training = settings.get("data", {}), metrics.get("training", {})
    counts = f"{data.get('train', '?')} to train on, {data.get('test', '?')} to test"
    told = {
        "data": f"{data.get('source', 'unknown')}: {counts}",
        "recipe": settings.get("recipe", {}).get("name"),
        "command": None if command is None else f"`{command}`",
        "steps": training.get("steps"),
        "seed": training.get("seed"),
        "seconds": None if "seconds" not in training else round(training["seconds"]),
        "device": training.get("device"),
        "torch": training.get("torch"),
    }
    files = [strips / file for file in _SHOWN if strips is not None and (strips / file).is_file()][:1]
    facts = replace(
        model.card_facts(name),
        training={key: str(value) for key, value in told.items() if value is not None},
        tables=_tables(metrics),
        pictures={file.name: file.read_bytes() for file in files},
        shown={
            file.name: "Edits of test images: the truth above, the edit below, and the difference" for file in files
        },
        data=str(data.get("source", "images")).partition(":")[0],
    )
    return ModelCard.of(facts)


def _tables(metrics: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    tables = {}
    for protocol, section in metrics.get("protocols", {}).items():
        caption = (
            f"Sums of absolute pixel differences from the true images, protocol *{protocol}*, on test images; "
            "the floor is what encoding and decoding the true image loses:"
        )
        rows = section.get("equivariance", {})
        tables[caption] = {
            row: {told: values[key] for key, told in _COLUMNS.items() if values.get(key) is not None}
            for row, values in rows.items()
        }
    return tables

"""What is found where nobody tells what moves: `python -m benchmarks.unlabelled [--minutes M] [--seeds 0 1 2]`.

Digits that scale, turn and change hue. Rows: known amounts; weak supervision; none, where one transformation moves at a
time; none, where one to three do; and known amounts of single transformations at speeds of 0.5 to 1.5. Measured on test
digits: how often the right flow is taken, how well speeds are told, the error of the published protocol with matched
flows, the error of frames predicted from the first, and of two transformations at once at equal and at unequal speeds.

Every run is written to a file of JSON lines as it ends; runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.lines import append_line, read_lines
from flowdis.data import digits
from flowdis.metrics import evaluate_amounts, evaluate_protocol, path_error
from flowdis.metrics.batches import spread
from flowdis.models import LatentFlow
from flowdis.training import Trainer
from flowdis.training.motions import speed_motions
from flowdis.training.recipes import Recipe, recipe

__all__ = ["ROWS", "main", "measured", "run", "summary"]

_STEPS = 8


def _speeds() -> Recipe:
    known = recipe("demo")
    chosen = replace(known.with_motions(speed_motions(tuple(known.motions), _STEPS)), single=1.0)
    return chosen.with_training(replace(known.training, solver_steps=1))


ROWS: dict[str, Callable[[], Recipe]] = {
    "known": lambda: recipe("demo"),
    "weak": lambda: recipe("demo").with_supervision("weak"),
    "none, one at a time": lambda: replace(recipe("demo").with_supervision("none"), single=1.0),
    "none, one to three": lambda: replace(recipe("demo").with_supervision("none"), single=3 / 7),
    "known, at speeds": _speeds,
}
"""What is trained."""

_PAIRS = {"(1, 1)": (1.0, 1.0), "(0.25, 2)": (0.25, 2.0)}


def run(chosen: Recipe, train: Tensor, test: Tensor, *, quiet: bool = False) -> dict[str, Any]:
    """Trains a recipe and measures it.

    Arguments:
        chosen: The recipe.
        train: Training images, with shape (N, C, H, W).
        test: Test images, with shape (M, C, H, W).
        quiet: Whether to show no progress bar.

    Raises:
        KeyboardInterrupt: if the training was interrupted.
    """
    sequences = chosen.sequences(train)
    model = chosen.model((train.shape[1], train.shape[2], train.shape[3]), sequences.units).to(train.device)
    trainer = Trainer(model, sequences, chosen.training, quiet=quiet, objective=chosen.objective)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if not trainer.run().finished:
            raise KeyboardInterrupt
    found = {"warnings": [str(warning.message) for warning in told], "steps": trainer.step, "seconds": trainer.seconds}
    return found | measured(model, chosen, train, test)


def measured(model: LatentFlow, chosen: Recipe, train: Tensor, test: Tensor) -> dict[str, Any]:
    """The figures of a trained model.

    Arguments:
        model: The model.
        chosen: The recipe that it was trained by.
        train: Training images, that controls are fitted on.
        test: Test images.
    """
    found: dict[str, Any] = {}
    if chosen.supervision != "known":
        found["amounts"], model = evaluate_amounts(model, replace(chosen, augmentation=None).sequences(test))
    errors = evaluate_protocol(model, train, test, "published", generator=torch.Generator().manual_seed(0), controls={})
    found["published"] = {name: {key: e.total(key) for key in ("error", "floor")} for name, e in errors.items()}
    found["speeds"] = _composed(model, test)
    return found


def _composed(model: LatentFlow, test: Tensor) -> dict[str, dict[str, float]]:
    """The errors of every two of scale, turn and hue at once, at speeds times 4 usual steps, each as the slower one."""
    units = {"scale": 1.1**4, "rotate": 40.0, "hue": 80.0}
    flows = [flow for flow in model.flows() if flow.name in units]
    shown: dict[str, dict[str, float]] = {}
    for label, speeds in _PAIRS.items():
        errors = []
        for one, other in combinations(flows, 2):
            for first, second in permutations((one, other)) if speeds[0] != speeds[1] else [(one, other)]:
                paths = (
                    speed * flow.by_amount(float(flow.unit.to_amount(units[flow.name])))
                    for flow, speed in zip((first, second), speeds, strict=True)
                )
                errors.append(path_error(model, test, sum(paths, start=0 * one.by_amount(1.0))))
        shown[label] = {
            key: statistics.fmean(getattr(e, key) for e in errors) for key in ("error", "identity", "floor")
        }
    return shown


def summary(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By row, the means over seeds, and the least and the greatest."""
    table = []
    for row in ROWS:
        ours = [found for found in runs if found["row"] == row]
        if not ours:
            continue
        columns: dict[str, list[float]] = {"published": [_mean_error(found) for found in ours]}
        for label in _PAIRS:
            columns[label] = [found["speeds"][label]["error"] for found in ours]
        columns["unequal / equal"] = [two / one for one, two in zip(*(columns[label] for label in _PAIRS), strict=True)]
        if "amounts" in ours[0]:
            for name in ("accuracy", "speed_correlation", "used"):
                columns[name] = [found["amounts"][name] for found in ours]
            if all("sequence_correlations" in found["amounts"] for found in ours):  # runs of older files have none
                columns["least_sequence_correlation"] = [
                    min(found["amounts"]["sequence_correlations"].values()) for found in ours
                ]
            columns["least_correlation"] = [min(found["amounts"]["correlations"].values()) for found in ours]
            columns["predicted / identity"] = [_predicted(found) for found in ours]
        told = {name: (statistics.fmean(v), min(v), max(v)) for name, v in columns.items() if None not in v}
        table.append({"row": row, "seeds": len(ours), **told})
    return table


def _predicted(found: dict[str, Any]) -> float:
    predicted = found["amounts"]["predicted"]
    return predicted["error"] / predicted["identity"]


def _mean_error(found: dict[str, Any]) -> float:
    return statistics.fmean(error["error"] for error in found["published"].values())


def text(table: Sequence[dict[str, Any]]) -> str:
    """The summary as lines of Markdown."""
    names = [
        "accuracy",
        "speed_correlation",
        "least_correlation",
        "least_sequence_correlation",
        "used",
        "predicted / identity",
        "published",
    ]
    names += [*_PAIRS, "unequal / equal"]
    lines = ["| row | seeds | " + " | ".join(name.replace("_", " ") for name in names) + " |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for line in table:
        cells = [_cell(line.get(name)) for name in names]
        lines.append(f"| {line['row']} | {line['seeds']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: tuple[float, float, float] | None) -> str:
    if value is None:
        return "–"
    digits_shown = 3 if abs(value[0]) < 2 else 0
    mean, low, high = (f"{number:.{digits_shown}f}" for number in value)
    return f"{mean} ({low} to {high})"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Trains and measures flows that nobody names.")
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=list(ROWS), help="what is trained")
    parser.add_argument("--minutes", type=float, default=15.0, help="minutes of each training")
    parser.add_argument("--steps", type=int, help="steps of each training, in place of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the seeds of each row")
    parser.add_argument("--images", type=int, default=500, help="test images that are measured")
    parser.add_argument("--batch-size", type=int, help="sequences per step; the recipe's own if left out")
    parser.add_argument("--device", default="cpu", help="where to train and measure: cpu, cuda, cuda:1 or mps")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice if left out")
    parser.add_argument("--out", type=Path, default=Path("runs/unlabelled.jsonl"), help="the file of runs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    train, test = digits()[0].to(device), spread(digits(train=False)[0], options.images).to(device)
    done, keys = read_lines(options.out), []
    for seed in options.seeds:
        for row in options.rows:
            chosen = ROWS[row]()
            changes: dict[str, Any] = {"minutes": options.minutes, "steps": options.steps, "seed": seed}
            if options.batch_size is not None:
                changes["batch_size"] = options.batch_size
            chosen = chosen.with_training(replace(chosen.training, **changes))
            key = {"row": row, "seed": seed, "images": options.images, "recipe": repr(chosen), "device": str(device)}
            keys.append(key)
            if any(key.items() <= found.items() for found in done):
                continue
            print(f"{row}, seed {seed}", file=sys.stderr)
            found = {**key, **run(chosen, train, test, quiet=options.json), "torch": torch.__version__}
            done.append(found)
            append_line(options.out, found)
    table = summary([found for found in done if any(key.items() <= found.items() for key in keys)])
    print(json.dumps(table, indent=2) if options.json else text(table))


if __name__ == "__main__":
    main()

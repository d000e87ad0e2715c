"""What a setting is worth: `python -m benchmarks.ablation [--minutes M | --steps N] [--seeds 0 1] [--json]`.

Short trainings of a recipe on digits, one setting changed at a time, measured by the orbit protocol, or both, on test
digits: the error of each transformation beside the autoencoder's own floor. A row is a list of settings, such as
"kl_path=0" or "field=potential,energy=0.1": weights of the bound, settings of the trainer or the recipe, options of
the field or of underdamped dynamics. `--rows` takes any such; without it, those of `--list` are run.

Every run is written to a file of JSON lines as it ends; runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
import inspect
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.lines import append_line, read_lines
from flowdis._checks import check_choice
from flowdis.data import PROTOCOLS, digits
from flowdis.dynamics import FlowError, Underdamped
from flowdis.fields import FIELDS
from flowdis.metrics import equivariance_error, protocol_sequences
from flowdis.metrics.batches import spread
from flowdis.models import LatentFlow
from flowdis.objectives import Weights
from flowdis.training import Trainer, TrainingConfig
from flowdis.training.recipes import RECIPES, Recipe, recipe

__all__ = ["Budget", "Experiment", "default_rows", "experiment", "main", "run", "summary"]

_VALUES: dict[str, tuple[Any, ...]] = {
    "energy": (0, 0.01),
    "field": ("helmholtz", "potential", "solenoidal", "linear"),
    "ramp": (0, 0.4),
    "single": (0.5, 1),
    "beta2": (0.95, 0.999),
}
_COMBINED = (
    "kl_initial=0.01,kl_path=0.01",
    "kl_initial=1,kl_path=1",
    "kl_path=0",
    "linear=false",
    "channels=24-48",
    "field=potential,clocked=true,hamilton_jacobi=0.1",
)
_WEIGHTS = tuple(item.name for item in fields(Weights))
_TRAINING = tuple(item.name for item in fields(TrainingConfig) if item.name not in ("weights", "seed"))
_RECIPE = ("single", "field", "dim", "likelihood", "channels", "dynamics")
_DYNAMICS = tuple(item.name for item in fields(Underdamped) if item.name != "temperature")
_GIVEN = ("names", "dim", "generator")
_MEASURED = ("error", "floor", "identity")


@dataclass(frozen=True)
class Budget:
    """What each run may cost.

    Arguments:
        minutes: Minutes of training.
        steps: Steps of training, for runs to repeat bit for bit; overrides `minutes` where given.
        images: Test images that are measured, spread over the classes.
        batch_size: Sequences per step; the recipe's own where left out.
        recipe: The recipe that rows change.
    """

    minutes: float = 1.0
    steps: int | None = None
    images: int = 500
    batch_size: int | None = None
    recipe: str = "demo"


@dataclass(frozen=True)
class Experiment:
    """A recipe with some settings changed.

    Arguments:
        row: The changes, as they are written on the command line; empty for none.
        recipe: The recipe.
        options: Options of its fields.
    """

    row: str
    recipe: Recipe
    options: dict[str, Any]

    def model(self, image_shape: tuple[int, int, int]) -> LatentFlow:
        """A new model, its weights drawn from the recipe's seed."""
        model = self.recipe.model(image_shape)
        if not self.options:
            return model
        config = replace(model.config, field_options={**model.config.field_options, **self.options})
        generator = torch.Generator().manual_seed(self.recipe.training.seed)
        return LatentFlow(config, encoder=model.encoder, decoder=model.decoder, generator=generator)


def default_rows() -> list[str]:
    """The unchanged recipe, then every row that differs from it."""
    base = recipe(Budget.recipe)
    changed = [
        f"{name}={value}" for name, values in _VALUES.items() for value in values if value != _current(base, name)
    ]
    return ["", *changed, *_COMBINED]


def experiment(row: str, budget: Budget, seed: int) -> Experiment:
    """The recipe that a row describes.

    Arguments:
        row: Settings, "name=value", separated by commas.
        budget: What it may cost.
        seed: The seed of weights, sequences and posterior samples.

    Raises:
        ValueError: if a setting is not a "name=value", or nothing has its name.
    """
    chosen = recipe(budget.recipe)
    training = replace(chosen.training, minutes=budget.minutes, steps=budget.steps, seed=seed)
    if budget.batch_size is not None:
        training = replace(training, batch_size=budget.batch_size)
    places = ("weights", "training", "recipe", "dynamics", "options")
    changes: dict[str, dict[str, Any]] = {place: {} for place in places}
    for setting in filter(None, row.split(",")):
        name, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            raise ValueError(f"`row` must be settings like 'kl_path=0', got {setting!r}")
        channels = name == "channels"
        changes[_place(name)][name] = tuple(map(int, value.split("-"))) if channels else _value(value)
    kind = check_choice("field", changes["recipe"].get("field", chosen.field), FIELDS)
    options = [name for name in inspect.signature(FIELDS[kind]).parameters if name not in _GIVEN]
    known = [*_WEIGHTS, *_TRAINING, *_RECIPE, *_DYNAMICS, *options]
    for name in changes["options"]:
        check_choice("row", name, known)
    training = replace(training, weights=replace(training.weights, **changes["weights"]), **changes["training"])
    changed = replace(chosen.with_training(training), **changes["recipe"], dynamics_options=changes["dynamics"])
    if "field" in changes["recipe"]:
        changed = replace(changed, field_options={})
    return Experiment(row, changed, changes["options"])


def _place(name: str) -> str:
    places = {"weights": _WEIGHTS, "training": _TRAINING, "recipe": _RECIPE, "dynamics": _DYNAMICS}
    return next((place for place, names in places.items() if name in names), "options")


def _current(base: Recipe, name: str) -> Any:
    owner = {"weights": base.training.weights, "training": base.training, "recipe": base}[_place(name)]
    return getattr(owner, name)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def run(
    tried: Experiment, train: Tensor, test: Tensor, *, protocols: Sequence[str] = ("orbit",), quiet: bool = False
) -> dict[str, Any]:
    """Trains a recipe and measures it.

    Arguments:
        tried: The recipe.
        train: Training images, with shape (N, C, H, W).
        test: Test images, with shape (M, C, H, W).
        protocols: By which protocols.
        quiet: Whether to show no progress bar.

    Returns:
        Steps, seconds, by protocol the errors by transformation, and in "failure" why there are none.

    Raises:
        KeyboardInterrupt: if the training was interrupted.
    """
    config = tried.recipe.training
    model = tried.model((train.shape[1], train.shape[2], train.shape[3]))
    trainer = Trainer(model, tried.recipe.sequences(train), config, quiet=quiet)
    found: dict[str, Any] = {**{protocol: {} for protocol in protocols}, "failure": None}
    try:
        if not trainer.run().finished:
            raise KeyboardInterrupt
        for protocol in protocols:
            sequences = protocol_sequences(model, test, protocol, generator=torch.Generator().manual_seed(0))
            errors = equivariance_error(model, sequences)
            found[protocol] = {name: {kind: error.total(kind) for kind in _MEASURED} for name, error in errors.items()}
    except FlowError as error:
        found["failure"] = str(error)
    return {**found, "steps": trainer.step, "seconds": trainer.seconds}


def summary(
    runs: Sequence[dict[str, Any]], rows: Sequence[str], protocols: Sequence[str] = ("orbit",)
) -> list[dict[str, Any]]:
    """By row, the medians over its seeds of each transformation's figures, and of error over floor."""
    table = []
    for row in rows:
        ours = [found for found in runs if found["row"] == row]
        whole = [found for found in ours if found["failure"] is None]
        measured = {protocol: _medians([found[protocol] for found in whole]) for protocol in protocols}
        failures = [found["failure"] for found in ours if found["failure"] is not None]
        steps = statistics.median(found["steps"] for found in ours) if ours else 0
        table.append({"row": row, "seeds": len(whole), "steps": steps, **measured, "failures": failures})
    return table


def _medians(runs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    medians: dict[str, dict[str, float]] = {}
    for name in runs[0] if runs else ():
        median = {kind: statistics.median(errors[name][kind] for errors in runs) for kind in _MEASURED}
        ratio = statistics.median(errors[name]["error"] / errors[name]["floor"] for errors in runs)
        medians[name] = {**median, "error_over_floor": ratio}
    return medians


def text(table: Sequence[dict[str, Any]], protocol: str = "orbit") -> str:
    """The summary of a protocol as lines of text."""
    names = next((tuple(line[protocol]) for line in table if line[protocol]), ())
    title = f"{protocol}: error / floor (ratio)"
    lines = [f"{title:50}{'seeds':>6}{'steps':>7}" + "".join(f"{n:>20}" for n in names)]
    for line in table:
        cells = (
            f"{errors['error']:.0f} / {errors['floor']:.0f} ({errors['error_over_floor']:.2f})"
            for errors in line[protocol].values()
        )
        title = f"{line['row'] or 'unchanged':50}{line['seeds']:6}{line['steps']:7.0f}"
        lines.append(title + "".join(f"{cell:>20}" for cell in cells))
        lines += [f"    failed: {failure}" for failure in line["failures"]]
    return "\n".join(lines)


def _all(
    rows: Sequence[str], seeds: Sequence[int], budget: Budget, protocols: Sequence[str], file: Path, quiet: bool
) -> list[Any]:
    """The runs of all rows and seeds under a budget, those that are not in the file yet being made."""
    plans = [(seed, row, experiment(row, budget, seed)) for seed in seeds for row in rows]
    train, test = digits()[0], spread(digits(train=False)[0], budget.images)
    keys, done = [], read_lines(file)
    for number, (seed, row, tried) in enumerate(plans, 1):
        key = {"row": row, "seed": seed, "budget": asdict(budget), "recipe": repr(tried.recipe)}
        keys.append(key)
        if any(key.items() <= found.items() and set(protocols) <= set(found) for found in done):
            continue
        print(f"[{number}/{len(plans)}] {row or 'unchanged'}, seed {seed}", file=sys.stderr)
        done.append({**key, **run(tried, train, test, protocols=protocols, quiet=quiet), "torch": torch.__version__})
        append_line(file, done[-1])
    wanted = [found for found in done if set(protocols) <= set(found)]
    return [found for found in wanted if any(key.items() <= found.items() for key in keys)]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Short trainings, one setting changed at a time.")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default=Budget.recipe, help="what the rows change")
    parser.add_argument("--protocols", nargs="+", choices=tuple(PROTOCOLS), default=["orbit"], help="how to measure")
    parser.add_argument("--minutes", type=float, default=1.0, help="minutes of each training")
    parser.add_argument("--steps", type=int, help="steps of each training, in place of minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="the seeds of each row")
    parser.add_argument("--rows", nargs="+", metavar="SETTINGS", help="rows to run; '' is the unchanged recipe")
    parser.add_argument("--list", action="store_true", help="print the rows that are run by default")
    parser.add_argument("--images", type=int, default=500, help="test images that are measured")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice if left out")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation.jsonl"), help="the file of runs")
    parser.add_argument("--quick", action="store_true", help="two steps of small batches, few images")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rows = default_rows() if options.rows is None else options.rows
    if options.list:
        print("\n".join(row or "(unchanged)" for row in rows))
        return
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    budget = Budget(options.minutes, options.steps, options.images, recipe=options.recipe)
    if options.quick:
        budget = Budget(steps=2, images=10, batch_size=8, recipe=options.recipe)
    try:
        runs = _all(rows, options.seeds, budget, options.protocols, options.out, options.json)
        table = summary(runs, rows, options.protocols)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, f"interrupted; the same command goes on, with the runs in {options.out}\n")
    told = "\n\n".join(text(table, protocol) for protocol in options.protocols)
    print(json.dumps({"budget": asdict(budget), "rows": table}, indent=2) if options.json else told)


if __name__ == "__main__":
    main()

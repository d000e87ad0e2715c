"""The stages of a run, each of which leaves its files: train, measure, picture."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import torch

from flowdis.cli.memory import keep_freed_memory
from flowdis.cli.options import Stills
from flowdis.cli.runs import Run, write_json
from flowdis.dynamics import FlowError
from flowdis.metrics import evaluate
from flowdis.models import LatentFlow
from flowdis.plots import Gallery, demo_figures, write_report
from flowdis.training import Trainer, TrainingResult
from flowdis.training.recipes import Recipe

__all__ = ["measure", "picture", "settings_of", "train"]

_SHOWN = 300  # codes in the latent portrait


def settings_of(recipe: Recipe, stills: Stills, source: object) -> dict[str, Any]:
    """All that the result of a run depends on, beside the machine.

    Arguments:
        recipe: How the model is made and trained.
        stills: The images.
        source: Where they come from: a folder, or None for digits.
    """
    apart = ("motions", "augmentation", "training")
    names = [field.name for field in fields(Recipe) if field.name not in apart]
    return {
        "recipe": {name: getattr(recipe, name) for name in names},
        "transforms": {name: asdict(motion) for name, motion in recipe.motions.items()},  # type: ignore[call-overload]
        "augmentation": None if recipe.augmentation is None else asdict(recipe.augmentation),
        "training": asdict(recipe.training),
        "images": {
            "folder": source,
            "shape": stills.image_shape,
            "train": len(stills.train),
            "test": len(stills.test),
        },
    }


def train(
    run: Run, recipe: Recipe, stills: Stills, device: torch.device, *, quiet: bool
) -> tuple[LatentFlow, TrainingResult] | None:
    """Trains, from the run's checkpoint on if there is one, and saves the model and the history.

    Arguments:
        run: Where to.
        recipe: How.
        stills: The images.
        device: Where the model is trained.
        quiet: Whether to show no progress and tell of nothing.

    Returns:
        The model and what its training came to; None if it was interrupted, and goes on when run again.

    Raises:
        FlowError: if the loss stops being finite.
        ValueError: if the checkpoint is unreadable.
    """
    model = recipe.model(stills.image_shape).to(device)
    sequences = recipe.sequences(stills.train.to(device))
    keep_freed_memory()
    trainer = Trainer(model, sequences, recipe.training, run.checkpoint, quiet)
    resumed = trainer.resume()
    if not quiet:
        begun = f"going on at step {trainer.step}, {trainer.progress():.0%} done"
        begun = begun if resumed else _budget(recipe)
        size = sum(parameter.numel() for parameter in model.parameters())
        names = ", ".join(model.names)
        print(f"{names}: {len(stills.train)} {stills.name}, {size:,} parameters, {_where(device)}; {begun}")
    result = trainer.run()
    run.write_history(result.history)
    if not result.finished:
        told = f"interrupted at step {result.steps}; the same command goes on from there"
        print(f"flowdis: {told}", file=sys.stderr)
        return None
    model.save_pretrained(run.model)
    return model, result


def measure(
    run: Run,
    recipe: Recipe,
    model: LatentFlow,
    stills: Stills,
    result: TrainingResult,
    *,
    limit: int | None,
    quiet: bool,
) -> dict[str, Any]:
    """Measures a trained model and writes the metrics.

    Arguments:
        run: Where to.
        recipe: How it was trained.
        model: The model.
        stills: The images.
        result: What its training came to.
        limit: At most so many images to measure on; all where left out.
        quiet: Whether to show no progress.

    Returns:
        The metrics, as they are written.
    """
    evaluation = evaluate(
        model,
        stills.fitting(limit, model.dim),
        stills.test,
        generator=torch.Generator().manual_seed(recipe.training.seed),
        limit=limit,
        quiet=quiet,
    )
    metrics = evaluation.to_json() | {
        "training": {
            "steps": result.steps,
            "seconds": result.seconds,
            "frames_per_second": result.frames_per_second,
            "parameters": result.parameters,
            "seed": recipe.training.seed,
            "device": str(model.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
    }
    write_json(run.metrics, metrics)
    return metrics


def picture(run: Run, model: LatentFlow, stills: Stills, metrics: Mapping[str, Any], *, quiet: bool) -> None:
    """Draws strips and animations of test images, and writes the report.

    Arguments:
        run: Where to.
        model: The model.
        stills: The images.
        metrics: The metrics.
        quiet: Whether to tell of nothing.
    """
    if not quiet:
        print("drawing pictures", flush=True)
    order = _mixed(len(stills.test))[:_SHOWN]
    labels = None if stills.labels is None else stills.labels[order]
    try:
        gallery = demo_figures(model, stills.test[order], labels=labels)
    except FlowError as error:
        print(f"flowdis: no pictures: {error}", file=sys.stderr)
        gallery = Gallery()
    replace(gallery, animations={}).save(run.folder / "strips")
    _, animations = replace(gallery, figures={}).save(run.folder / "gifs")
    write_report(
        run.report.parent,
        title=f"Latent flows of {stills.name}",
        summary=_summary(model, stills, metrics),
        metrics=metrics,
        figures=gallery.figures,
        animations=animations,
        history=run.read_history(),
    )


def _mixed(count: int) -> torch.Tensor:
    """An order of images in which sorted classes take turns."""
    groups = min(10, count)
    starts = [count * group // groups for group in range(groups + 1)]
    parts = zip(starts, starts[1:], strict=False)
    places = [(index - first, index) for first, after in parts for index in range(first, after)]
    return torch.tensor([index for _, index in sorted(places)])


def _summary(model: LatentFlow, stills: Stills, metrics: Mapping[str, Any]) -> str:
    names = ", ".join(name.replace("_", " ") for name in model.names)
    told = f"Flows that {names}, shown on {stills.name} that the model has not been trained on."
    training = metrics.get("training", {})
    if {"seconds", "steps", "device"} <= set(training):
        told += (
            f" Trained on {len(stills.train)} others for {training['seconds'] / 60:.1f} minutes, "
            f"{training['steps']} steps, on {training['device']}."
        )
    return told


def _budget(recipe: Recipe) -> str:
    training = recipe.training
    return f"{training.minutes:g} minutes" if training.steps is None else f"{training.steps} steps"


def _where(device: torch.device) -> str:
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)

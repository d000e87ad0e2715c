"""The stages of a run, each of which leaves its files: train, measure, picture."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import torch

from flowdis._checks import check_positive
from flowdis.cli.cards import run_card
from flowdis.cli.looking import look_at
from flowdis.cli.memory import keep_freed_memory
from flowdis.cli.runs import Run, write_json
from flowdis.cli.subjects import Subject
from flowdis.cli.tables import short_table
from flowdis.dynamics import FlowError
from flowdis.metrics import evaluate
from flowdis.metrics.amount_evaluation import evaluate_amounts
from flowdis.metrics.batches import spread
from flowdis.models import LatentFlow
from flowdis.plots import Gallery, demo_figures, write_report
from flowdis.training import Trainer, TrainingResult
from flowdis.training.recipes import Recipe

__all__ = ["carry_out", "picture", "settings_of"]

_SHOWN = 300  # codes in the latent portrait
_INTERRUPTED = 130


def settings_of(recipe: Recipe, subject: Subject) -> dict[str, Any]:
    """All that the result of a run depends on, beside the machine.

    Arguments:
        recipe: How the model is made and trained.
        subject: What it is trained on.
    """
    apart = ["motions", "augmentation", "training", "objective"]
    if recipe.dynamics == "overdamped":  # so that a run which was begun before there was a choice goes on
        apart += ["dynamics", "dynamics_options"]
    if recipe.supervision == "known":
        apart += ["supervision", "flows"]
    names = [field.name for field in fields(Recipe) if field.name not in apart]
    objective = recipe.objective
    return {
        "recipe": {name: getattr(recipe, name) for name in names},
        "transforms": {name: asdict(motion) for name, motion in recipe.motions.items()},  # type: ignore[call-overload]
        "augmentation": None if recipe.augmentation is None else asdict(recipe.augmentation),
        "training": asdict(recipe.training),
        "objective": None if objective is None else {"kind": type(objective).__name__, **asdict(objective)},  # type: ignore[call-overload]
        "data": {
            "source": subject.source,
            "shape": subject.image_shape,
            "train": len(subject.train),
            "test": len(subject.test),
            **({"split": subject.split} if subject.split else {}),
        },
    }


def carry_out(
    run: Run,
    recipe: Recipe,
    subject: Subject,
    device: torch.device,
    *,
    limit: int | None,
    pictures: bool,
    fresh: bool,
    quiet: bool,
) -> int:
    """Trains, from the run's checkpoint on if there is one, measures, and draws where asked to.

    Arguments:
        run: Where to.
        recipe: How.
        subject: On what.
        device: Where the model is trained.
        limit: At most so many scenes to measure on; all where left out.
        pictures: Whether to draw pictures and write the report.
        fresh: Whether to begin anew, whatever is in the folder.
        quiet: Whether to show no progress and tell of nothing.

    Returns:
        The exit status: 130 if training was interrupted, and goes on when run again.

    Raises:
        FlowError: if the loss stops being finite.
        OSError: if the folder cannot be written.
        ValueError: if options do not go together (before anything is written), or the folder holds another run.
    """
    check_positive("limit", 1 if limit is None else limit)
    sequences = recipe.sequences(subject.train.to(torch.empty(0, device=device)))
    model = recipe.model(subject.image_shape, sequences.units).to(device)
    run.begin(settings_of(recipe, subject), fresh=fresh)
    if run.metrics.is_file() and (run.report.is_file() or not pictures):
        shown = f": see {run.report}" if pictures else ""
        print(f"flowdis: {run.folder} holds this run, finished{shown} (--fresh begins anew)", file=sys.stderr)
        return 0
    look_at(run, subject, quiet=quiet)
    keep_freed_memory()
    trainer = Trainer(model, sequences, recipe.training, run.checkpoint, quiet, recipe.objective)
    result = _train(run, trainer, model.names, subject)
    if not result.finished:
        told = f"interrupted at step {result.steps}; the same command goes on from there"
        print(f"flowdis: {told}", file=sys.stderr)
        return _INTERRUPTED
    amounts: dict[str, Any] = {}
    if recipe.supervision != "known":
        amounts, model = _matched(recipe, model, subject, limit)
    model.save_pretrained(run.model)
    metrics = _measure(run, recipe, model, subject, result, amounts, limit=limit, quiet=quiet)
    if pictures:
        picture(run, model, subject, metrics, quiet=quiet)
    run_card(model, run.settings(), metrics, run.folder / "strips" if pictures else None).write(run.model)
    if not quiet:
        print(f"\n{short_table(metrics)}\n")
        print(f"Look at {run.report}" if pictures else f"Pictures: flowdis report --run {run.folder}")
    return 0


def _train(run: Run, trainer: Trainer, names: Sequence[str], subject: Subject) -> TrainingResult:
    """Trains and writes the history."""
    resumed = trainer.resume()
    if not trainer.quiet:
        model, config = trainer.model, trainer.config
        begun = f"{config.minutes:g} minutes" if config.steps is None else f"{config.steps} steps"
        begun = f"going on at step {trainer.step}, {trainer.progress():.0%} done" if resumed else begun
        size = sum(parameter.numel() for parameter in model.parameters())
        told = f"{', '.join(names)}: {len(subject.train)} {subject.name}, {size:,} parameters"
        print(f"{told}, {_where(model.device)}; {begun}")
    result = trainer.run()
    run.write_history(result.history)
    return result


def _measure(
    run: Run,
    recipe: Recipe,
    model: LatentFlow,
    subject: Subject,
    result: TrainingResult,
    amounts: Mapping[str, Any],
    *,
    limit: int | None,
    quiet: bool,
) -> dict[str, Any]:
    """Measures a trained model and writes the metrics.

    Arguments:
        run: Where to.
        recipe: How it was trained.
        model: The model.
        subject: What it was trained on.
        result: What its training came to.
        amounts: How well it infers amounts, where it does.
        limit: At most so many images to measure on; all where left out.
        quiet: Whether to show no progress.

    Returns:
        The metrics, as they are written.
    """
    evaluation = evaluate(
        model,
        subject.fitting(limit, model.dim),
        subject.test,
        generator=torch.Generator().manual_seed(recipe.training.seed),
        limit=limit,
        quiet=quiet,
    )
    metrics = evaluation.to_json() | {
        **({"amounts": amounts} if amounts else {}),
        "training": {
            "steps": result.steps,
            "seconds": result.seconds,
            "frames_per_second": result.frames_per_second,
            "parameters": result.parameters,
            "seed": recipe.training.seed,
            "device": str(model.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    }
    write_json(run.metrics, metrics)
    return metrics


def _matched(
    recipe: Recipe, model: LatentFlow, subject: Subject, limit: int | None
) -> tuple[dict[str, Any], LatentFlow]:
    """How well amounts of test sequences are inferred and predict their frames; the model, its flows named by them."""
    sequences = replace(recipe, augmentation=None).sequences(spread(subject.test, limit))
    return evaluate_amounts(model, sequences, generator=torch.Generator().manual_seed(recipe.training.seed))


def picture(run: Run, model: LatentFlow, subject: Subject, metrics: Mapping[str, Any], *, quiet: bool) -> None:
    """Draws strips and animations of test scenes, and writes the report.

    Arguments:
        run: Where to.
        model: The model.
        subject: What it was trained on.
        metrics: The metrics.
        quiet: Whether to tell of nothing.
    """
    if not quiet:
        print("drawing pictures", flush=True)
    order = _mixed(len(subject.test))[:_SHOWN]
    labels = None if subject.labels is None else subject.labels[order]
    scenes = subject.test[order].to(model.log_diffusion)
    try:
        gallery = demo_figures(model, scenes, labels=labels, generator=torch.Generator().manual_seed(0))
    except FlowError as error:
        print(f"flowdis: no pictures: {error}", file=sys.stderr)
        gallery = Gallery()
    replace(gallery, animations={}).save(run.folder / "strips")
    _, animations = replace(gallery, figures={}).save(run.folder / "gifs")
    write_report(
        run.report.parent,
        title=f"Latent flows of {subject.name}",
        summary=_summary(model, subject, metrics),
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


def _summary(model: LatentFlow, subject: Subject, metrics: Mapping[str, Any]) -> str:
    names = ", ".join(name.replace("_", " ") for name in model.names)
    told = f"Flows that {names}, shown on {subject.name} that the model has not been trained on."
    training = metrics.get("training", {})
    if {"seconds", "steps", "device"} <= set(training):
        told += (
            f" Trained on {len(subject.train)} others for {training['seconds'] / 60:.1f} minutes, "
            f"{training['steps']} steps, on {training['device']}."
        )
    return told


def _where(device: torch.device) -> str:
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)

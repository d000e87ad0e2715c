"""The stages of a run, each of which leaves its files: train, measure, picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import torch

from flowdis._checks import check_positive
from flowdis.cli.cards import run_card
from flowdis.cli.looking import look_at
from flowdis.cli.memory import keep_freed_memory
from flowdis.cli.run_options import RunOptions
from flowdis.cli.runs import Run, write_json
from flowdis.cli.samples import SampleSheets
from flowdis.cli.status import DONE, INTERRUPTED
from flowdis.cli.subjects import Subject
from flowdis.cli.tables import short_table
from flowdis.cli.telling import Teller
from flowdis.cli.training import train
from flowdis.dynamics import FlowError
from flowdis.metrics import evaluate
from flowdis.metrics.amount_evaluation import evaluate_amounts
from flowdis.metrics.batches import spread
from flowdis.models import LatentFlow
from flowdis.plots import Gallery, demo_figures, write_report
from flowdis.training import TrainingResult, start_principal
from flowdis.training.recipes import Recipe

__all__ = ["carry_out", "picture", "settings_of"]

_SHOWN = 300  # codes in the latent portrait
_HELD_OUT = 256  # scenes


def settings_of(recipe: Recipe, subject: Subject) -> dict[str, Any]:
    """All that the result of a run depends on, beside the machine.

    Arguments:
        recipe: How the model is made and trained.
        subject: What it is trained on.
    """
    apart = ["motions", "augmentation", "training", "objective"]
    if recipe.dynamics == "overdamped":  # so that a run which was begun before there was a choice goes on
        apart += ["dynamics", "dynamics_options"]
    if recipe.decoder == "conv":
        apart += ["decoder", "noise"]
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
    options: RunOptions,
    command: Mapping[str, Any],
    sample_minutes: float,
) -> int:
    """Trains, from the run's checkpoint on if there is one, measures, and draws where asked to.

    Arguments:
        run: Where to.
        recipe: How.
        subject: On what.
        device: Where the model is trained.
        limit: At most so many scenes to measure on; all where left out.
        pictures: Whether to draw pictures and write the report.
        options: How the run is kept and told of.
        command: The command and its options, by which the run can be taken up.
        sample_minutes: Minutes between two pictures of samples; 0 for none.

    Returns:
        The exit status: 130 if training was interrupted, and goes on when run again.

    Raises:
        FlowError: if the loss stops being finite.
        OSError: if the folder cannot be written.
        ValueError: if options do not go together (before anything is written), or the folder holds another run.
    """
    check_positive("limit", 1 if limit is None else limit)
    check_positive("sample_minutes", sample_minutes, zero=True)
    sequences = recipe.sequences(subject.train.to(torch.empty(0, device=device)))
    model = recipe.model(subject.image_shape, sequences.units).to(device)
    run.begin(settings_of(recipe, subject), fresh=options.fresh, command=command)
    teller = options.teller
    if run.metrics.is_file() and (run.report.is_file() or not pictures):
        shown = f": see {run.report}" if pictures else ""
        teller.note(f"{run.folder} holds this run, finished{shown} (--fresh begins anew)")
        teller.answer(_answer(run, run.read_metrics()))
        return DONE
    look_at(run, subject, teller)
    keep_freed_memory()
    apart = spread(subject.test, _HELD_OUT).to(torch.empty(0, device=device))
    if not run.checkpoint.is_file():
        start_principal(model, sequences, seed=recipe.training.seed, quiet=options.quiet)
    result = train(
        run,
        model,
        sequences,
        recipe.training,
        options,
        what=f"{', '.join(model.names)}: {len(subject.train)} {subject.name}",
        objective=recipe.objective,
        held_out=replace(recipe, augmentation=None).sequences(apart),
        watchers=[SampleSheets(run.samples, subject.test, sample_minutes)] if sample_minutes else [],
    )
    if not result.finished:
        teller.answer({"run": run.folder, "finished": False, "steps": result.steps})
        return INTERRUPTED
    amounts: dict[str, Any] = {}
    if recipe.supervision != "known":
        amounts, model = _matched(recipe, model, subject, limit)
    model.save_pretrained(run.model)
    metrics = _measure(run, recipe, model, subject, result, amounts, limit=limit, quiet=options.quiet)
    if pictures:
        picture(run, model, subject, metrics, teller)
    run_card(model, run.settings(), metrics, run.folder / "strips" if pictures else None).write(run.model)
    teller.tell(f"\n{short_table(metrics)}\n")
    teller.tell(f"Look at {run.report}" if pictures else f"Pictures: flowdis report {run.folder}")
    teller.answer(_answer(run, metrics))
    return DONE


def _answer(run: Run, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a program is told of a finished run."""
    report = run.report if run.report.is_file() else None
    return {"run": run.folder, "finished": True, "model": run.model, "report": report, "metrics": metrics}


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
            **({"held_out": asdict(result.held_out)} if result.held_out else {}),
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


def picture(run: Run, model: LatentFlow, subject: Subject, metrics: Mapping[str, Any], teller: Teller) -> None:
    """Draws strips and animations of test scenes, and writes the report.

    Arguments:
        run: Where to.
        model: The model.
        subject: What it was trained on.
        metrics: The metrics.
        teller: Who tells of it.
    """
    teller.tell("drawing pictures")
    order = _mixed(len(subject.test))[:_SHOWN]
    labels = None if subject.labels is None else subject.labels[order]
    scenes = subject.test[order].to(model.log_diffusion)
    try:
        gallery = demo_figures(model, scenes, labels=labels, generator=torch.Generator().manual_seed(0))
    except FlowError as error:
        teller.note(f"no pictures: {error}")
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

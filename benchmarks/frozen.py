"""Flows on the codes of a frozen VAE: `python -m benchmarks.frozen --data digits [--minutes 5] [--fit-minutes 2]`.

Trains a plain VAE of single images, freezes it, encodes sequences once, fits flows to their codes within the minutes
told, encoding included, from linear ones on, and compares them with constant and linear flows, fitted by least squares
to codes of the protocol. Half of the sequences of digits start upright, as the images themselves do, and move in one
transformation; the others start anywhere. The VAE is kept in the folder of the run, and is not trained again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from flowdis.baselines import BetaVAE
from flowdis.cli.subjects import Subject, load_subject
from flowdis.data import SequenceBatch, Steps, TransformSequences
from flowdis.metrics import evaluate_protocol
from flowdis.metrics.protocols import protocols_of
from flowdis.models import LatentFlow
from flowdis.objectives import CodePrediction
from flowdis.training import Trainer, TrainingConfig
from flowdis.training.codes import CodeSequences, start_linear
from flowdis.training.recipes import Recipe, recipe

__all__ = ["compared", "fitted", "frozen_vae", "main", "table", "vae_recipe"]

_UPRIGHT = {"scale": Steps(1.8 ** (1 / 8)), "rotate": Steps(10.0), "hue": Steps(20.0)}
_SHOWN = ("error", "linear", "constant", "identity", "floor")


@dataclass(frozen=True, eq=False)
class _Halves:
    """Draws half of every batch from one set of sequences, and half from another."""

    parts: tuple[TransformSequences, TransformSequences]

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch:
        sizes = (batch_size - batch_size // 2, batch_size // 2)
        drawn = [
            part.sample(size, generator=generator, frames=frames, speed=speed)
            for part, size in zip(self.parts, sizes, strict=True)
            if size
        ]
        images, amounts = (torch.cat([getattr(batch, name) for batch in drawn], 1) for name in ("frames", "amounts"))
        return replace(drawn[0], frames=images, amounts=amounts, scenes=None, start=None)


def vae_recipe(subject: Subject, *, dim: int, training: TrainingConfig) -> Recipe:
    """A plain VAE of D latents, and the motions of what moves in its data."""
    chosen = replace(recipe("vae"), dim=dim, objective=BetaVAE(beta=1.0))
    if subject.has_factors:
        known = subject.train.transformations
        chosen = replace(chosen.with_transformations(tuple(known), known), likelihood="gaussian")
    return chosen.with_training(training)


def frozen_vae(chosen: Recipe, subject: Subject, folder: Path, *, quiet: bool = False) -> LatentFlow:
    """The VAE of a folder, or one that is trained and put there.

    Raises:
        KeyboardInterrupt: if the training was interrupted.
    """
    if (folder / "config.json").is_file():
        return LatentFlow.from_pretrained(folder)
    sequences = chosen.sequences(subject.train)
    model = chosen.model(subject.image_shape, sequences.units)
    if not Trainer(model, sequences, chosen.training, quiet=quiet, objective=chosen.objective).run().finished:
        raise KeyboardInterrupt
    model.save_pretrained(folder)
    return model


def fitted(
    vae: LatentFlow,
    chosen: Recipe,
    subject: Subject,
    objective: CodePrediction,
    training: TrainingConfig,
    *,
    sequences: int,
    quiet: bool = False,
) -> tuple[LatentFlow, dict[str, float]]:
    """Flows on the codes of a frozen VAE, and the seconds that encoding and fitting took.

    Arguments:
        vae: The trained VAE.
        chosen: Its recipe, for the motions.
        subject: The data.
        objective: What the fit lowers.
        training: Its settings; its minutes are those of encoding and fitting together.
        sequences: How many sequences are encoded.
        quiet: Whether to show no progress bar.
    """
    begun, used = time.perf_counter(), time.process_time()
    config = replace(vae.config, field="helmholtz", field_options={}, frozen=("encoder", "decoder"))
    generator = torch.Generator().manual_seed(training.seed)
    model = LatentFlow(config, encoder=vae.encoder, decoder=vae.decoder, generator=generator)
    drawn: TransformSequences | _Halves = chosen.sequences(subject.train)
    if not subject.has_factors:
        upright = replace(chosen, single=1.0).with_motions(_UPRIGHT)
        drawn = _Halves((drawn, upright.sequences(subject.train)))
    codes = CodeSequences(model, drawn, sequences, generator=generator, quiet=quiet)
    start_linear(model, codes)
    encoding = time.perf_counter() - begun
    left = replace(training, minutes=max(training.minutes - encoding / 60, 1e-3))
    result = Trainer(model, codes, left, quiet=quiet, objective=objective).run()
    whole = time.perf_counter() - begun
    times = {
        "encoding": encoding,
        "seconds": whole,
        "steps": float(result.steps),
        "processor": time.process_time() - used,
    }
    return model, times


def compared(model: LatentFlow, subject: Subject, *, limit: int, fitted_on: int = 500, seed: int = 0) -> dict[str, Any]:
    """By protocol and transformation, errors of the flows beside constant and linear ones fitted to that protocol."""
    found: dict[str, Any] = {}
    for protocol in protocols_of(model, subject.test):
        generator = torch.Generator().manual_seed(seed)
        errors = evaluate_protocol(
            model, subject.train, subject.test, protocol, generator=generator, limit=limit, fitted=fitted_on
        )
        found[protocol] = {
            name: {key: error.total(key) for key in _SHOWN if key in error.frames} for name, error in errors.items()
        }
    return found


def table(found: Mapping[str, Any]) -> str:
    """The errors as lines of Markdown."""
    lines = ["| protocol | transformation | " + " | ".join(("flow", *_SHOWN[1:])) + " |", "|---" * 7 + "|"]
    for protocol, errors in found.items():
        for name, error in errors.items():
            cells = [f"{error[key]:.0f}" if key in error else "–" for key in _SHOWN]
            lines.append(f"| {protocol} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _beaten(found: Mapping[str, Any]) -> bool:
    rows = [error for errors in found.values() for error in errors.values()]
    return all(error["error"] < min(error["linear"], error["constant"]) for error in rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Fits flows to the codes of a frozen VAE.")
    parser.add_argument("--data", default="digits", help="what `flowdis train --data` takes")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time of the VAE")
    parser.add_argument("--fit-minutes", type=float, default=2.0, help="time to encode and to fit the flows")
    parser.add_argument("--steps", type=int, help="steps of both trainings, in place of minutes")
    parser.add_argument("--dim", type=int, default=32, help="latents")
    parser.add_argument("--batch-size", type=int, default=128, help="images of a step of the VAE")
    parser.add_argument("--pairs", type=int, default=256, help="pairs of codes of a step of the fit")
    parser.add_argument("--sequences", type=int, default=16000, help="sequences that are encoded")
    parser.add_argument("--learning-rate", type=float, default=6e-3, help="the highest of the fit")
    parser.add_argument("--weight-decay", type=float, default=0.1, help="that of the fit")
    parser.add_argument("--solver-steps", type=int, default=2, help="Runge-Kutta steps from one code of a pair on")
    parser.add_argument("--kind", choices=("gaussian", "squared"), default="gaussian", help="the error of a code")
    parser.add_argument("--pixels", type=float, default=0.0, help="the weight of decoded errors")
    parser.add_argument("--limit", type=int, default=500, help="test images that are measured")
    parser.add_argument("--fitted", type=int, default=500, help="images that constant and linear flows are fitted on")
    parser.add_argument("--seed", type=int, default=0, help="the seed of both trainings")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice if left out")
    parser.add_argument("--out", type=Path, default=Path("runs/frozen"), help="the folder of the run")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    subject, shared = load_subject(options.data), {"steps": options.steps, "seed": options.seed}
    training = TrainingConfig(minutes=options.minutes, batch_size=options.batch_size, ramp=0.0, **shared)
    chosen = vae_recipe(subject, dim=options.dim, training=training)
    vae = frozen_vae(chosen, subject, options.out / "vae", quiet=options.json)
    fit = TrainingConfig(
        minutes=options.fit_minutes,
        batch_size=options.pairs,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        ramp=0.0,
        warmup=20,
        **shared,
    )
    objective = CodePrediction(options.kind, pixels=options.pixels, solver_steps=options.solver_steps)
    model, times = fitted(vae, chosen, subject, objective, fit, sequences=options.sequences, quiet=options.json)
    model.save_pretrained(options.out / "flows")
    errors = compared(model, subject, limit=options.limit, fitted_on=options.fitted)
    settings = {name: value for name, value in vars(options).items() if name not in ("out", "json")}
    found = {"settings": settings, "fit": times, "beaten": _beaten(errors), "errors": errors}
    (options.out / "frozen.json").write_text(json.dumps(found, indent=2) + "\n")
    told = f"\nbeaten: {found['beaten']}; {times['seconds']:.0f} s, {times['steps']:.0f} steps"
    print(json.dumps(found, indent=2) if options.json else table(errors) + told)


if __name__ == "__main__":
    main()

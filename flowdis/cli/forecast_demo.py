"""`flowdis forecast-demo`: watch something move for ten frames, and foretell the next sixty with eyes closed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowdis._checks import check_choice, check_positive
from flowdis._files import clear_partials, write_whole
from flowdis.cli.memory import keep_freed_memory
from flowdis.cli.options import pick_device
from flowdis.cli.run_options import RunOptions, options_of, taken_up
from flowdis.cli.runs import Run, write_json
from flowdis.cli.status import DONE, INTERRUPTED
from flowdis.cli.training import train
from flowdis.data import FrameSequences
from flowdis.metrics.forecast import ForecastScores, measure_forecasts, persistence
from flowdis.models import WaveMachine
from flowdis.plots.canvas import figure_png
from flowdis.plots.forecasts import forecast_curves, forecast_film, forecast_frames
from flowdis.training import TrainingResult
from flowdis.training.forecasting import FORECASTERS, MOVING, ForecastRecipe

__all__ = ["ForecastDemo"]

_FILMED = 4  # sequences
_AT_ONCE = 25  # sequences foretold at once
_DEFAULT = ("lattice", "uncoupled", "gru")


@dataclass(frozen=True)
class ForecastDemo(RunOptions):
    """Trains models on moving pictures, equally long, and measures how far each foretells them.

    Models differ in their latent dynamics alone: the oscillator lattice, the same oscillators uncoupled, and a gated
    recurrent unit with as many parameters. Interrupted, the same command goes on where it was.

    Arguments:
        out: The folder to write into: metrics.json, films, figures, and a folder with each model.
        data: spring, pendulum, two_body, or digits, which turn.
        models: Out of lattice, uncoupled, published, dense and gru.
        minutes: How long to train, all models together; measuring and drawing take half a minute more.
        steps: How many steps to train each model, instead of minutes; the result then does not depend on the machine.
        seed: The seed of everything random.
        batch_size: Sequences per step.
        sequences: Sequences to train on; as many as the data ask for where left out.
        tested: Sequences to measure on.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
    """

    out: Path = Path("forecast")
    data: str = "two_body"
    models: tuple[str, ...] = _DEFAULT
    minutes: float = 10.0
    steps: int | None = None
    seed: int = 0
    batch_size: int = 32
    sequences: int | None = None
    tested: int = 100
    device: str = "auto"

    def run(self) -> int:
        """Runs the demonstration and returns the exit status.

        Raises:
            OSError: if the folder cannot be written.
            ValueError: if an option is out of range, the folder holds another run, or there is none to go on with.
            FlowError: if training diverges.
        """
        folder = self.out.expanduser()
        if not self.resume:
            return taken_up("forecast-demo", self, folder)._run()
        begun = [file.parent for file in sorted(folder.glob("*/run.json"))]
        return taken_up("forecast-demo", self, begun[0] if begun else folder)._run()

    def _run(self) -> int:
        device, recipe, out = pick_device(self.device), self._recipe(), self.out.expanduser()
        runs = {kind: Run(out / kind) for kind in self.models}
        settings = {"data": self.data, "models": list(self.models), "recipe": asdict(recipe)}
        for kind, run in runs.items():
            run.begin(settings | {"model": kind}, fresh=self.fresh, command=options_of("forecast-demo", self))
        for folder in (out, out / "films", out / "figures"):
            clear_partials(folder)
        whole = Run(out)
        if self.fresh:
            whole.metrics.unlink(missing_ok=True)
        if whole.metrics.is_file():
            self.teller.note(f"{out} holds this run, finished (--fresh begins anew)")
            self.teller.answer(_answer(whole, whole.read_metrics()))
            return DONE
        keep_freed_memory()
        self.teller.tell(f"drawing sequences of {self.data}")
        drawn, test = (part.to(device) for part in recipe.data(self.data))
        machines, reports = {}, {}
        for kind, run in runs.items():
            machine = recipe.machine(kind, drawn.image_shape, data=self.data).to(device)
            first = _stability(machine)
            result = train(
                run, machine, drawn, recipe.training, self, what=kind, objective=recipe.bound(), held_out=test
            )
            if not result.finished:
                self.teller.answer({"run": out, "finished": False, "model": kind, "steps": result.steps})
                return INTERRUPTED
            machine.save_pretrained(run.model)
            machines[kind] = machine
            reports[kind] = _report(result, first, _stability(machine))
        self.teller.answer(_answer(whole, self._finish(out, recipe, machines, reports, test)))
        return DONE

    def _recipe(self) -> ForecastRecipe:
        check_choice("data", self.data, tuple(MOVING))
        if not self.models or len(set(self.models)) < len(self.models):
            raise ValueError(f"`models` must be one or more different names, got {self.models}")
        for kind in self.models:
            check_choice("models", kind, tuple(FORECASTERS))
        for name in ("minutes", "sequences", "tested"):
            check_positive(name, 1 if getattr(self, name) is None else getattr(self, name))
        recipe = ForecastRecipe(count=self.sequences, tested=self.tested)
        share = self.minutes / len(self.models)
        changes: dict[str, Any] = {
            "minutes": share,
            "steps": self.steps,
            "seed": self.seed,
            "batch_size": self.batch_size,
            **self.kept(),
        }
        return recipe.with_training(replace(recipe.training, **changes))

    def _finish(
        self,
        out: Path,
        recipe: ForecastRecipe,
        machines: dict[str, WaveMachine],
        reports: dict[str, Any],
        test: FrameSequences,
    ) -> dict[str, Any]:
        """Measures, draws, and writes the metrics last, as they tell that all is there."""
        frames, made = test.frames, {}
        for kind, machine in machines.items():
            parts = frames[: recipe.seen].split(_AT_ONCE, dim=1)
            made[kind] = torch.cat([machine.forecast(part, recipe.steps) for part in parts], dim=1)
        scores = measure_forecasts({kind: _given(film) for kind, film in made.items()}, frames, seen=recipe.seen)
        made["persistence"] = persistence(frames[: recipe.seen], recipe.steps)
        shown, truth = {kind: film[:, :_FILMED] for kind, film in made.items()}, frames[:, :_FILMED]
        film = out / "films" / f"{'_'.join(['truth', *shown])}.gif"
        forecast_film(truth, shown, film, seen=recipe.seen)
        figures = {
            "frames": forecast_frames(truth, shown, seen=recipe.seen),
            "errors": forecast_curves({kind: score.frame_errors for kind, score in scores.items()}),
        }
        for name, figure in figures.items():
            write_whole(out / "figures" / f"{name}.png", figure_png(figure))
        metrics = self._metrics(recipe, scores, reports)
        write_json(out / "metrics.json", metrics)
        self.teller.tell(_table(scores, recipe.steps))
        self.teller.tell(f"Look at {film} and {out / 'figures'}")
        return metrics

    def _metrics(
        self, recipe: ForecastRecipe, scores: dict[str, ForecastScores], reports: dict[str, Any]
    ) -> dict[str, Any]:
        columns = ("valid_time", "valid_time_error", "frame_error", "frame_errors")
        return {
            "data": self.data,
            "seed": self.seed,
            "seen": recipe.seen,
            "steps": recipe.steps,
            "sequences": recipe.tested,
            **{column: {kind: getattr(score, column) for kind, score in scores.items()} for column in columns},
            "models": reports,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }


def _answer(run: Run, metrics: dict[str, Any]) -> dict[str, Any]:
    """What a program is told of a finished demonstration."""
    return {"run": run.folder, "finished": True, "films": run.folder / "films", "metrics": metrics}


def _given(film: Tensor) -> Any:
    return lambda seen, steps: film


def _stability(machine: WaveMachine) -> dict[str, float] | None:
    """The stability of a lattice; None for other dynamics."""
    measure = getattr(machine.dynamics, "stability", None)
    return None if measure is None else asdict(measure())


def _report(result: TrainingResult, first: dict[str, float] | None, last: dict[str, float] | None) -> dict[str, Any]:
    report: dict[str, Any] = {
        "parameters": result.parameters,
        "training_steps": result.steps,
        "seconds": result.seconds,
        "loss": result.history[-1]["loss"] if result.history else None,
        "held_out": None if result.held_out is None else asdict(result.held_out),
    }
    return report if first is None else report | {"stability": {"untrained": first, "trained": last}}


def _table(scores: dict[str, ForecastScores], steps: int) -> str:
    lines = [f"\n{'':14}{'valid time':>18}{'frame error':>14}   (of {steps} frames; share of the mean square)"]
    for kind, score in scores.items():
        lines.append(f"{kind:14}{score.valid_time:10.1f} +- {score.valid_time_error:4.1f}{score.frame_error:14.4f}")
    return "\n".join(lines) + "\n"

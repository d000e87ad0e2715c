"""A training step, timed: `python -m benchmarks.training [--quick] [--json] [--batch-size N] [--threads N]`.

The full step of the recipe `demo` by the trainer itself (sample, bound, backward, clip, AdamW), on digits:

- "flowdis": as the recipe has it, some random frames of each sequence beside its first.
- "flowdis, all frames": the same with every frame.
- "published way": the same model in the form of published code; see `benchmarks.published`.
- "published way, Hessian's diagonal": the same with the second derivatives that a density asks for.

A frame is an image that is rendered and decoded, and whose likelihood is in the loss of the step; the first
of a sequence is one. Rows take turns and times are medians, so that a busy machine strikes all of them alike;
seconds of CPU, of all cores together, hardly change with what else runs.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.published import PublishedStep, published_model, published_sequences
from benchmarks.stopwatch import Stopwatch, WatchedSequences
from flowdis.data import digits
from flowdis.training import Trainer
from flowdis.training.recipes import Recipe, recipe

__all__ = ["Row", "cpu_name", "main", "outside", "rows", "run"]

_OURS, _THEIRS = "flowdis", "published way"
_PRODUCTS = ("aten::addmm", "aten::mm", "aten::matmul", "aten::bmm", "aten::baddbmm", "aten::linear")
_RATES = (
    "sequences_per_second",
    "frames_per_second",
    "sequences_per_cpu_second",
    "frames_per_cpu_second",
)
# Titles of the table's columns, and their widths.
_COLUMNS = {
    "frames": 7,
    "s/step": 8,
    "cpu s": 7,
    "seq/s": 7,
    "frames/s": 9,
    "x seq/s": 9,
    "x frames": 10,
    "x seq/cpu s": 12,
}
_FRAME = "an image that is rendered, decoded, and in the loss of the step; the first of a sequence is one"


@dataclass
class Row:
    """One way to write the step.

    Arguments:
        name: What it is called.
        frames: Frames of each sequence in the loss.
        take: Takes so many steps.
        watch: Their times.
        parameters: Learned numbers of the model.
    """

    name: str
    frames: int
    take: Callable[[int], None]
    watch: Stopwatch
    parameters: int

    def steps(self, count: int) -> None:
        """Takes steps and times them."""
        self.take(count)
        self.watch.end()

    def report(self, batch_size: int) -> dict[str, Any]:
        """Rates and times."""
        seconds = self.watch.medians()
        step, cpu = seconds.pop("step"), seconds.pop("cpu")
        return {
            "name": self.name,
            "frames_per_sequence": self.frames,
            "parameters": self.parameters,
            "steps_timed": len(self.watch.steps),
            "seconds_per_step": step,
            "cpu_seconds_per_step": cpu,
            "sequences_per_second": batch_size / step,
            "frames_per_second": batch_size * self.frames / step,
            "sequences_per_cpu_second": batch_size / cpu,
            "frames_per_cpu_second": batch_size * self.frames / cpu,
            "parts_seconds": seconds,
        }


def _ours(name: str, chosen: Recipe, images: Tensor, frames: int) -> Row:
    watch = Stopwatch()
    model = chosen.model((images.shape[1], images.shape[2], images.shape[3]))
    config = replace(chosen.training, frames=frames, steps=1)
    trainer = Trainer(model, WatchedSequences(chosen.sequences(images), watch), config, quiet=True)
    watch.watch(model)
    watch.watch_optimizer(trainer.optimizer)

    def take(steps: int) -> None:
        trainer.config = replace(config, steps=trainer.step + steps)
        trainer.run()

    return Row(name, 1 + frames, take, watch, _size(model))


def _theirs(name: str, chosen: Recipe, images: Tensor, exact: bool) -> Row:
    watch = Stopwatch()
    generator = torch.Generator().manual_seed(chosen.training.seed)
    model = published_model(chosen.model((images.shape[1], images.shape[2], images.shape[3])), generator)
    sequences = published_sequences(images, model)
    watched = {name: WatchedSequences(moved, watch) for name, moved in sequences.items()}
    # The trainer's optimiser, so that both take the same kind of step.
    optimizer = Trainer(model, watched[model.names[0]], chosen.training, quiet=True).optimizer
    step = PublishedStep(model, watched, chosen.training, optimizer, generator, exact)
    watch.watch(model)
    watch.watch(step)
    watch.watch_optimizer(optimizer)
    return Row(name, 1 + sequences[model.names[0]].length, step.run, watch, _size(model))


def _size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def rows(chosen: Recipe, images: Tensor) -> list[Row]:
    """The rows of the table, ours first."""
    length = chosen.sequences(images[:1]).length
    return [
        _ours(_OURS, chosen, images, chosen.training.frames),
        _ours(f"{_OURS}, all frames", chosen, images, length),
        _theirs(_THEIRS, chosen, images, exact=False),
        _theirs(f"{_THEIRS}, Hessian's diagonal", chosen, images, exact=True),
    ]


def outside(row: Row, steps: int) -> dict[str, Any]:
    """The share of a step outside the arithmetic of convolutions and linear layers, forward and backward.

    By `torch.profiler`: the self CPU time of the operations of convolutions and matrix products (those of
    fields among them) over that of everything, Python between operations included. The profiler's own cost,
    of some microseconds an operation, counts as outside.

    Arguments:
        row: The way to write the step.
        steps: How many steps are profiled.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiler, record_function("training"):
        row.take(steps)
    own = {event.key: 1e-6 * event.self_cpu_time_total / steps for event in profiler.key_averages()}
    own["Python"] = own.pop("training")
    total = sum(own.values())
    convolutions = {name: cost for name, cost in own.items() if name.startswith("aten::") and "conv" in name}
    products = {name: cost for name, cost in own.items() if name in _PRODUCTS}
    others = sorted(own.keys() - convolutions.keys() - products.keys(), key=lambda name: -own[name])
    return {
        "share": sum(own[name] for name in others) / total,
        "convolutions_share": sum(convolutions.values()) / total,
        "matrix_products_share": sum(products.values()) / total,
        "costliest": {name: own[name] / total for name in others[:8]},
        "arithmetic": sorted([*convolutions, *products]),
        "seconds_per_step": total,
        "steps": steps,
    }


def run(*, quick: bool = False, batch_size: int | None = None) -> dict[str, Any]:
    """Times everything, and says on what.

    Arguments:
        quick: Whether to take few steps of small batches.
        batch_size: Sequences per step; where left out the recipe's own, or 16 for a quick run.
    """
    chosen = recipe("demo")
    size = batch_size or (16 if quick else chosen.training.batch_size)
    chosen = chosen.with_training(replace(chosen.training, batch_size=size))
    rounds, steps, warm_up = (2, 1, 1) if quick else (5, 4, 3)
    table = rows(chosen, digits()[0])
    for row in table:
        row.steps(warm_up)
        row.watch.clear()
    for _ in range(rounds):
        for row in table:
            row.steps(steps)
    reports = [row.report(size) for row in table]
    theirs = next(report for report in reports if report["name"] == _THEIRS)
    for report in reports:
        report["times_published"] = {rate: report[rate] / theirs[rate] for rate in _RATES}
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": cpu_name(),
        "dtype": "float32",
        "recipe": chosen.name,
        "batch_size": size,
        "frame": _FRAME,
        "rows": reports,
        "ratio": reports[0]["times_published"],
        "outside_convolutions_and_linear_layers": outside(table[0], 2 if quick else 10),
    }


def cpu_name() -> str:
    """The number and name of the machine's cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def text(report: dict[str, Any]) -> str:
    """The report as lines of text."""
    table = report["rows"]
    lines = [
        f"torch {report['torch']}, {report['threads']} threads, {report['cpu']}, {report['dtype']}",
        f"recipe {report['recipe']}, {report['batch_size']} sequences a step; a frame is {report['frame']}",
        f"\n{'':34}" + "".join(f"{title:>{width}}" for title, width in _COLUMNS.items()),
    ]
    for row in table:
        times = row["times_published"]
        lines.append(
            f"{row['name']:34}{row['frames_per_sequence']:7}{row['seconds_per_step']:8.3f}"
            f"{row['cpu_seconds_per_step']:7.3f}{row['sequences_per_second']:7.0f}"
            f"{row['frames_per_second']:9.0f}{times['sequences_per_second']:9.2f}"
            f"{times['frames_per_second']:10.2f}{times['sequences_per_cpu_second']:12.2f}"
        )
    lines.append(f"\n{'milliseconds, by row':34}" + "".join(f"{n:9}" for n in range(1, len(table) + 1)))
    for part in table[0]["parts_seconds"]:
        lines.append(f"{part:34}" + "".join(f"{1e3 * row['parts_seconds'][part]:9.1f}" for row in table))
    found = report["outside_convolutions_and_linear_layers"]
    lines += [
        f"\n{100 * found['share']:.1f} % of a step of {_OURS} is outside the arithmetic of convolutions "
        f"({100 * found['convolutions_share']:.1f} %) and matrix products "
        f"({100 * found['matrix_products_share']:.1f} %)",
        "most of it: " + ", ".join(f"{name} {100 * cost:.1f} %" for name, cost in found["costliest"].items()),
    ]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A training step beside the published way of it.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="few steps of small batches")
    parser.add_argument("--batch-size", type=int, help="sequences per step; the recipe's own if left out")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice if left out")
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    report = run(quick=options.quick, batch_size=options.batch_size)
    print(json.dumps(report, indent=2) if options.json else text(report))


if __name__ == "__main__":
    main()

"""Which coupling makes waves: `python -m benchmarks.trained_waves --runs runs/digits-0 runs/digits-1 --out DIR`.

Takes folders of `flowdis forecast-demo --data digits --models lattice uncoupled dense`, one for each seed, and measures
the activity of every model as it foretells test sequences with eyes closed: coherence, direction index, synchrony,
standing and current, beside the null of permuted sites and the same lattice untrained. Of the lattice also the map of
preferred orientation with its pinwheels, how well it goes back the way it came, whether its waves go faster where
digits turn faster, at speeds that were not seen too, and what an average along the wave tells of a digit, whichever way
it is turned. Figures go into DIR.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from flowdis import waves
from flowdis.data import FrameSequences, digits, moving_images
from flowdis.dynamics import Lattice
from flowdis.models import WaveMachine
from flowdis.plots import selectivity_map
from flowdis.plots.canvas import INK, MUTED, new_figure
from flowdis.plots.wave_parts import bare_axes, phase_picture
from flowdis.training.forecasting import ForecastRecipe
from flowdis.waves import WaveReport, measure_waves

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = [
    "Recording",
    "activity_of",
    "figure",
    "following",
    "main",
    "orientation_map",
    "recording",
    "retraced",
    "text",
]

MODELS = ("lattice", "uncoupled", "dense")
_STEPS, _SEQUENCES, _SHOWN = 60, 24, 8
_ANGLES = 24  # steps of a whole turn
_SEEN_SPEEDS, _OTHER_SPEEDS = (10.0, 20.0), (5.0, 30.0)  # degrees a frame


@dataclass(frozen=True, eq=False)
class Recording:
    """The activity of one model of one run.

    Arguments:
        model: The name of the model.
        activity: The positions of its oscillators as it foretells, with shape (T, B, C, H, W).
        report: What is measured of them.
    """

    model: str
    activity: Tensor
    report: WaveReport


def activity_of(machine: WaveMachine, frames: Tensor, steps: int = _STEPS) -> Tensor:
    """The positions (T, B, C, H, W) of a machine's oscillators as it foretells what follows frames (n, B, ...)."""
    states = machine.foresee(frames, steps)
    channels, height, width = machine.config.shape or ()
    positions = machine.dynamics.readout(states)
    return positions.unflatten(-1, (channels, height, width))


def recording(name: str, machine: WaveMachine, frames: Tensor, *, seed: int, permutations: int = 199) -> Recording:
    """Runs a machine on and measures its waves."""
    activity = activity_of(machine, frames)
    generator = torch.Generator().manual_seed(seed)
    report = measure_waves(activity.flatten(1, 2), permutations=permutations, generator=generator)
    return Recording(name, activity, report)


def row(report: WaveReport) -> dict[str, Any]:
    """The figures of a report that stand in the table."""
    tests = {name: test.to_json() for name, test in report.tests.items()}
    return {
        "kind": report.kind,
        "coherence": report.coherence,
        "direction_index": report.direction_index,
        "synchrony": report.synchrony,
        "standing": report.standing,
        "current": report.current,
        "speed": report.speed,
        "tests": tests,
        "charge": 0 if report.vortices is None else int(report.vortices.total.abs().max()),
    }


def turning(seed: int, speeds: tuple[float, float], count: int, steps: int) -> FrameSequences:
    """Test digits that turn at speeds of a range."""
    images = digits(False, colour=False)[0]
    return moving_images(images, count, steps, rotate=speeds, generator=torch.Generator().manual_seed(seed))


def orientation_map(machine: WaveMachine, *, seed: int, seen: int = 10, count: int = 200) -> Tensor:
    """The second harmonic (C, H, W) of each site's mean activity over the angle that a digit has turned to."""
    sequences = turning(seed, _SEEN_SPEEDS, count, seen + _STEPS - 1)
    activity = activity_of(machine, sequences.frames[:seen].float())
    assert sequences.states is not None
    turned = sequences.states[seen:, :, 0]
    steps = (turned / 360 * _ANGLES).round().long().remainder(_ANGLES)
    tuning = waves.tuning_curves(activity.flatten(0, 1), steps.flatten(), _ANGLES)
    return waves.tuning_harmonic(tuning, order=2)


def following(machine: WaveMachine, *, seed: int, seen: int = 10, count: int = 60) -> dict[str, Any]:
    """How the frequency of the activity goes with the speed of the digit, at speeds that were seen, and beyond."""
    found = {}
    for name, speeds in (("seen", _SEEN_SPEEDS), ("not seen", _OTHER_SPEEDS)):
        sequences = turning(seed, speeds, count, seen + _STEPS - 1)
        activity = activity_of(machine, sequences.frames[:seen].float())
        assert sequences.states is not None
        turned = torch.deg2rad(sequences.states[1, :, 0] - sequences.states[0, :, 0])
        told = waves.speed_following(waves.analytic_signal(activity).angle(), turned)
        found[name] = {"slope": told.slope, "correlation": told.correlation}
    return found


def retraced(
    machine: WaveMachine, frames: Tensor, shares: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 4.0)
) -> dict[str, Any]:
    """How far from its way there a lattice is after its momenta are turned round, by multiples of its damping.

    0 if it retraces its way; 1 if standing still at the mean would do as well.
    """
    made = copy.deepcopy(machine)
    lattice = made.dynamics
    assert isinstance(lattice, Lattice) and lattice.oscillators.raw_damping is not None
    damping, every = lattice.oscillators.damping.detach().clone(), made.config.steps_per_frame
    found: dict[str, Any] = {"damping": damping.tolist()}
    for share in shares:
        with torch.no_grad():
            lattice.oscillators.raw_damping.copy_(torch.expm1((share * damping).clamp(min=1e-6)).log())
            there = made.foresee(frames, _STEPS)
            turned = torch.cat([there[-1, ..., : lattice.size], -there[-1, ..., lattice.size :]], -1)
            back = torch.cat([turned[None], lattice(turned, _STEPS - 1, every=every)])
        ratio = waves.retrace_ratio(lattice.readout(there), lattice.readout(back))
        found[f"{share:g} times"] = float(ratio.mean())
    return found


def invariance(
    machine: WaveMachine, *, seed: int, seen: int = 10, count: int = 200, later: int = 6
) -> dict[str, float]:
    """How often the nearest of all digits is the same one, seen a few frames earlier, by codes of three kinds.

    The state itself, the activity averaged along the wave, and its power averaged likewise, which no phase changes.
    """
    frames = turning(seed, _SEEN_SPEEDS, count, seen + later - 1).frames.float()
    early, late = (activity_of(machine, part).flatten(2) for part in (frames[:seen], frames[later:]))
    kinds: dict[str, Callable[[Tensor], Tensor]] = {
        "state": lambda activity: activity[0],
        "averaged": lambda activity: activity.mean(0),
        "power": lambda activity: activity.square().mean(0),
    }
    own = torch.arange(frames.shape[1])
    found = {name: torch.cdist(kind(late), kind(early)).argmin(1).cpu() == own for name, kind in kinds.items()}
    return {name: float(right.double().mean()) for name, right in found.items()}


def figure(recordings: Sequence[Recording]) -> matplotlib.figure.Figure:
    """Phase maps of one channel and sequence of each model, eight frames in a row, with what was measured beside."""
    tile, gap, words, top = 0.82, 0.08, 2.4, 0.3
    width = words + _SHOWN * (tile + gap) + 0.1
    drawn = new_figure(width, top + len(recordings) * (tile + 0.16))
    for index, made in enumerate(recordings):
        signal = waves.analytic_signal(made.activity[:, 0, 0])
        inner = signal[len(signal) // 4 : -len(signal) // 4]
        above = top + index * (tile + 0.16)
        for place in range(_SHOWN):
            axes = bare_axes(drawn, (words + place * (tile + gap), above, tile, tile))
            axes.imshow(phase_picture(inner[place * (len(inner) // _SHOWN) // 2]), interpolation="nearest")
        height = drawn.get_size_inches()[1]
        drawn.text(0.1 / width, 1 - (above + 0.05) / height, made.model, size=10, weight="bold", color=INK, va="top")
        told = made.report
        lines = (
            f"{told.kind}\ncoherence {told.coherence:.2f}\ndirection index {told.direction_index:.2f}"
            f"\nsynchrony {told.synchrony:.2f}"
        )
        drawn.text(0.1 / width, 1 - (above + 0.23) / height, lines, size=7.5, color=MUTED, va="top", linespacing=1.4)
    return drawn


def text(rows: Mapping[str, Sequence[dict[str, Any]]]) -> str:
    """The table as Markdown: means over seeds, with a star where every seed is above the null's 99th percentile."""
    columns = ("coherence", "direction_index", "synchrony", "standing", "current")
    lines = ["| model | " + " | ".join(name.replace("_", " ") for name in columns) + " | verdict |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for name, seeds in rows.items():
        cells = []
        for column in columns:
            values = [seed[column] for seed in seeds]
            sure = all(seed["tests"].get(column, {}).get("p_value", 1.0) <= 0.01 for seed in seeds)
            cells.append(f"{statistics.fmean(values):.2f} ({min(values):.2f}–{max(values):.2f}){'*' if sure else ''}")
        kinds = ", ".join(dict.fromkeys(seed["kind"] for seed in seeds))
        lines.append(f"| {name} | {' | '.join(cells)} | {kinds} |")
    return "\n".join(lines)


def _measured(folder: Path, out: Path, seed: int, permutations: int) -> tuple[list[Recording], dict[str, Any]]:
    """The recordings of a run's models and of its untrained lattice, and what else is measured of the lattice."""
    machines = {name: WaveMachine.from_pretrained(folder / name / "model") for name in MODELS}
    recipe = ForecastRecipe()
    fresh = recipe.with_training(replace(recipe.training, seed=seed))
    shape = machines["lattice"].image_shape
    machines["lattice, untrained"] = fresh.machine("lattice", shape, data="digits").eval()
    frames = turning(seed, _SEEN_SPEEDS, _SEQUENCES, recipe.seen - 1).frames.float()
    made = [recording(name, m, frames, seed=seed, permutations=permutations) for name, m in machines.items()]
    lattice = machines["lattice"]
    harmonic = orientation_map(lattice, seed=seed)
    strongest = int(harmonic.abs().square().mean((-2, -1)).argmax())
    title = "Preferred orientation of a digit, lattice trained on turning digits"
    drawn = selectivity_map(harmonic[strongest], order=2, title=title)
    drawn.savefig(out / f"orientation-{seed}.png")
    pinwheels = waves.find_pinwheels(harmonic, order=2)
    return made, {
        "following": following(lattice, seed=seed),
        "retraced": retraced(lattice, frames),
        "invariance": invariance(lattice, seed=seed),
        "pinwheels": [int(count) for count in pinwheels.count()],
        "total charge": int(pinwheels.total.abs().max()),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Waves of trained couplings, beside their nulls.")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of `flowdis forecast-demo`")
    parser.add_argument("--out", type=Path, required=True, help="the folder of figures and of the table")
    parser.add_argument("--permutations", type=int, default=199, help="permutations of sites in the null")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    lattices: list[dict[str, Any]] = []
    for folder in options.runs:
        seed = int(json.loads((folder / "metrics.json").read_text())["seed"])
        made, lattice = _measured(folder, options.out, seed, options.permutations)
        lattices.append({"seed": seed, **lattice})
        for one in made:
            rows.setdefault(one.model, []).append(row(one.report))
        if folder == options.runs[0]:
            figure(made).savefig(options.out / "couplings.png")
    found = {"models": rows, "lattices": lattices}
    (options.out / "waves.json").write_text(json.dumps(found, indent=2))
    (options.out / "waves.md").write_text(text(rows) + "\n")
    print(json.dumps(found, indent=2) if options.json else text(rows))


if __name__ == "__main__":
    main()

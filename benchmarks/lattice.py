"""Steps of an oscillator lattice a second: `python -m benchmarks.lattice [--quick] [--json] [--device cuda]`.

The conservative lattice of 16 channels on a torus of 24 x 24, a batch of 128, in float32, without and with the backward
pass of a roll-out:

- beside the same update written with one convolution call per term and step: half the damping, half a kick by the
  coupling (two convolutions, one of them with the transposed kernel), the springs to neighbours (one more) and the
  stiffness, a drift, and the same again in reverse, every convolution padded circularly;
- with growing sides: the exponent of the least squares line through log time and log sites.

Both updates are of the same equation, symmetric and of second order; ours solves the linear part exactly. Seconds of
cores, which other processes on the machine change less, stand beside those of the wall clock.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from flowdis.cli.memory import keep_freed_memory
from flowdis.dynamics import Lattice

__all__ = ["ByConvolution", "main", "run"]

_ROLL = 4  # steps of a roll-out whose growth with sites is timed


class ByConvolution:
    """The same lattice, by one convolution call per term and step.

    Arguments:
        lattice: The lattice, a conservative torus.
    """

    def __init__(self, lattice: Lattice) -> None:
        self.lattice, self.channels = lattice, lattice.shape[0]
        self.weight = lattice.coupling.weight
        self.back = self.weight.transpose(0, 1).flip((2, 3))
        bends = torch.tensor([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]]).to(self.weight)
        oscillators = lattice.oscillators
        self.springs = bends * oscillators.neighbour.reshape(-1, 1, 1, 1)
        self.stiffness, damping, self.bias = (
            part.reshape(-1, 1, 1) for part in (oscillators.stiffness, oscillators.damping, lattice.coupling.bias)
        )
        self.kept = torch.exp(-damping * lattice.step / 2)

    def run(self, state: Tensor, steps: int) -> Tensor:
        """The states (B, S) after so many steps."""
        z, p = self.lattice.split(state)
        h = self.lattice.step
        pushed = self._force(z)
        for _ in range(steps):
            p = self.kept * p + h / 2 * pushed
            z = z + h * p
            pushed = self._force(z)
            p = self.kept * (p + h / 2 * pushed)
        return self.lattice.join(z, p)

    def _force(self, z: Tensor) -> Tensor:
        pulled = torch.tanh(_convolve(z, self.weight) + self.bias)
        return -_convolve(pulled, self.back) - self.stiffness * z - _convolve(z, self.springs, self.channels)


def _convolve(field: Tensor, kernel: Tensor, groups: int = 1) -> Tensor:
    return F.conv2d(F.pad(field, (1, 1, 1, 1), mode="circular"), kernel, groups=groups)


def seconds(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Medians of wall-clock seconds and of seconds of all cores, of actions that take turns, after one round more."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for _ in range(repeats + 1):
        for name, action in actions.items():
            _wait()
            wall, core = time.perf_counter(), time.process_time()
            action()
            _wait()
            times[name].append((time.perf_counter() - wall, time.process_time() - core))
    return {
        name: (statistics.median(wall for wall, _ in each[1:]), statistics.median(core for _, core in each[1:]))
        for name, each in times.items()
    }


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _forward(advance: Callable[[Tensor], Tensor], state: Tensor) -> Callable[[], None]:
    def action() -> None:
        with torch.no_grad():
            advance(state)

    return action


def _backward(advance: Callable[[Tensor], Tensor], state: Tensor, lattice: Lattice) -> Callable[[], None]:
    def action() -> None:
        lattice.zero_grad(set_to_none=True)
        advance(state.detach().requires_grad_()).square().sum().backward()

    return action


def _made(channels: int, side: int, batch: int, device: str) -> tuple[Lattice, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lattice = Lattice((channels, side, side), step=0.125, generator=generator).to(device)
    return lattice, torch.randn(batch, lattice.state_size, generator=generator).to(device)


def _rolling(lattice: Lattice, state: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    return lambda start: lattice(start, 1, every=_ROLL), state


def _exponent(rows: list[dict[str, Any]], name: str) -> float:
    """The slope of log time over log sites."""
    x = [math.log(row["sites"]) for row in rows]
    y = [math.log(row[name]) for row in rows]
    slope, _ = statistics.linear_regression(x, y)
    return slope


def run(*, quick: bool = False, device: str = "cpu") -> dict[str, Any]:
    """Times everything, and says on what.

    Arguments:
        quick: Whether to use a smaller lattice and batch, and fewer repeats.
        device: The torch device.
    """
    keep_freed_memory()
    channels, side, batch, steps, repeats = (4, 8, 8, 4, 2) if quick else (16, 24, 128, 5, 11)
    lattice, state = _made(channels, side, batch, device)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "flowdis": lambda start: lattice(start, 1, every=steps)[-1],
        "one convolution a term": lambda start: ByConvolution(lattice).run(start, steps),
    }
    forward = seconds({name: _forward(way, state) for name, way in ways.items()}, repeats)
    training = seconds({name: _backward(way, state, lattice) for name, way in ways.items()}, repeats)
    rows = [
        {
            "name": name,
            "steps_per_second": steps / forward[name][0],
            "seconds_per_step": forward[name][0] / steps,
            "core_seconds_per_step": forward[name][1] / steps,
            "training_seconds_per_step": training[name][0] / steps,
            "training_core_seconds_per_step": training[name][1] / steps,
        }
        for name in ways
    ]
    with torch.no_grad():
        gap = float((ways["flowdis"](state) - ways["one convolution a term"](state)).abs().max())
    sides = (6, 8, 12) if quick else (12, 16, 24, 32, 48)
    growing = {side: _forward(*_rolling(*_made(channels, side, batch, device))) for side in sides}
    found = seconds({str(side): action for side, action in growing.items()}, repeats)
    growth = [
        {"side": int(side), "sites": int(side) ** 2, "seconds_per_step": wall / _ROLL, "core_seconds": core / _ROLL}
        for side, (wall, core) in found.items()
    ]
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": _cpu_name(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "dtype": "float32",
        "shape": list(lattice.shape),
        "batch": batch,
        "rows": rows,
        "times": {key: rows[1][key] / rows[0][key] for key in rows[0] if key.endswith("seconds_per_step")},
        "difference": gap,
        "growth": growth,
        "exponent": _exponent(growth, "seconds_per_step"),
        "core_exponent": _exponent(growth, "core_seconds"),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def table(report: dict[str, Any]) -> str:
    """The report as lines of text."""
    lines = [
        f"torch {report['torch']}, {report['threads']} threads, {report['cpu']}, {report['device']}",
        f"{tuple(report['shape'])}, batch {report['batch']}; greatest difference {report['difference']:.1e}",
        f"{'':26}{'steps/s':>10}{'ms/step':>10}{'core ms':>10}{'training ms':>13}{'core ms':>10}",
    ]
    for row in report["rows"]:
        times = [row[key] for key in row if key.endswith("seconds_per_step")]
        cells = "".join(f"{1e3 * value:{width}.2f}" for value, width in zip(times, (10, 10, 13, 10), strict=True))
        lines.append(f"{row['name']:26}{row['steps_per_second']:10.1f}{cells}")
    lines.append("times as fast: " + ", ".join(f"{key} {value:.2f}" for key, value in report["times"].items()))
    for row in report["growth"]:
        lines.append(f"{row['side']:4} x {row['side']:<4}{1e3 * row['seconds_per_step']:10.3f} ms a step")
    lines.append(f"time grows as sites^{report['exponent']:.2f} (of cores: {report['core_exponent']:.2f})")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Steps of an oscillator lattice a second.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="a smaller lattice, fewer repeats")
    parser.add_argument("--device", default="cpu", help="the torch device")
    options = parser.parse_args()
    report = run(quick=options.quick, device=options.device)
    print(json.dumps(report, indent=2) if options.json else table(report))


if __name__ == "__main__":
    main()

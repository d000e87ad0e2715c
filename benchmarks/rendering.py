"""How many images are rendered a second: `python -m benchmarks.rendering [--quick] [--json] [--device cuda]`.

Images are 64 x 64 in float32, of values drawn evenly over the ranges of the factors, with 1 and with 2 threads:

- rooms of different views, as training draws them, in batches of several sizes;
- rooms of one view for every 8, as the frames of sequences that turn hues, which share its geometry;
- sprites;
- both with several sizes of chunks, out of which the defaults were chosen.

A rate is the median over repeats by wall clock. Beside it stands the rate per second of all cores that the process
had, which other processes change less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from flowdis.data.render import render_rooms, render_sprites, rooms, sprites

__all__ = ["Row", "main", "run"]


@dataclass(frozen=True)
class Row:
    """Images a second by wall clock and by time of cores, and how many are asked for."""

    name: str
    threads: int
    batch: int
    chunk: int | None
    per_second: float
    per_core_second: float
    target: float | None = None


def drawn(batch: int, generator: torch.Generator, kind: str) -> Tensor:
    """Values in the ranges of the factors of "rooms" or "sprites"; with "hues", 8 rooms of each view."""
    data = sprites() if kind == "sprites" else rooms()
    low, high = (torch.tensor([factor.values[end] for factor in data.factors]) for end in (0, -1))
    values = low + torch.rand(batch, len(low), generator=generator) * (high - low)
    for column, factor in enumerate(data.factors):
        if not factor.ordered:
            values[:, column] = torch.randint(factor.size, (batch,), generator=generator).float()
    if kind == "hues":
        values[:, 3:] = values[: batch // 8, 3:].repeat(8, 1)
    return values


def rates(action: Callable[[], object], count: int, repeats: int) -> tuple[float, float]:
    """Images a second, by wall clock and by time of cores, after one call to warm up."""
    walls, cores = [], []
    for _ in range(repeats + 1):
        _wait()
        wall, core = time.perf_counter(), time.process_time()
        action()
        _wait()
        walls.append(time.perf_counter() - wall)
        cores.append(max(time.process_time() - core, 1e-9))
    return count / statistics.median(walls[1:]), count / statistics.median(cores[1:])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def run(*, quick: bool = False, device: str = "cpu") -> dict[str, Any]:
    """Times everything, and says on what.

    Arguments:
        quick: Whether to render less and fewer times.
        device: The torch device.
    """
    generator = torch.Generator().manual_seed(0)
    large, repeats = (16, 1) if quick else (256, 15)
    batches, chunks = ((large,), (8,)) if quick else ((1, 32, large), (8, 16, 32, 64, 128))
    cases: list[tuple[str, int, int | None]] = [("rooms", batch, None) for batch in batches]
    cases += [("hues", large, None)] + [("sprites", batch, None) for batch in batches]
    cases += [(kind, large, chunk) for kind in ("rooms", "sprites") for chunk in chunks]
    values = {(kind, batch): drawn(batch, generator, kind).to(device) for kind, batch, _ in cases}
    before, rows = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for kind, batch, chunk in cases:
                given, render = values[kind, batch], render_sprites if kind == "sprites" else render_rooms
                wall, core = rates(partial(render, given, chunk=chunk), batch, repeats)
                target = 1000.0 if (kind, chunk, threads, batch) == ("rooms", None, 2, large) else None
                rows.append(Row(kind, threads, batch, chunk, wall, core, target))
    finally:
        torch.set_num_threads(before)
    return {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "dtype": "float32",
        "image_size": 64,
        "repeats": repeats,
        "rows": [asdict(row) for row in rows],
    }


def table(report: dict[str, Any]) -> str:
    """The report as lines of text."""
    lines = [f"torch {report['torch']}, {report['device']}, {report['dtype']}, {report['image_size']} pixels"]
    lines.append(f"{'':10}{'threads':>8}{'batch':>7}{'chunk':>9}{'a second':>10}{'a core second':>15}{'asked':>7}")
    for row in report["rows"]:
        line = f"{row['name']:10}{row['threads']:8}{row['batch']:7}{row['chunk'] or 'default':>9}"
        line += f"{row['per_second']:10.0f}{row['per_core_second']:15.0f}"
        lines.append(line + (f"{row['target']:7.0f}" if row["target"] else ""))
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How many images are rendered a second.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer images, fewer repeats")
    parser.add_argument("--device", default="cpu", help="the torch device")
    options = parser.parse_args()
    report = run(quick=options.quick, device=options.device)
    print(json.dumps(report, indent=2) if options.json else table(report))


if __name__ == "__main__":
    main()

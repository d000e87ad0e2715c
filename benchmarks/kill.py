"""Killed at random moments, does a run come to what it comes to in one go? `python -m benchmarks.kill [--json]`.

A small training of digits by the command line is begun, killed (SIGKILL, which no program can hear) at a random moment
once it trains, and begun again by the same command, and so on; after the last kill it goes on to its end. Its weights
and its log, without the times, are compared bit for bit with those of the same training in one go. Each beginning is a
process of its own, forked from this one, which has read the libraries already.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from flowdis.cli import main as command
from flowdis.cli.runs import Run
from flowdis.training import load_checkpoint

__all__ = ["main", "run"]

_TIMES = ("seconds",)


def run(
    kills: int = 30, steps: int = 4000, *, longest: float = 4.0, checkpoint_seconds: float = 1.0, seed: int = 0
) -> dict[str, Any]:
    """Runs the training in one go and with kills, and compares.

    Arguments:
        kills: How often the second one is killed.
        steps: The steps of the training.
        longest: Seconds that a process trains before it is killed, at most; drawn evenly from 0 on.
        checkpoint_seconds: Seconds between its checkpoints.
        seed: The seed of the moments.

    Returns:
        Whether weights and logs are equal, and what was lost by kills.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Run(Path(folder) / "whole"), Run(Path(folder) / "killed")
        start = time.perf_counter()
        if _ended(_begin(whole, steps, checkpoint_seconds), wait=True) != 0:
            raise RuntimeError("the training in one go failed")
        seconds = time.perf_counter() - start
        moments, partial = random.Random(seed), 0
        reached: list[list[int]] = []
        while len(reached) < kills:
            process = _begin(killed, steps, checkpoint_seconds)
            status = _wait_until_it_trains(killed, process)
            time.sleep(moments.uniform(0, longest))
            status = _ended(process) if status is None else status
            if status is not None:
                break  # its end was reached before the kills were used up
            os.kill(process, signal.SIGKILL)
            _ended(process, wait=True)
            reached.append(_steps(killed))
            partial += len(list(killed.folder.rglob("*.partial")))
            print(f"killed {len(reached)} times, at step {reached[-1][0]}", file=sys.stderr)
        if _ended(_begin(killed, steps, checkpoint_seconds), wait=True) != 0:
            raise RuntimeError("the last resumption failed")
        return {
            "kills": len(reached),
            "steps": steps,
            "logged_and_kept_at_kills": reached,
            "partial_files_at_kills": partial,
            "partial_files_at_the_end": len(list(killed.folder.rglob("*.partial"))),
            "weights_equal": _weights(whole) == _weights(killed),
            "optimisers_equal": _equal(*(load_checkpoint(run.checkpoint)["optimizer"] for run in (whole, killed))),
            "logs_equal": _log(whole) == _log(killed),
            "log_lines": len(_log(killed)),
            "seconds_in_one_go": seconds,
            "seconds_with_kills": time.perf_counter() - start - seconds,
        }


def _begin(run: Run, steps: int, checkpoint_seconds: float) -> int:
    """A process that runs the command, by its number."""
    small = ["--dim", "4", "--batch-size", "4", "--limit", "2", "--transforms", "rotate", "--device", "cpu"]
    kept = ["--checkpoint-seconds", str(checkpoint_seconds), "--sample-minutes", "0"]
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        status = command(["train", "--out", str(run.folder), "--steps", str(steps), *small, *kept, "--quiet"])
    finally:
        os._exit(status)


def _ended(process: int, *, wait: bool = False) -> int | None:
    """The status that a process ended with, negative for a signal; None if it runs on."""
    found, status = os.waitpid(process, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _wait_until_it_trains(run: Run, process: int) -> int | None:
    """Waits until the process has cut the log back; its status if it ended before."""
    began = time.time()
    while (status := _ended(process)) is None:
        if run.log.is_file() and run.log.stat().st_mtime > began:
            return None
        time.sleep(0.01)
    return status


def _steps(run: Run) -> list[int]:
    """The last step that was logged, and that of the checkpoint."""
    history = run.read_history()
    kept = load_checkpoint(run.checkpoint)["step"] if run.checkpoint.is_file() else 0
    return [int(history[-1]["step"]) if history else 0, int(kept)]


def _weights(run: Run) -> bytes:
    return (run.model / "model.safetensors").read_bytes()


def _log(run: Run) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name not in _TIMES} for entry in run.read_history()]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Kills a training at random moments, and compares what it comes to.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--quick", action="store_true", help="two kills of a short training")
    parser.add_argument("--kills", type=int, default=30, help="how often it is killed")
    parser.add_argument("--steps", type=int, default=4000, help="steps of the training")
    parser.add_argument("--longest", type=float, default=4.0, help="seconds that a process trains, at most")
    parser.add_argument("--checkpoint-seconds", type=float, default=1.0, help="seconds between checkpoints")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the moments")
    options = parser.parse_args()
    small = {"kills": 2, "steps": 150, "longest": 0.5, "checkpoint_seconds": 0.2} if options.quick else {}
    given = {name: getattr(options, name) for name in ("kills", "steps", "longest", "checkpoint_seconds")}
    report = run(**(given | small), seed=options.seed)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(f"{name.replace('_', ' '):28} {value}" for name, value in report.items()))
    equal = all(value for name, value in report.items() if name.endswith("_equal"))
    sys.exit(0 if equal and report["partial_files_at_the_end"] == 0 else 1)


if __name__ == "__main__":
    main()

"""The table of baselines, from nothing: `python -m benchmarks.baselines --out DIR [--data sprites] [--minutes 3]`.

Trains every recipe with every seed for the same time on one thread each, `--workers` at a time, then measures all
models by `flowdis evaluate`, which writes the table into DIR/table. What is there already is not trained again, so
that an interrupted table goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

__all__ = ["RECIPES", "evaluation", "main", "training"]

RECIPES = ("factors", "vae", "beta_vae", "factor_vae", "beta_tcvae", "slow_vae", "topographic_vae", "flow_factorized")
"""The recipes in the table, ours first."""

# Images of 64 x 64 on one core: in equal time, small batches learn more. Its sequences have 15 images each.
_BATCH, _BATCHES = 32, {"topographic_vae": 4}


def training(recipe: str, seed: int, data: str, minutes: float, out: Path) -> list[str]:
    """The command that trains one model."""
    options = {"data": data, "recipe": recipe, "seed": seed, "minutes": minutes, "limit": 20}
    options["batch-size"] = _BATCHES.get(recipe, _BATCH)
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "flowdis", "train", *words, "--out", str(out / f"{recipe}-{seed}"), "--quiet"]


def evaluation(models: Sequence[Path], data: str, samples: int, limit: int, out: Path) -> list[str]:
    """The command that measures all models."""
    options = {"data": data, "samples": samples, "limit": limit, "out": out}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "flowdis", "evaluate", "--models", *map(str, models), *words]


def run(command: Sequence[str], log: Path) -> None:
    """Runs one command on one thread.

    Raises:
        RuntimeError: if it fails, with the end of what it printed.
    """
    with log.open("w") as printed:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=printed, stderr=subprocess.STDOUT, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}); {log} ends: {log.read_text()[-500:]}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Trains and measures all baselines at equal budgets.")
    parser.add_argument("--out", type=Path, required=True, help="the folder of runs and of the table")
    parser.add_argument("--data", default="sprites", help="what `flowdis train --data` takes")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES, help="which are trained")
    parser.add_argument("--seeds", type=int, default=3, help="models of each recipe")
    parser.add_argument("--minutes", type=float, default=3.0, help="training time of each, on one thread")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time, one core each")
    parser.add_argument("--samples", type=int, default=5000, help="images whose codes are measured")
    parser.add_argument("--limit", type=int, default=100, help="test images that flows are measured on")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = [(recipe, seed) for seed in range(options.seeds) for recipe in options.recipes]

    def train(job: tuple[str, int]) -> None:
        command = training(*job, options.data, options.minutes, options.out)
        run(command, options.out / f"{job[0]}-{job[1]}.log")

    with ThreadPoolExecutor(options.workers) as pool:
        for _ in tqdm(pool.map(train, jobs), total=len(jobs), desc="training", unit="model"):
            pass
    models = [options.out / f"{recipe}-{seed}" for recipe in options.recipes for seed in range(options.seeds)]
    command = evaluation(models, options.data, options.samples, options.limit, options.out / "table")
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

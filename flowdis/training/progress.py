"""How far a training is, for a person who waits."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from flowdis.training.config import TrainingConfig

__all__ = ["progress_bar", "show"]


def progress_bar(config: TrainingConfig, quiet: bool) -> tqdm[Any]:
    """A bar over the budget, in steps or seconds, on stderr."""
    if config.steps is not None:
        return tqdm(total=config.steps, desc="training", unit="step", disable=quiet)
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    return tqdm(total=60 * config.minutes, desc="training", bar_format=form, disable=quiet)


def show(bar: tqdm[Any], config: TrainingConfig, step: int, seconds: float, loss: float) -> None:
    """Moves a bar on to what has been done."""
    if bar.disable:
        return
    now = step if config.steps is not None else min(seconds, bar.total)
    rate = step / seconds if seconds else 0.0
    bar.set_postfix_str(f"step {step}, {rate:.1f} steps/s, {loss:.0f} nats", refresh=False)
    bar.update(now - bar.n)

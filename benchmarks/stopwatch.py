"""A stopwatch for training steps: how long each takes, and which parts of it take how long."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from flowdis.data import SequenceBatch
from flowdis.training import Sampler

__all__ = ["PARTS", "Stopwatch", "WatchedSequences"]

PARTS = ("rendering", "encoder", "transport", "decoder and likelihood", "backward and clipping", "optimiser")
"""The parts of a step; what is in none of them is `REST`."""

REST = "bookkeeping and other terms"

# Which part each method of a model or step is; "field" is the published way's transport.
_METHODS = {
    "encode": "encoder",
    "transport": "transport",
    "field": "transport",
    "log_likelihood": "decoder and likelihood",
}


@dataclass
class Stopwatch:
    """Seconds of steps and of their parts. A step lasts from one rendering to the next.

    Arguments:
        steps: The parts of each step by wall clock, "step" being the whole, and "cpu" the whole in seconds of
            all cores that the process had, which other processes change little.
    """

    steps: list[dict[str, float]] = field(default_factory=list)
    _begun: tuple[float, float] | None = None
    _mark: float = 0.0

    def begin(self) -> None:
        """Begins a step, and ends the one before."""
        self.end()
        self.steps.append(dict.fromkeys(PARTS, 0.0))
        self._begun = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Ends the step, if one has begun."""
        if self._begun is None:
            return
        wall, cpu = self._begun
        self.steps[-1] |= {"step": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        self._begun = None

    def clear(self) -> None:
        """Forgets all steps."""
        self.end()
        self.steps.clear()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts what is done inside as a part of the step."""
        start = time.perf_counter()
        yield
        self.steps[-1][name] += time.perf_counter() - start

    def watch(self, owner: object) -> None:
        """Counts the methods of an object that are parts of a step."""
        for name, part in _METHODS.items():
            if hasattr(owner, name):
                setattr(owner, name, self._timed(part, getattr(owner, name)))

    def watch_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Counts an optimiser's steps, and as backward pass what comes between its clearing and its step."""
        clear = optimizer.zero_grad

        def zero_grad(set_to_none: bool = True) -> None:
            clear(set_to_none)
            self._mark = time.perf_counter()

        optimizer.zero_grad = zero_grad  # type: ignore[method-assign]
        optimizer.register_step_pre_hook(lambda *_: self._since_mark("backward and clipping"))
        optimizer.register_step_post_hook(lambda *_: self._since_mark("optimiser"))

    def medians(self) -> dict[str, float]:
        """The median of each part, of the rest, of "step" and of "cpu" over the steps."""
        names = (*PARTS, REST, "step", "cpu")
        whole = [step | {REST: step["step"] - sum(step[name] for name in PARTS)} for step in self.steps]
        return {name: statistics.median(step[name] for step in whole) for name in names}

    def _since_mark(self, part: str) -> None:
        now = time.perf_counter()
        self.steps[-1][part] += now - self._mark
        self._mark = now

    def _timed(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*values: Any, **named: Any) -> Any:
            with self.part(part):
                return method(*values, **named)

        return timed


@dataclass
class WatchedSequences:
    """Sequences whose every batch begins a step.

    Arguments:
        sequences: What draws the batches.
        watch: What times the steps.
    """

    sequences: Sampler
    watch: Stopwatch

    def sample(
        self, batch_size: int, *, generator: torch.Generator, frames: int | None = None, speed: float = 1.0
    ) -> SequenceBatch:
        """See `Sampler.sample`."""
        self.watch.begin()
        with self.watch.part("rendering"):
            return self.sequences.sample(batch_size, generator=generator, frames=frames, speed=speed)

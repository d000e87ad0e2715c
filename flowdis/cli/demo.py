"""`flowdis demo`: learn to scale, turn and recolour real digits in a few minutes, and see how well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from flowdis.cli.options import pick_device
from flowdis.cli.pipeline import carry_out
from flowdis.cli.run_options import RunOptions, options_of, taken_up
from flowdis.cli.runs import Run
from flowdis.cli.subjects import load_subject
from flowdis.training.recipes import recipe

__all__ = ["Demo"]


@dataclass(frozen=True)
class Demo(RunOptions):
    """Learns to scale, turn and recolour real digits, and writes a report with pictures and numbers.

    Interrupted, the same command goes on where it was.

    Arguments:
        out: The folder to write into: model, metrics.json, strips, gifs, report/index.html.
        minutes: How long to train; measuring and drawing take about a minute more.
        steps: How many steps to train, instead of minutes; the result then does not depend on the machine.
        seed: The seed of everything random.
        batch_size: Sequences per step.
        dynamics: How fields push codes: overdamped, or underdamped, with inertia.
        supervision: What is told of each sequence: known (which transformations move, and by how much), weak (by how
            much, of one that nobody names), or none.
        flows: How many flows are to be found, where transformations are not known; as many as there are if left out.
        limit: Measure on at most so many test images.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        sample_minutes: Minutes between two pictures of samples, drawn at checkpoints on the way; 0 for none.
    """

    out: Path = Path("demo")
    minutes: float = 5.0
    steps: int | None = None
    seed: int = 0
    batch_size: int = 128
    dynamics: str = "overdamped"
    supervision: str = "known"
    flows: int | None = None
    limit: int | None = None
    device: str = "auto"
    sample_minutes: float = 5.0

    def run(self) -> int:
        """Runs the demonstration and returns the exit status.

        Raises:
            OSError: if the folder cannot be written.
            ValueError: if an option is out of range, the folder holds another run, or there is none to go on with.
            FlowError: if training diverges.
        """
        return taken_up("demo", self, self.out.expanduser())._run()

    def _run(self) -> int:
        chosen = recipe("demo")
        training = replace(
            chosen.training,
            minutes=self.minutes,
            steps=self.steps,
            seed=self.seed,
            batch_size=self.batch_size,
            **self.kept(),
        )
        return carry_out(
            Run(self.out.expanduser()),
            chosen.with_training(training).with_dynamics(self.dynamics).with_supervision(self.supervision, self.flows),
            load_subject("digits"),
            pick_device(self.device),
            limit=self.limit,
            pictures=True,
            options=self,
            command=options_of("demo", self),
            sample_minutes=self.sample_minutes,
        )

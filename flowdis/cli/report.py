"""`flowdis report`: the pictures and the page of a run, drawn again from its model and its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from flowdis.cli.options import pick_device
from flowdis.cli.pipeline import picture
from flowdis.cli.runs import Run
from flowdis.cli.subjects import load_subject
from flowdis.models import LatentFlow

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Draws strips, animations and the report of a run from its model, metrics and history.

    Arguments:
        run_folder: The folder of a finished run.
        skip_bad: Leave out files of the run's images that cannot be read, rather than stop.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        quiet: Print nothing.
    """

    run_folder: Annotated[Path, tyro.conf.arg(name="run")]
    skip_bad: bool = True
    device: str = "auto"
    quiet: bool = False

    def run(self) -> int:
        """Draws and returns the exit status.

        Raises:
            OSError: if the run has no model or metrics, its images are gone, or it cannot be written.
            ValueError: if a file of the run cannot be read.
        """
        run = Run(self.run_folder.expanduser())
        metrics = run.read_metrics()
        model = LatentFlow.from_pretrained(run.model).to(pick_device(self.device))
        data = run.settings().get("data", {})
        subject = load_subject(
            data.get("source", "digits"),
            image_shape=model.image_shape,
            moving=model.names,
            skip_bad=self.skip_bad,
            split=data.get("split", 0),
        )
        picture(run, model, subject, metrics, quiet=self.quiet)
        if not self.quiet:
            print(f"Look at {run.report}")
        return 0

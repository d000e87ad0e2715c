"""`flowdis report`: the pictures and the page of a run, or several runs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from flowdis.cli.comparison import compare, comparison_text
from flowdis.cli.options import pick_device
from flowdis.cli.pipeline import picture
from flowdis.cli.runs import Run, write_json
from flowdis.cli.status import DONE
from flowdis.cli.subjects import load_subject
from flowdis.cli.telling import Teller
from flowdis.data import check_writable
from flowdis.models import LatentFlow
from flowdis.plots.comparisons import write_comparison

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Draws strips, animations and the report of a run, or compares several runs on one page.

    Of several runs, the page and a table show which settings differ, metrics side by side, and curves of the loss over
    each other. They need not be finished.

    Arguments:
        runs: The folder of a finished run, or those of several runs.
        out: The folder to write a comparison into: index.html, comparison.json.
        skip_bad: Leave out files of the run's images that cannot be read, rather than stop.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        json: Print one JSON object on stdout, and progress on stderr.
        quiet: Show no progress, print nothing but the table of a comparison or what `json` asks for.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    out: Path = Path("comparison")
    skip_bad: bool = True
    device: str = "auto"
    json: bool = False
    quiet: bool = False

    def run(self) -> int:
        """Draws and returns the exit status.

        Raises:
            OSError: if a run has no model or metrics, its images are gone, or a folder cannot be written.
            ValueError: if a file of a run cannot be read, a folder holds none, or none is named.
        """
        folders = [folder.expanduser() for folder in self.runs]
        if not folders:
            raise ValueError("`runs` must name at least one folder of a run, got none")
        twice = [folder for index, folder in enumerate(folders) if folder in folders[:index]]
        if twice:
            raise ValueError(f"`runs` must be different, got {twice[0]} twice")
        return self._one(Run(folders[0])) if len(folders) == 1 else self._several(folders)

    def _one(self, run: Run) -> int:
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
        teller = Teller(self.quiet, self.json)
        picture(run, model, subject, metrics, teller)
        teller.tell(f"Look at {run.report}")
        teller.answer({"run": run.folder, "report": run.report, "metrics": metrics})
        return DONE

    def _several(self, folders: list[Path]) -> int:
        comparison = compare([Run(folder) for folder in folders])
        out, teller = check_writable(self.out.expanduser()), Teller(self.quiet, self.json)
        histories = {str(folder): Run(folder).read_history() for folder in folders}
        page = write_comparison(
            out, settings=comparison["settings"], metrics=comparison["metrics"], histories=histories
        )
        write_json(out / "comparison.json", comparison)
        teller.answer({"report": page, **comparison})
        if not self.json:
            print(comparison_text(comparison))
        teller.tell(f"\nLook at {page}")
        return DONE

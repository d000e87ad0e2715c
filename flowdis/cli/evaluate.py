"""`flowdis evaluate`: how exact a model's flows are, beside what no flow needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from flowdis.cli.options import load_stills, pick_device
from flowdis.cli.runs import plain, write_json
from flowdis.cli.tables import error_tables, short_table
from flowdis.data import check_writable
from flowdis.metrics import Evaluation, evaluate, evaluate_protocol
from flowdis.models import LatentFlow

__all__ = ["Evaluate"]


@dataclass(frozen=True)
class Evaluate:
    """Measures a model on digits, or on one's own images, and prints a table.

    Arguments:
        model: The folder of a model, such as demo/model, or its name on the Hugging Face hub.
        protocol: published (8 even steps from upright), orbit (the same from anywhere, at any speed), or all,
            which also measures compositions, undoing, commutators and likelihoods.
        images: A folder of images, every fifth of which is measured on and the others fit the controls; the
            digits where left out.
        skip_bad: Leave out files that cannot be read as images, rather than stop.
        limit: Measure on at most so many test images.
        seed: The seed of starts, speeds and samples.
        json: Print all numbers as JSON rather than a table.
        out: Also write all numbers into this JSON file.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        quiet: Show no progress.
    """

    model: str
    protocol: Literal["published", "orbit", "all"] = "published"
    images: Path | None = None
    skip_bad: bool = False
    limit: int | None = None
    seed: int = 0
    json: bool = False
    out: Path | None = None
    device: str = "auto"
    quiet: bool = False

    def run(self) -> int:
        """Measures and returns the exit status.

        Raises:
            OSError: if the model or a folder does not exist, or the file cannot be written.
            ValueError: if images do not fit the model, or the model's folder is not one.
            FlowError: if a flow cannot be integrated.
        """
        model = LatentFlow.from_pretrained(self.model).to(pick_device(self.device))
        if self.out is not None:
            check_writable(self.out.expanduser().parent)
        metrics = self._measured(model)
        if self.out is not None:
            write_json(self.out.expanduser(), metrics)
        if self.json:
            print(json.dumps(plain(metrics), indent=2))
        else:
            tables = [error_tables(metrics), short_table(metrics) if self.protocol == "all" else ""]
            print("\n\n".join(table for table in tables if table) or "no transformation of the model can be drawn")
        return 0

    def _measured(self, model: LatentFlow) -> dict[str, Any]:
        folder = None if self.images is None else self.images.expanduser()
        stills = load_stills(folder, model.image_shape, skip_bad=self.skip_bad)
        train, generator = stills.fitting(self.limit, model.dim), torch.Generator().manual_seed(self.seed)
        if self.protocol == "all":
            return evaluate(
                model, train, stills.test, generator=generator, limit=self.limit, quiet=self.quiet
            ).to_json()
        errors = evaluate_protocol(model, train, stills.test, self.protocol, generator=generator, limit=self.limit)
        return Evaluation(protocols={self.protocol: errors}).to_json() if errors else {}

"""`flowdis evaluate`: models against metrics, on codes and on flows, beside what degenerate models score."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

import flowdis
from flowdis._files import write_whole
from flowdis.cli.options import pick_device
from flowdis.cli.runs import Run, write_json
from flowdis.cli.status import DONE
from flowdis.cli.subjects import Subject, load_subject
from flowdis.cli.tables import error_tables, short_table
from flowdis.cli.telling import Teller
from flowdis.data import check_writable
from flowdis.metrics import evaluate
from flowdis.metrics.labelled import labelled_scenes
from flowdis.metrics.measure import SECTIONS, ModelScores, Probed, measure
from flowdis.metrics.poses import fit_scene_probes
from flowdis.metrics.table import MeasuredModel, ModelTable, model_table
from flowdis.metrics.writers import plain_text, write_table
from flowdis.models import LatentFlow
from flowdis.plots.bars import model_bars
from flowdis.plots.canvas import figure_png

__all__ = ["Evaluate"]


@dataclass(frozen=True)
class Evaluate:
    """Measures models on the same data, and prints one table of all of them.

    Several seeds of one recipe are one row, with intervals over seeds. Runs of `flowdis train` are named by their
    recipe, other models by their folder.

    Arguments:
        models: Folders of runs or of models, such as demo or demo/model, or names on the Hugging Face hub.
        data: digits; sprites or rooms, which are rendered; one's own images, a fifth of which is measured on
            and the others fit the controls; or READER:PATH for a factor data set on disk.
        out: Write the table (JSON, CSV, Markdown, LaTeX, plain text), a chart of it and all numbers of each model
            into this folder.
        only: What is measured, out of equivariance, pairs, capsules, codes, response and predictability; all where
            left out.
        protocol: published (8 even steps from upright; still images only), orbit (from anywhere, at any speed), or
            all, which also measures compositions, undoing, commutators and likelihoods. The hardest single one that
            the data have where left out.
        samples: Images whose codes are measured.
        split: The seed by which files of a folder are chosen to be tested on, that of training.
        skip_bad: Leave out files that cannot be read as images, rather than stop.
        limit: Measure flows on at most so many test images.
        seed: The seed of starts, speeds, poses, splits and samples.
        json: Print one JSON object of all numbers on stdout rather than tables, and progress on stderr.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        quiet: Show no progress, print nothing but the tables or what `json` asks for.
    """

    models: tuple[str, ...]
    data: str = "digits"
    out: Path | None = None
    only: tuple[Literal["equivariance", "pairs", "capsules", "codes", "response", "predictability"], ...] = ()
    protocol: Literal["published", "orbit", "all"] | None = None
    samples: int = 10_000
    split: int = 0
    skip_bad: bool = True
    limit: int | None = None
    seed: int = 0
    json: bool = False
    device: str = "auto"
    quiet: bool = False

    def run(self) -> int:
        """Measures and returns the exit status.

        Raises:
            OSError: if a model or a folder does not exist, or the folder cannot be written.
            ValueError: if images do not fit a model, models do not fit each other, or a folder is not a model's.
        """
        models = self._loaded()
        if self.out is not None:
            check_writable(self.out.expanduser())
        first = next(iter(models.values()))
        subject = load_subject(
            self.data,
            image_shape=first.image_shape,
            moving=first.names,
            skip_bad=self.skip_bad,
            split=self.split,
        )
        probed = self._probed(subject, first)
        numbers: dict[str, dict[str, Any]] = {}
        scores: dict[str, ModelScores] = {}
        for name, model in models.items():
            self._teller.tell(f"measuring {name}")
            scores[name], numbers[name] = self._measured(model, subject, probed)
        table = self._table(scores)
        if self.out is not None:
            self._write(self.out.expanduser(), table, numbers)
        self._teller.answer({"models": numbers, "table": table and table.to_json()})
        if self.json:
            return DONE
        for name, values in numbers.items():
            told = [error_tables(values), short_table(values) if self.protocol == "all" else ""]
            print("\n\n".join([name, *(text for text in told if text)]) + "\n")
        print(plain_text(table) if table else "nothing of the models could be measured")
        return DONE

    def _loaded(self) -> dict[str, LatentFlow]:
        if not self.models:
            raise ValueError("`models` must name at least one folder of a run or a model, got none")
        twice = [name for name, count in Counter(self.models).items() if count > 1]
        if twice:
            raise ValueError(f"`models` must be different, got {twice[0]} twice")
        device = pick_device(self.device)
        loaded = {name: LatentFlow.from_pretrained(_folder(name)).to(device) for name in self.models}
        (first, reference), *others = loaded.items()
        for name, model in others:
            if (model.image_shape, model.names) != (reference.image_shape, reference.names):
                wanted = f"{reference.names} on images {reference.image_shape}, as {first} has"
                raise ValueError(f"`models` must have flows {wanted}; {name} has {model.names} on {model.image_shape}")
        return loaded

    def _probed(self, subject: Subject, model: LatentFlow) -> Probed:
        """What all models are measured on; probes are trained once."""
        moving = tuple(name for name in model.names if name in subject.test.transformations)
        generator = torch.Generator().manual_seed(self.seed)
        labelled = labelled_scenes(subject.test, self.samples, generator=generator, names=moving) if moving else None
        probes = None
        if moving and "response" in self._sections:
            self._teller.tell(f"training probes of the factors of {subject.name}")
            readable = [
                *moving,
                *(name for name in subject.test.classes if len(subject.test.classes[name].unique()) > 1),
            ]
            probes = fit_scene_probes(subject.train, readable, generator=torch.Generator().manual_seed(self.seed))
        fitting = subject.fitting(self.limit, model.dim)
        return Probed(fitting, subject.test, labelled, probes)

    @property
    def _teller(self) -> Teller:
        return Teller(self.quiet, self.json)

    @property
    def _sections(self) -> tuple[str, ...]:
        return self.only or SECTIONS

    def _measured(self, model: LatentFlow, subject: Subject, probed: Probed) -> tuple[ModelScores, dict[str, Any]]:
        protocols = [self.protocol] if self.protocol in ("published", "orbit") else None
        sections = self._sections
        if self.protocol == "all":
            sections = tuple(name for name in sections if name != "equivariance")
        measured = measure(
            model,
            probed,
            seed=self.seed,
            sections=sections,
            protocols=protocols,
            limit=self.limit,
            quiet=self.quiet,
        )
        if self.protocol != "all":
            return measured, measured.to_json()
        generator = torch.Generator().manual_seed(self.seed)
        further = evaluate(model, probed.train, subject.test, generator=generator, limit=self.limit, quiet=self.quiet)
        failures = {**measured.failures, **further.failures}
        measured = ModelScores({"equivariance": further.protocols, **measured.results}, failures)
        return measured, measured.to_json() | further.to_json()

    def _table(self, scores: dict[str, ModelScores]) -> ModelTable | None:
        rows = {name: measured.scores() for name, measured in scores.items()}
        if not any(rows.values()):
            return None
        labels = _labels(list(rows))
        models = [MeasuredModel(*labels[name], values) for name, values in rows.items()]
        controls = next(iter(scores.values())).controls()
        models += [MeasuredModel(name, None, values, control=True) for name, values in controls.items() if values]
        return model_table(models, self._metadata(scores))

    def _metadata(self, scores: dict[str, ModelScores]) -> dict[str, str]:
        failed = [f"{name}: {section}" for name, measured in scores.items() for section in measured.failures]
        threads = torch.get_num_threads()
        told = f"{threads} thread{'s' if threads > 1 else ''}"
        return {
            "data": f"{self.data}, {self.samples:,} images for codes",
            "controls": f"flows on the codes of {Path(next(iter(scores))).name}",
            "machine": f"{platform.machine()}, {told}, torch {torch.__version__}",
            "flowdis": flowdis.__version__,
            "seed": str(self.seed),
        } | ({"could not be measured": ", ".join(failed)} if failed else {})

    def _write(self, folder: Path, table: ModelTable | None, numbers: dict[str, dict[str, Any]]) -> None:
        write_json(folder / "models.json", numbers)
        if table is not None:
            write_table(table, folder)
            write_whole(folder / "table.png", figure_png(model_bars(table)))


def _folder(name: str) -> str:
    """The folder of the model, where a run was named."""
    run = Run(Path(name).expanduser())
    return str(run.model) if run.model.is_dir() else name


def _labels(names: list[str]) -> dict[str, tuple[str, int | None]]:
    """The row and the seed of each model: its run's recipe, or the folder where that is not known or not enough."""
    found: dict[str, tuple[str, int | None]] = {}
    for name in names:
        folder = Path(name).expanduser()
        settings = Run(folder if (folder / "run.json").is_file() else folder.parent).settings()
        made = settings.get("recipe", {}).get("name"), settings.get("training", {}).get("seed")
        found[name] = made if made[0] else (name, None)
    counts = Counter(found.values())
    return {name: label if counts[label] == 1 else (name, None) for name, label in found.items()}

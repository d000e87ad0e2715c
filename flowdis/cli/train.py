"""`flowdis train`: learn the flows of digits, or of a folder of images."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

from flowdis._checks import check_positive
from flowdis.cli.options import ImageShape, Stills, load_stills, pick_device
from flowdis.cli.pipeline import measure, settings_of, train
from flowdis.cli.runs import Run
from flowdis.cli.tables import short_table
from flowdis.data.protocols import motions
from flowdis.training import TrainingConfig
from flowdis.training.recipes import Recipe, orbit_motions, recipe

__all__ = ["Train"]


@dataclass(frozen=True)
class Train:
    """Learns flows of digits, or of one's own images, and measures them.

    Interrupted, the same command goes on where it was. What is left out is as the recipe has it.

    Arguments:
        out: The folder to write into: model, checkpoint.pt, log.jsonl, metrics.json.
        recipe: demo (edits from any pose) or published (from upright poses only, as in the published
            experiment).
        images: A folder of images, every fifth of which is kept for testing; the digits where left out.
        transforms: What is learned, out of rotate, scale, hue, translate_x, translate_y, shear, stretch,
            brightness and contrast; the recipe's where left out.
        image_shape: Channels (1 or 3), height and width that images are brought to; those of the first image
            where left out.
        skip_bad: Leave out files that cannot be read as images, rather than stop.
        minutes: How long to train.
        steps: How many steps to train, instead of minutes.
        seed: The seed of everything random.
        batch_size: Sequences per step.
        frames: Frames of each sequence, beside its first, that are decoded per step.
        learning_rate: The highest learning rate.
        field: The kind of field: helmholtz, potential, solenoidal, linear or constant.
        dim: The number of latents.
        likelihood: The likelihood of pixels: bernoulli or gaussian.
        limit: Measure on at most so many test images.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        fresh: Begin anew, whatever is in the folder.
        quiet: Show no progress, print nothing.
    """

    out: Path
    recipe: str = "demo"
    images: Path | None = None
    transforms: tuple[str, ...] = ()
    image_shape: ImageShape | None = None
    skip_bad: bool = False
    minutes: float | None = None
    steps: int | None = None
    seed: int | None = None
    batch_size: int | None = None
    frames: int | None = None
    learning_rate: float | None = None
    field: str | None = None
    dim: int | None = None
    likelihood: str | None = None
    limit: int | None = None
    device: str = "auto"
    fresh: bool = False
    quiet: bool = False

    def run(self) -> int:
        """Trains and returns the exit status.

        Raises:
            OSError: if the folder cannot be written, or that of the images does not exist.
            ValueError: if an option is out of range, an image cannot be read, or the folder holds another
                run.
            FlowError: if training diverges.
        """
        chosen, run, device = self.chosen(), Run(self.out.expanduser()), pick_device(self.device)
        folder = None if self.images is None else self.images.expanduser()
        stills = load_stills(folder, self.image_shape, skip_bad=self.skip_bad)
        self._check(chosen, stills)
        source = None if folder is None else folder.resolve()
        run.begin(settings_of(chosen, stills, source), fresh=self.fresh)
        if run.metrics.is_file():
            print(f"flowdis: {run.folder} holds this run, finished (--fresh begins anew)", file=sys.stderr)
            return 0
        trained = train(run, chosen, stills, device, quiet=self.quiet)
        if trained is None:
            return 130
        model, result = trained
        metrics = measure(run, chosen, model, stills, result, limit=self.limit, quiet=self.quiet)
        if not self.quiet:
            print(f"\n{short_table(metrics)}\n\nPictures: flowdis report --run {run.folder}")
        return 0

    def chosen(self) -> Recipe:
        """The recipe with the options that were given.

        Raises:
            ValueError: if the recipe is unknown or an option is out of range.
        """
        chosen = recipe(self.recipe)
        if self.minutes is not None and self.steps is not None:
            raise ValueError(f"`minutes` or `steps` must be given, got both, {self.minutes} and {self.steps}")
        training = {field.name: getattr(self, field.name, None) for field in fields(TrainingConfig)}
        given = {name: value for name, value in training.items() if value is not None}
        chosen = chosen.with_training(replace(chosen.training, **given))
        made = {name: getattr(self, name) for name in ("field", "dim", "likelihood")}
        if self.field is not None:
            made["field_options"] = {}  # those of the recipe are for its own kind
        chosen = replace(chosen, **{name: value for name, value in made.items() if value is not None})
        if not self.transforms:
            return chosen
        twice = [name for index, name in enumerate(self.transforms) if name in self.transforms[:index]]
        if twice:
            raise ValueError(f"`transforms` must be different names, got {twice[0]} twice")
        upright = self.recipe == "published"
        return replace(
            chosen,
            motions=motions("published", self.transforms) if upright else orbit_motions(self.transforms),
        )

    def _check(self, chosen: Recipe, stills: Stills) -> None:
        """Finds options that do not go together before anything is written."""
        check_positive("limit", 1 if self.limit is None else self.limit)
        chosen.sequences(stills.train)
        chosen.model(stills.image_shape)

"""`flowdis train`: learn the flows of digits, of rendered scenes, of a factor data set, or of a folder of images."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

from flowdis._checks import check_positive
from flowdis.cli.options import pick_device
from flowdis.cli.pipeline import carry_out
from flowdis.cli.run_options import RunOptions, options_of, taken_up
from flowdis.cli.runs import Run
from flowdis.cli.subjects import ImageShape, load_subject
from flowdis.training import TrainingConfig
from flowdis.training.recipes import Recipe, recipe

__all__ = ["Train"]


@dataclass(frozen=True)
class Train(RunOptions):
    """Learns flows of digits, of rendered scenes, or of one's own images, and measures them.

    Interrupted, the same command goes on where it was. What is left out is as the recipe has it.

    Arguments:
        out: The folder to write into: run.json, log.jsonl, checkpoint.pt, checkpoints, samples, model, metrics.json.
        recipe: demo (edits from any pose; the default for digits), factors (the same for factor data sets; their
            default), pictures (the same for one's own images; their default), published (digits from upright poses
            only, as in the published experiment), or a baseline: vae, beta_vae, factor_vae, beta_tcvae, slow_vae,
            topographic_vae, flow_factorized.
        data: digits; sprites or rooms, which are rendered; READER:PATH for a factor data set on disk, with the reader
            dsprites, shapes3d, mpi3d, smallnorb, cars3d, falcor3d or isaac3d; or one's own: a folder of images (and of
            those below it), an npz or h5 file, a video, or a folder of videos or of folders of frames. A fifth of the
            files is kept for testing.
        transforms: What is learned, separated by spaces or commas: of images, out of rotate, scale, hue, translate_x,
            translate_y, shear, stretch, brightness and contrast, the recipe's where left out; of a factor data set, out
            of its ordered factors, all of them where left out; time, of videos and folders of frames.
        attributes: A table (CSV) with a row for each of one's own images: its file's name, then numbers or categories.
        image_shape: Channels (1 or 3), height and width that images are brought to; where left out, in colour if any
            image is, and as high and wide as most are.
        split: The seed by which one's own files are chosen to be tested on.
        skip_bad: Leave out files that cannot be read as images, each named, rather than stop.
        minutes: How long to train.
        steps: How many steps to train, instead of minutes.
        seed: The seed of everything random.
        batch_size: Sequences per step.
        frames: Frames of each sequence, beside its first, that are decoded per step.
        learning_rate: The highest learning rate.
        field: The kind of field: helmholtz, potential, solenoidal, wave, linear or constant.
        dynamics: How fields push codes: overdamped, or underdamped, with inertia.
        supervision: What is told of each sequence: known (which transformations move, and by how much), weak (by how
            much, of one that nobody names), or none.
        single: The share of sequences that move in one transformation alone.
        flows: How many flows are to be found, where transformations are not known; as many as there are if left out.
        damping: How fast underdamped motion loses its momentum, per amount.
        stiffness: The frequency of the spring that holds underdamped motion to the origin.
        dim: The number of latents.
        likelihood: The likelihood of pixels: bernoulli, gaussian or laplace.
        limit: Measure on at most so many test images.
        device: auto (cuda, mps or cpu, whichever is there first), cpu, cuda, cuda:1 or mps.
        sample_minutes: Minutes between two pictures of samples, drawn at checkpoints on the way; 0 for none.
    """

    out: Path
    recipe: str | None = None
    data: str = "digits"
    transforms: tuple[str, ...] = ()
    attributes: Path | None = None
    image_shape: ImageShape | None = None
    split: int = 0
    skip_bad: bool = True
    minutes: float | None = None
    steps: int | None = None
    seed: int | None = None
    batch_size: int | None = None
    frames: int | None = None
    learning_rate: float | None = None
    field: str | None = None
    dynamics: str | None = None
    supervision: str = "known"
    single: float | None = None
    flows: int | None = None
    damping: float | None = None
    stiffness: float | None = None
    dim: int | None = None
    likelihood: str | None = None
    limit: int | None = None
    device: str = "auto"
    sample_minutes: float = 5.0

    def run(self) -> int:
        """Trains and returns the exit status.

        Raises:
            OSError: if the folder cannot be written, or that of the images does not exist.
            ValueError: if an option is out of range, an image cannot be read, the folder holds another run, or there
                is none to go on with.
            FlowError: if training diverges.
        """
        return taken_up("train", self, self.out.expanduser())._run()

    def _run(self) -> int:
        subject = load_subject(
            self.data,
            image_shape=self.image_shape,
            moving=self._transforms,
            skip_bad=self.skip_bad,
            attributes=self.attributes,
            split=self.split,
        )
        chosen = self.chosen(subject.recipe)
        known = subject.train.transformations
        if self._transforms or subject.has_factors:
            chosen = chosen.with_transformations(self._transforms or tuple(known), known)
        chosen = chosen.with_supervision(self.supervision, self.flows, known)
        if self.single is not None:
            chosen = replace(chosen, single=self.single)
        return carry_out(
            Run(self.out.expanduser()),
            chosen,
            subject,
            pick_device(self.device),
            limit=self.limit,
            pictures=False,
            options=self,
            command=options_of("train", self, {"data": subject.source, "attributes": self._attributes}),
            sample_minutes=self.sample_minutes,
        )

    def chosen(self, default: str) -> Recipe:
        """The recipe with the settings that were given.

        Arguments:
            default: The recipe's name where none was given.

        Raises:
            ValueError: if the recipe is unknown or an option is out of range.
        """
        chosen = recipe(self.recipe or default)
        if self.minutes is not None and self.steps is not None:
            raise ValueError(f"`minutes` or `steps` must be given, got both, {self.minutes} and {self.steps}")
        training = {field.name: getattr(self, field.name, None) for field in fields(TrainingConfig)}
        given = {name: value for name, value in training.items() if value is not None}
        chosen = chosen.with_training(replace(chosen.training, **given))
        made = {name: getattr(self, name) for name in ("field", "dim", "likelihood")}
        if self.field is not None:
            made["field_options"] = {}  # those of the recipe are for its own kind
        chosen = replace(chosen, **{name: value for name, value in made.items() if value is not None})
        chosen = self._moved(chosen)
        names = self._transforms
        twice = [name for index, name in enumerate(names) if name in names[:index]]
        if twice:
            raise ValueError(f"`transforms` must be different names, got {twice[0]} twice")
        return chosen

    @property
    def _attributes(self) -> Path | None:
        return self.attributes and self.attributes.expanduser().resolve()

    @property
    def _transforms(self) -> tuple[str, ...]:
        return tuple(name for words in self.transforms for name in words.split(",") if name)

    def _moved(self, chosen: Recipe) -> Recipe:
        """The recipe with the dynamics that was asked for."""
        given = {"damping": self.damping, "stiffness": self.stiffness}
        options = {name: value for name, value in given.items() if value is not None}
        dynamics = self.dynamics or chosen.dynamics
        if options and dynamics != "underdamped":
            name, value = next(iter(options.items()))
            raise ValueError(f"`{name}` must be left out unless `dynamics` is underdamped, got {value} for {dynamics}")
        for name, value in options.items():
            check_positive(name, value, zero=True)
        return chosen if self.dynamics is None and not options else chosen.with_dynamics(dynamics, options)

"""Sequences of images in motion, drawn by the batch: where each starts, how far it goes, what is seen.

A motion says, per transformation, where sequences start and what amounts follow. `Orbit` draws both anywhere,
for training; `Steps` walks in even steps from a given start, as published protocols do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.batch import SequenceBatch
from flowdis.data.known import TRANSFORMS, units_of
from flowdis.data.motions import Augmentation, Motion, Orbit
from flowdis.data.scenes import Scenes, as_scenes
from flowdis.paths import Path, Unit

__all__ = ["TransformSequences"]

_Stills = Float[Tensor, "N C H W"]
_Indices = Int[Tensor, "B"]


@dataclass(frozen=True, eq=False)
class TransformSequences:
    """Sequences of still images, or of other scenes, moved by known transformations.

    Arguments:
        images: The still images in [0, 1], with shape (N, C, H, W), or N scenes.
        transformations: The names of the transformations, each moved by an `Orbit`, or a motion for each
            name.
        length: The number T of steps of a sequence, which has frames 0 to T.
        units: Units of the amounts, where they are not the transformations' own.
        single: The share of sequences that move in one transformation; the others move in several at once.
        which: The one transformation that every sequence moves in; drawn for each sequence if left out.
        switch: The chance that what moves is drawn anew, at every step after a sequence's first.
        augmentation: Distortions of still images that enlarge their number, at no cost.

    Raises:
        ValueError: if images, names, units or motions do not fit, or `single` or `switch` is not a share.

    Example:
        >>> sequences = TransformSequences(torch.rand(10, 3, 16, 16), ["rotate", "hue"])
        >>> batch = sequences.sample(4, generator=torch.Generator().manual_seed(0), frames=2)
        >>> batch.frames.shape, batch.amounts.shape
        (torch.Size([3, 4, 3, 16, 16]), torch.Size([1, 4, 2]))
    """

    images: _Stills | Scenes
    transformations: Sequence[str] | Mapping[str, Motion]
    length: int = 8
    units: Mapping[str, Unit] | None = None
    single: float = 0.5
    which: str | None = None
    switch: float = 0.0
    augmentation: Augmentation | None = None
    scenes: Scenes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scenes", as_scenes(self.images))
        given = self.transformations
        if isinstance(given, str) or len(given) == 0 or len(set(given)) < len(given):
            raise ValueError(f"`transformations` must be one or more different names, got {given!r}")
        if self.length < 1:
            raise ValueError(f"`length` must be at least 1, got {self.length}")
        for share in ("single", "switch"):
            if not 0 <= getattr(self, share) <= 1:
                raise ValueError(f"`{share}` must lie in [0, 1], got {getattr(self, share)}")
        known, channels = self.scenes.transformations, self.scenes.image_shape[0]
        if any(name not in known and name in TRANSFORMS and TRANSFORMS[name].kind == "hue" for name in given):
            raise ValueError(f"`images` must have 3 channels for hue, got {channels}: colour them first (`colour`)")
        object.__setattr__(self, "units", units_of(self.names, self.units, known))
        if self.which is not None:
            check_choice("which", self.which, self.names)
        for name, motion in self.motions.items():
            motion.check(name, known[name], self.length)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the transformations, in order."""
        return tuple(self.transformations)

    @property
    def motions(self) -> dict[str, Motion]:
        """The motion of each transformation."""
        given = self.transformations
        return dict(given) if isinstance(given, Mapping) else {name: Orbit() for name in given}

    def __len__(self) -> int:
        return len(self.scenes)

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        frames: int | None = None,
        speed: float = 1.0,
    ) -> SequenceBatch:
        """Draws a batch: images with replacement, their starts, their motions and the frames that are seen.

        Arguments:
            batch_size: The number B of sequences.
            generator: Where all randomness comes from, on any device.
            frames: How many of the frames 1 to T are seen beside frame 0, drawn without replacement, the same
                for the batch; all if left out, 0 for x_0 alone.
            speed: A factor on all amounts, to start training with small motions.

        Returns:
            The batch, where the scenes are.

        Raises:
            ValueError: if `batch_size` is not positive, or `frames` does not lie in 0 to T.
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        device = generator.device if generator is not None else torch.device("cpu")
        indices = torch.randint(len(self.scenes), (batch_size,), generator=generator, device=device)
        return self.batch(indices, generator=generator, frames=frames, speed=speed)

    def batch(
        self,
        indices: _Indices | Sequence[int],
        *,
        generator: torch.Generator | None = None,
        frames: int | None = None,
        speed: float = 1.0,
    ) -> SequenceBatch:
        """Draws motions for given images.

        Arguments:
            indices: Which images, with shape (B).
            generator: Where all randomness comes from, on any device.
            frames: How many of the frames 1 to T are seen beside frame 0, drawn without replacement, the same
                for the batch; all if left out, 0 for x_0 alone.
            speed: A factor on all amounts, to start training with small motions.

        Returns:
            The batch, where the scenes are.

        Raises:
            ValueError: if there are no indices, or `frames` does not lie in 0 to T.
        """
        picked = torch.as_tensor(indices)
        if picked.ndim != 1 or len(picked) == 0:
            raise ValueError(f"`indices` must have shape (B,) with B >= 1, got {tuple(picked.shape)}")
        start, path = self._draw(len(picked), generator)
        return self._seen(picked, start, path * speed, self._steps(frames, generator))

    def batches(
        self, batch_size: int, *, generator: torch.Generator | None = None, frames: int | None = None
    ) -> Iterator[SequenceBatch]:
        """All images once, in order, with motions and frames that do not depend on the size of the batches.

        Arguments:
            batch_size: The number of sequences in a batch; the last one may have fewer.
            generator: Where all randomness comes from, on any device.
            frames: How many of the frames 1 to T are seen beside frame 0, drawn without replacement, the same
                for all; all if left out, 0 for x_0 alone.

        Yields:
            The batches, where the scenes are.
        """
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        start, path = self._draw(len(self.scenes), generator)
        steps = self._steps(frames, generator)
        for picked in torch.arange(len(self.scenes)).split(batch_size):
            yield self._seen(
                picked,
                Path(start.names, start.amounts[:, picked]),
                Path(path.names, path.amounts[:, picked]),
                steps,
            )

    def _draw(self, count: int, generator: torch.Generator | None) -> tuple[Path, Path]:
        """The path to the start and the path from there, in float64 where the generator's device has it."""
        moving = self._moving(count, generator)
        units, known = dict(self.units or {}), self.scenes.transformations
        starts, ways = [], []
        for name, motion in self.motions.items():
            begin, changes = motion.draw(count, known[name], self.length, generator)
            starts.append(begin / units[name].step)
            ways.append(changes / units[name].step)
        rows = max(len(moving), *(way.shape[0] for way in ways))
        ways = [way if way.shape[0] == rows else (way / rows).expand(rows, -1) for way in ways]
        path = Path(self.names, torch.stack(ways, -1) * moving)
        start = Path(self.names, torch.stack(starts, -1)[None])
        if self.augmentation is not None:
            start = self.augmentation.before(start, units, generator)
        return start, path

    def _moving(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Which transformations each sequence moves in, ones and zeros of shape (S, B, K), S being 1 or T."""
        device = generator.device if generator is not None else torch.device("cpu")
        size = len(self.names)
        if self.which is not None:
            row = torch.zeros(size, device=device)
            row[self.names.index(self.which)] = 1
            return row.expand(1, count, -1)
        subsets = torch.arange(1, 2**size, device=device)[:, None] >> torch.arange(size, device=device) & 1
        alone = subsets.sum(1) == 1
        single = self.single if size > 1 else 1.0
        weights = torch.where(alone, single / size, (1 - single) / max(2**size - 1 - size, 1))
        if self.switch == 0:
            return subsets[torch.multinomial(weights, count, replacement=True, generator=generator)].float()[None]
        rows = self.length
        drawn = torch.multinomial(weights, rows * count, replacement=True, generator=generator).reshape(rows, count)
        anew = torch.rand(rows, count, generator=generator, device=device) < self.switch
        anew[0] = True
        # Each step has the draw of the last step that drew anew.
        latest = torch.where(anew, torch.arange(rows, device=device)[:, None], 0).cummax(0).values
        return subsets[drawn.gather(0, latest)].float()

    def _steps(self, frames: int | None, generator: torch.Generator | None) -> Tensor:
        if frames is None:
            return torch.arange(self.length + 1)
        if not 0 <= frames <= self.length:
            raise ValueError(f"`frames` must lie in 0 to {self.length}, got {frames}")
        device = generator.device if generator is not None else torch.device("cpu")
        later = 1 + torch.randperm(self.length, generator=generator, device=device)[:frames].cpu()
        return torch.cat([later.new_zeros(1), later.sort().values])

    def _seen(self, picked: Tensor, start: Path, path: Path, steps: Tensor) -> SequenceBatch:
        scenes, units = self.scenes[picked], dict(self.units or {})
        times = steps.to(path.amounts) * path.segments / self.length
        start, path, times = scenes.attainable(path, units, times=times, start=start)
        # Rounded before they are drawn, so that the amounts handed out are those that were drawn.
        start, path, times = start.to(scenes.like), path.to(scenes.like), times.to(scenes.like)
        return SequenceBatch(
            names=self.names,
            frames=scenes.draw(path, units, times=times, start=start),
            times=times,
            amounts=path.amounts,
            length=self.length,
            scenes=scenes,
            start=start,
            units=units,
        )

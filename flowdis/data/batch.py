"""A batch of sequences: frames, or codes of frames, and the amounts that moved them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.scenes import Scenes
from flowdis.paths import Path, Unit

__all__ = ["CodePairs", "SequenceBatch"]

_Images = Float[Tensor, "B C H W"]
_Frames = Float[Tensor, "F B C H W"]
_Truth = Float[Tensor, "*truth C H W"]
_Times = Float[Tensor, "F"]
_Amounts = Float[Tensor, "S B K"]
_Codes = Float[Tensor, "B D"]


@dataclass(frozen=True, eq=False)
class SequenceBatch:
    """A batch of sequences: what is seen, and the amounts that moved it.

    Arguments:
        names: The K transformations, in the order of the model's fields.
        frames: The images at `times`, with shape (F, B, C, H, W), the first of them x_0.
        times: Positions along the path in [0, S], with shape (F), ascending from 0, the same for all.
        amounts: The amounts for the fields, with shape (S, B, K).
        length: The number T of steps of the full sequence of frames 0 to T, F of which are here.
        scenes: The B scenes before any motion, where they are known.
        start: The path from `scenes` to x_0.
        units: The units of the amounts.

    Raises:
        ValueError: if there are no frames, or times do not match them or do not begin at 0.
    """

    names: tuple[str, ...]
    frames: _Frames
    times: _Times
    amounts: _Amounts
    length: int
    scenes: Scenes | None = None
    start: Path | None = None
    units: Mapping[str, Unit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.times) != len(self.frames) or len(self.times) == 0:
            counts = f"{len(self.times)} times for {len(self.frames)} frames"
            raise ValueError(f"`times` must be one for each of one or more frames, got {counts}")
        if float(self.times[0]) != 0:
            raise ValueError(f"`times` must begin at 0, where x_0 is, got {self.times.tolist()}")

    @property
    def first(self) -> _Images:
        """The images x_0, (B, C, H, W)."""
        return self.frames[0]

    @property
    def weights(self) -> _Times:
        """How many frames each one here stands for, (F), 1 for x_0 and T / (F - 1) for the others."""
        weights = torch.full_like(self.times, self.length / max(1, len(self.times) - 1))
        weights[0] = 1.0
        return weights

    @property
    def path(self) -> Path:
        """The path of amounts (S, B, K) that the frames lie on, with clocks that run on from x_0."""
        return Path(self.names, self.amounts).running()

    def truth(
        self,
        path: Path | None = None,
        *,
        times: _Times | None = None,
    ) -> _Truth:
        """The true images along any path from the first frame.

        Arguments:
            path: A path with amounts (S, K) or (S, B, K); the sequences' own if left out.
            times: Positions along the path in [0, S], with shape (T); the end alone if left out.

        Returns:
            The images, with shape (B, C, H, W), or (T, B, C, H, W) with times.

        Raises:
            ValueError: if the scenes are not known.
        """
        if self.scenes is None:
            raise ValueError("`scenes` must be known to draw the truth, got a batch without them")
        return self.scenes.draw(path or self.path, self.units, times=times, start=self.start)


@dataclass(frozen=True, eq=False)
class CodePairs:
    """A batch of pairs of codes, before and after known amounts of the transformations; no images.

    Arguments:
        names: The K transformations, in the order of the model's fields.
        start: The mean codes of the images before, with shape (B, D).
        end: Those of the images after, with shape (B, D).
        amounts: The amounts from the first to the second, with shape (S, B, K).
        log_std: The logarithms of the standard deviations of the posteriors after, with shape (B, D).

    Raises:
        ValueError: if the sizes of the batch differ.
    """

    names: tuple[str, ...]
    start: _Codes
    end: _Codes
    amounts: _Amounts
    log_std: _Codes

    def __post_init__(self) -> None:
        sizes = {len(self.start), len(self.end), len(self.log_std), self.amounts.shape[1]}
        if len(sizes) > 1:
            raise ValueError(f"`start`, `end`, `amounts` and `log_std` must have one B, got {sorted(sizes)}")

    @property
    def path(self) -> Path:
        """The path of amounts (S, B, K) from the codes before to those after."""
        return Path(self.names, self.amounts).running()

    @property
    def frames(self) -> Float[Tensor, "2 B D"]:
        """The codes before and after, (2, B, D)."""
        return torch.stack([self.start, self.end])

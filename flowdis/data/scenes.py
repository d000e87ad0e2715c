"""Scenes whose true image is known along any path: what sequences are drawn from, and edits are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_images
from flowdis.data.transforms import TRANSFORMS, Transformation, apply_path
from flowdis.paths import Path, Unit

__all__ = ["Scenes", "StillScenes", "as_scenes"]

_Stills = Float[Tensor, "N C H W"]
_Frames = Float[Tensor, "*frames C H W"]
_Times = Float[Tensor, "T"]
_Rows = Int[Tensor, "B"]


@runtime_checkable
class Scenes(Protocol):
    """N scenes, each of which can be drawn anywhere along any path."""

    @property
    def transformations(self) -> Mapping[str, Transformation]:
        """What can be drawn, by name."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        ...

    @property
    def classes(self) -> Mapping[str, Int[Tensor, "N"]]:
        """What no path moves, where it is known: by name, the class of each scene."""
        ...

    @property
    def like(self) -> Tensor:
        """A tensor of the dtype and on the device of what is drawn."""
        ...

    def __len__(self) -> int:
        """The number N of scenes."""
        ...

    def __getitem__(self, rows: slice | _Rows) -> Scenes:
        """Some of the scenes, in the order of `rows`, any of them as often as it is named."""
        ...

    def to(self, like: Tensor) -> Scenes:
        """The same scenes, drawn in the dtype and on the device of `like`."""
        ...

    def draw(
        self,
        path: Path,
        units: Mapping[str, Unit] | None = None,
        *,
        times: _Times | None = None,
        start: Path | None = None,
    ) -> _Frames:
        """The true images along a path.

        Arguments:
            path: The path, with amounts (S, K) for all or (S, N, K).
            units: Units of the amounts, where they are not the transformations' own.
            times: Positions along the path in [0, S], with shape (T); the end alone if left out.
            start: A path walked before.

        Returns:
            The images, with shape (N, C, H, W), or (T, N, C, H, W) with times.
        """
        ...

    def attainable(
        self, path: Path, units: Mapping[str, Unit], *, times: Tensor, start: Path
    ) -> tuple[Path, Path, Tensor]:
        """The nearest start and path of which true images exist at the frames seen.

        Arguments:
            path: The path that is wished for, with amounts (S, N, K).
            units: The units of its amounts.
            times: Where frames are seen, with shape (T), the first of them 0.
            start: The path to its start.

        Returns:
            The start, the path, and the times of the frames on it. Where anything can be drawn, they are those given.
        """
        ...


@dataclass(frozen=True, eq=False)
class StillScenes:
    """Still images, moved by the transformations of `TRANSFORMS`.

    Arguments:
        images: The images in [0, 1], with shape (N, C, H, W).
        classes: What no path moves, where it is known: by name, the class of each image, with shape (N).

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if there are none, or their values do not lie in [0, 1].

    Example:
        >>> import torch
        >>> scenes = StillScenes(torch.rand(3, 1, 8, 8))
        >>> scenes.draw(Path(("rotate",), torch.tensor([[2.0]]))).shape
        torch.Size([3, 1, 8, 8])
    """

    images: _Stills
    classes: Mapping[str, Int[Tensor, "N"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_images("images", self.images)
        if self.images.ndim != 4 or len(self.images) == 0:
            raise ValueError(f"`images` must have shape (N, C, H, W) with N >= 1, got {tuple(self.images.shape)}")

    @property
    def transformations(self) -> Mapping[str, Transformation]:
        """All of `TRANSFORMS`; hue of images in colour only."""
        return {name: kind for name, kind in TRANSFORMS.items() if kind.kind != "hue" or self.images.shape[1] == 3}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def like(self) -> Tensor:
        """The images."""
        return self.images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | _Rows) -> StillScenes:
        picked = rows if isinstance(rows, slice) else rows.to(self.images.device)
        return self._with(self.images[picked], {name: labels[rows] for name, labels in self.classes.items()})

    def to(self, like: Tensor) -> StillScenes:
        """See `Scenes.to`."""
        return self._with(self.images.to(device=like.device, dtype=like.dtype), self.classes)

    def _with(self, images: Tensor, classes: Mapping[str, Tensor]) -> StillScenes:
        """Other scenes of values that have been checked: every batch of a training is some."""
        scenes = object.__new__(StillScenes)
        object.__setattr__(scenes, "images", images)
        object.__setattr__(scenes, "classes", classes)
        return scenes

    def draw(
        self,
        path: Path,
        units: Mapping[str, Unit] | None = None,
        *,
        times: _Times | None = None,
        start: Path | None = None,
    ) -> _Frames:
        """See `Scenes.draw`: sampled once from the still image."""
        return apply_path(self.images, path, units, times=times, start=start)

    def attainable(
        self, path: Path, units: Mapping[str, Unit], *, times: Tensor, start: Path
    ) -> tuple[Path, Path, Tensor]:
        """See `Scenes.attainable`: whatever is asked for."""
        return start, path, times


def as_scenes(images: _Stills | Scenes) -> Scenes:
    """Scenes as they are, still images as `StillScenes`."""
    return StillScenes(images) if isinstance(images, Tensor) else images

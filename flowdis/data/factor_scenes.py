"""Scenes of a data set with ground-truth factors, moved along those that are ordered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_choice
from flowdis.data.factors import FactorImages
from flowdis.data.grids import Factor
from flowdis.data.known import Transformation, units_of
from flowdis.paths import Path, Unit

__all__ = ["FactorScenes"]

_Frames = Float[Tensor, "*frames C H W"]
_Times = Float[Tensor, "T"]
_Rows = Int[Tensor, "B"]
_Classes = Int[Tensor, "N F"]


@dataclass(frozen=True, eq=False)
class FactorScenes:
    """The images of a factor data set, moved along factors: every factor that moves starts at its identity.

    The identity is 1 of factors that multiply, such as a scale, and 0 of others; paths to a start go on from there.
    Where images are rendered, they are those of any values; elsewhere they are the nearest of the grid, and
    `attainable` changes paths into those that these images show.

    Arguments:
        data: The images.
        moving: The factors that paths move; every ordered factor of two values or more where left out.
        still: The classes of the factors that none moves, one row for each scene, with shape (N, F) over all
            factors, of which those that move are left aside; every combination once where left out.
        like: A tensor of the dtype and on the device of what is drawn.

    Raises:
        ValueError: if a factor is unknown or cannot be moved, or a class is not on the grid.

    Example:
        >>> from flowdis.data.render import sprites
        >>> scenes = FactorScenes(sprites(), ("orientation", "x", "y"))
        >>> len(scenes), list(scenes.classes)   # three shapes in six sizes
        (18, ['shape', 'scale'])
    """

    data: FactorImages
    moving: tuple[str, ...] | None = None
    still: _Classes | None = None
    like: Tensor = field(default_factory=lambda: torch.empty(0))

    def __post_init__(self) -> None:
        data = self.data
        movable = tuple(factor.name for factor in data.factors if factor.ordered and factor.size > 1)
        names = movable if self.moving is None else tuple(check_choice("moving", n, movable) for n in self.moving)
        object.__setattr__(self, "moving", names)
        if self.still is None:
            sizes = [1 if factor.name in names else factor.size for factor in data.factors]
            axes = [torch.arange(size) for size in sizes]
            object.__setattr__(self, "still", torch.cartesian_prod(*axes).reshape(-1, len(axes)))
        elif self.still.shape[1:] != (len(data.factors),) or len(self.still) == 0:
            shape = tuple(self.still.shape)
            raise ValueError(f"`still` must have shape (N, F={len(data.factors)}) with N >= 1, got {shape}")
        data.index(self._still)  # refuses what is not on the grid

    @property
    def _still(self) -> Tensor:
        assert self.still is not None
        return self.still

    @property
    def _moving(self) -> dict[str, Factor]:
        return {factor.name: factor for factor in self.data.factors if factor.name in (self.moving or ())}

    @property
    def transformations(self) -> Mapping[str, Transformation]:
        """One for each factor that moves."""
        return {name: factor.transformation for name, factor in self._moving.items()}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.data.image_shape

    @property
    def classes(self) -> Mapping[str, Int[Tensor, "N"]]:
        """The classes of the factors that no path moves, those of one value only left out."""
        still = [k for k, factor in enumerate(self.data.factors) if factor.name not in self._moving]
        return {self.data.names[k]: self._still[:, k] for k in still if self.data.sizes[k] > 1}

    def __len__(self) -> int:
        return len(self._still)

    def __getitem__(self, rows: slice | _Rows) -> FactorScenes:
        return replace(self, still=self._still[rows if isinstance(rows, slice) else rows.cpu()])

    def to(self, like: Tensor) -> FactorScenes:
        """See `Scenes.to`."""
        return replace(self, like=like.detach())

    def draw(
        self,
        path: Path,
        units: Mapping[str, Unit] | None = None,
        *,
        times: _Times | None = None,
        start: Path | None = None,
    ) -> _Frames:
        """See `Scenes.draw`.

        Raises:
            ValueError: if a path moves what no factor is, or the number of its samples is not that of scenes.
        """
        at = torch.tensor([float(path.segments)], dtype=torch.float64) if times is None else times
        values = self._values(self._parameters(path, units, at, start))
        if self.data.continuous:
            images = self.data.at(values.to(device=self.like.device, dtype=self.like.dtype))
        else:
            images = self.data.images(self.data.index(self.data.nearest(values))).to(self.like)
        return images[0] if times is None else images

    def attainable(
        self, path: Path, units: Mapping[str, Unit], *, times: Tensor, start: Path
    ) -> tuple[Path, Path, Tensor]:
        """See `Scenes.attainable`: on a grid, one segment between any two frames, from grid point to grid point."""
        if self.data.continuous:
            return start, path, times
        wished = self._parameters(path, units, times, start)
        shown = self._values(wished)
        grid = self.data.values(self.data.index(self.data.nearest(shown)))
        for k, factor in enumerate(self.data.factors):
            if factor.name in wished:
                wished[factor.name] = _there(factor, wished[factor.name], shown[..., k], grid[..., k])
        steps = {name: unit.step for name, unit in units_of(tuple(wished), units, self.transformations).items()}
        amounts = torch.stack([wished[name] / steps[name] for name in wished], -1)
        begin = Path(tuple(wished), amounts[:1])
        moved = amounts.diff(dim=0) if len(times) > 1 else torch.zeros_like(amounts)
        columns = [begin.names.index(name) for name in path.names]
        return begin, Path(path.names, moved[..., columns]), torch.arange(len(times), dtype=torch.float64)

    def _parameters(
        self, path: Path, units: Mapping[str, Unit] | None, times: Tensor, start: Path | None
    ) -> dict[str, Tensor]:
        """The group parameters (T, N) of each factor that is walked along, at `times`, in float64."""
        known, shape = self.transformations, (len(times), len(self))
        reached: dict[str, Tensor] = {}
        for walked, at in ([] if start is None else [(start, None)]) + [(path, times)]:
            walked = Path(walked.names, walked.amounts.detach().cpu().double())
            run = walked.total()[None] if at is None else walked.elapsed(at.detach().cpu().double())
            if walked.batch_shape and tuple(walked.batch_shape) != (len(self),):
                raise ValueError(f"`path` must have amounts (S, K) or (S, {len(self)}, K), got {tuple(run.shape)}")
            run = run if walked.batch_shape else run[:, None]
            for name, unit in units_of(walked.names, units, known).items():
                there = run[..., walked.names.index(name)] * unit.step
                reached[name] = (reached.get(name, torch.zeros(shape, dtype=torch.float64)) + there).expand(shape)
        return reached

    def _values(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """The values (T, N, F) of all factors, in natural units, given the parameters of some that move."""
        frames = next(iter(parameters.values())).shape[0]
        values = self.data.values(self.data.index(self._still)).expand(frames, -1, -1).clone()
        for k, factor in enumerate(self.data.factors):
            if factor.name in self._moving:
                here = parameters.get(factor.name, values.new_zeros(()))
                values[..., k] = here.exp() if factor.unit.logarithmic else here
        return values


def _there(factor: Factor, parameter: Tensor, value: Tensor, grid: Tensor) -> Tensor:
    """The parameter at the grid value that is shown in place of a value, on the same turn of a circle."""
    if factor.unit.logarithmic:
        return grid.log()
    if factor.period is None:
        return grid
    return parameter + (grid - value + factor.period / 2).remainder(factor.period) - factor.period / 2

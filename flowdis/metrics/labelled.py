"""Images in random poses with the class of every factor: what metrics on codes are computed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowdis._checks import check_choice, check_positive
from flowdis.data.factor_scenes import FactorScenes
from flowdis.data.scenes import Scenes
from flowdis.metrics.batches import codes, slices
from flowdis.metrics.posed import PosedScenes, draw_scenes
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["LabelledScenes", "labelled_scenes"]

_Classes = Int[Tensor, "N F"]
_Drawn = Float[Tensor, "B C H W"]
_Codes = Float[Tensor, "N D"]

_LEVELS = 10  # values that a transformation of still images takes


@dataclass(frozen=True, eq=False)
class LabelledScenes(PosedScenes):
    """N scenes, each in a pose of its own, with the class of each of F factors.

    Arguments:
        factors: The classes, with shape (N, F).
        names: The names of the factors.
    """

    factors: _Classes
    names: tuple[str, ...]

    @torch.no_grad()
    def codes(self, model: LatentFlow, *, batch_size: int = 250) -> _Codes:
        """The mean codes (N, D) of all images.

        Arguments:
            model: The model, of which only the encoder is used.
            batch_size: How many images are encoded at a time.
        """
        pieces = slices(len(self.scenes), batch_size)
        return torch.cat([codes(model, self.images(piece)).cpu() for piece in pieces])


def labelled_scenes(
    scenes: Scenes, count: int, *, generator: torch.Generator, names: Sequence[str] | None = None
) -> LabelledScenes:
    """Draws scenes with replacement, and poses on the grid of their factors.

    The poses of a factor data set are drawn evenly from its own grid. Those of still images are drawn from ten even
    values of each transformation's range (in the logarithm of what multiplies), so that factors are classes there too.

    Arguments:
        scenes: The scenes.
        count: The number N of images.
        generator: The source of scenes and poses.
        names: The transformations that make the poses of still images.

    Returns:
        The scenes with their factors: those that no path moves, then those that move.

    Raises:
        ValueError: if `count` is not positive, a name is unknown, or there is nothing to move.
    """
    check_positive("count", count)
    known = scenes.transformations
    moving = tuple(known) if names is None else tuple(check_choice("names", name, known) for name in names)
    if not moving:
        raise ValueError("`names` must hold at least one transformation, got none")
    device, units = generator.device, {name: known[name].unit for name in moving}
    picked = draw_scenes(scenes, count, generator)
    classes, begins = dict(picked.classes), []
    for name in moving:
        values = _values(scenes, name)
        drawn = torch.randint(len(values), (count,), generator=generator, device=device).cpu()
        classes[name] = drawn
        begins.append(units[name].to_amount(values)[drawn])
    start = Path(moving, torch.stack(begins, -1).unsqueeze(0))
    return LabelledScenes(picked, start, units, torch.stack(list(classes.values()), -1).long(), tuple(classes))


def _values(scenes: Scenes, name: str) -> Tensor:
    """The values in the natural unit that a factor takes."""
    if isinstance(scenes, FactorScenes):
        factor = scenes.data.factors[scenes.data.position(name)]
        return torch.tensor(factor.values[: factor.cycle], dtype=torch.float64)
    kind = scenes.transformations[name]
    ends = kind.unit.to_amount(torch.tensor(kind.range, dtype=torch.float64))
    shares = torch.arange(_LEVELS, dtype=torch.float64) / (_LEVELS if kind.period else _LEVELS - 1)
    return kind.unit.to_value(ends[0] + shares * (ends[1] - ends[0]))

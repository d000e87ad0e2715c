"""Scenes in random poses, with the true value of every factor: what probes learn from and are asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_choice, check_positive
from flowdis.data.grids import Factor
from flowdis.data.known import units_of
from flowdis.data.scenes import Scenes, as_scenes
from flowdis.metrics.batches import Stills, rows
from flowdis.metrics.factor_probes import FactorProbes, fit_probes
from flowdis.metrics.posed import PosedScenes, draw_scenes
from flowdis.paths import Path, Unit

__all__ = ["Poses", "draw_poses", "fit_scene_probes", "scene_factors"]

_Values = Float[Tensor, "N F"]
_Amounts = Float[Tensor, "N"]
_Run = Float[Tensor, "B"]
_Drawn = Float[Tensor, "B C H W"]
_Pairs = Float[Tensor, "2 B C H W"]


@dataclass(frozen=True, eq=False)
class Poses(PosedScenes):
    """N scenes, each in a pose of its own, with the true value of each of F factors.

    Arguments:
        factors: The F factors, those that move and those that do not.
        values: Their true values in natural units, classes of unordered ones, with shape (N, F).
    """

    factors: tuple[Factor, ...]
    values: _Values

    def motion(self, name: str, amounts: _Amounts, piece: slice = slice(None)) -> tuple[_Pairs, _Run]:
        """True images before and after a factor moves, and the amounts that it moves by: the nearest there are.

        Arguments:
            name: The factor.
            amounts: The amounts wished for, one for each of the N scenes.
            piece: Which scenes; all where left out.

        Returns:
            The images, with shape (2, B, C, H, W), and the amounts between them, with shape (B,).
        """
        scenes, start = self.scenes[piece], rows(self.start, piece)
        column = start.names.index(check_choice("name", name, start.names))
        wished = torch.zeros_like(start.amounts)
        wished[0, :, column] = amounts[piece].to(wished)
        times = torch.tensor([0.0, 1.0], dtype=wished.dtype)
        begin, path, times = scenes.attainable(Path(start.names, wished), self.units, times=times, start=start)
        frames = scenes.draw(path, self.units, times=times, start=begin)
        return frames, path.elapsed(times)[-1, :, path.names.index(name)]


def scene_factors(images: Stills | Scenes, names: Sequence[str] | None = None) -> tuple[Factor, ...]:
    """What can be read of scenes: what can be drawn, then what tells them apart in classes.

    Arguments:
        images: Still images, or scenes.
        names: Which of these; all where left out, but for classes that all scenes share.

    Raises:
        ValueError: if a name is none of them.
    """
    scenes = as_scenes(images)
    found = {name: Factor(name, kind.range, kind.unit, kind.period) for name, kind in scenes.transformations.items()}
    for name, labels in scenes.classes.items():
        if names is not None or len(labels.unique()) > 1:
            found[name] = Factor(name, tuple(map(float, range(int(labels.max()) + 1))), ordered=False)
    return tuple(found[check_choice("names", name, tuple(found))] for name in (found if names is None else names))


def draw_poses(
    images: Stills | Scenes,
    factors: Sequence[Factor],
    count: int,
    *,
    generator: torch.Generator,
    units: Mapping[str, Unit] | None = None,
) -> Poses:
    """Draws scenes with replacement, and for each a pose, uniform over the range of each factor.

    Factors that multiply are uniform in their logarithm; where images lie on a grid, poses are the nearest on it.

    Arguments:
        images: Still images, or scenes.
        factors: The factors, as `scene_factors` finds them; those left out stay as they are.
        count: The number N of scenes drawn.
        generator: The source of scenes and poses.
        units: Units of the amounts of paths, where they are not the factors' own.

    Raises:
        ValueError: if a factor is not one of the scenes, or none of them moves.
    """
    scenes, device = as_scenes(images), generator.device
    check_positive("count", count)
    moving = [factor for factor in factors if factor.ordered]
    for factor in factors:
        known = scenes.transformations if factor.ordered else scenes.classes
        check_choice("factors", factor.name, tuple(known))
    if not moving:
        raise ValueError("`factors` must hold at least one that moves, got none")
    names = tuple(factor.name for factor in moving)
    chosen = units_of(names, units, scenes.transformations)
    picked = draw_scenes(scenes, count, generator)
    shares = torch.rand(count, len(moving), generator=generator, device=device).cpu().double()
    ends = torch.stack([chosen[f.name].to_amount(torch.tensor(f.values).double()[[0, -1]]) for f in moving], -1)
    start = Path(names, (ends[0] + shares * (ends[1] - ends[0])).unsqueeze(0))
    start = picked.attainable(start * 0.0, chosen, times=torch.zeros(1, dtype=torch.float64), start=start)[0]
    reached = dict(zip(start.names, start.total().unbind(-1), strict=True))
    values = [
        chosen[factor.name].to_value(reached[factor.name]) if factor.ordered else picked.classes[factor.name]
        for factor in factors
    ]
    return Poses(picked, start, chosen, tuple(factors), torch.stack([value.double().cpu() for value in values], -1))


def fit_scene_probes(
    images: Stills | Scenes,
    names: Sequence[str] | None = None,
    *,
    generator: torch.Generator,
    count: int = 10_000,
    steps: int = 600,
) -> FactorProbes:
    """Trains probes on scenes in random poses; see `fit_probes`.

    Arguments:
        images: The training images, or scenes.
        names: The factors that are read; see `scene_factors`.
        generator: The source of scenes, poses, weights and batches.
        count: The number of images drawn.
        steps: Steps of the optimiser.

    Raises:
        ValueError: if a name is no factor of the scenes, or a factor does not vary.
    """
    poses = draw_poses(images, scene_factors(images, names), count, generator=generator)
    return fit_probes(poses.images(), poses.values, poses.factors, generator=generator, steps=steps)

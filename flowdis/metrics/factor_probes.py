r"""Factor probes: a small network that reads ground-truth factors from images, to tell how far a flow moves each.

An ordered factor is read in the parameter in which steps add up, its value or the logarithm of it, standardised; a
circular one as (cos, sin) of its angle, an unordered one as probabilities of its classes. Between two images,

- an ordered factor moves by the difference of its readings;
- a circular one by the angle between its readings, the shorter way round;
- an unordered one by the total variation of its probabilities, :math:`\frac12 \sum_c |p_c - p_c'|`: the chance that
  its class has changed where the probes are sure of it, and 0 between equal readings where they are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flowdis._checks import check_images
from flowdis.data.grids import Factor
from flowdis.metrics.networks import reading_network, shrink, train_network
from flowdis.metrics.seeds import draw_seed

__all__ = ["FactorProbes", "fit_probes"]

_Stills = Float[Tensor, "N C H W"]
_Values = Float[Tensor, "N F"]
_Readings = Float[Tensor, "N O"]


@dataclass(frozen=True, eq=False)
class FactorProbes:
    """What `fit_probes` has learned to read.

    Arguments:
        factors: The F factors.
        image_shape: (C, H, W) of the images.
        network: From shrunk images to readings (N, O): one of each ordered factor, two of each circular one, and as
            many of an unordered one as it has classes.
        centre: The mean of each ordered factor's parameter, 0 for others, with shape (F,).
        spread: Its standard deviation, 1 for others, with shape (F,).
    """

    factors: tuple[Factor, ...]
    image_shape: tuple[int, int, int]
    network: nn.Module
    centre: Float[Tensor, "F"]
    spread: Float[Tensor, "F"]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the factors."""
        return tuple(factor.name for factor in self.factors)

    @torch.no_grad()
    def read(self, images: _Stills, *, batch_size: int = 500) -> _Readings:
        """The network's readings (N, O) of images (N, C, H, W), in float64, on the device of the images.

        Raises:
            ValueError: if the images are not of the shape that the probes were trained on.
        """
        if tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(f"`images` must end in (C, H, W) = {self.image_shape}, got shape {tuple(images.shape)}")
        weight = next(self.network.parameters())
        parts = [self.network(shrink(part).to(weight)) for part in images.split(batch_size)]
        return torch.cat(parts).to(images.device, torch.float64)

    def movement(self, first: _Readings, second: _Readings) -> tuple[_Values, _Values]:
        """How far each factor moves between two sets of readings.

        Arguments:
            first: The readings before, with shape (N, O).
            second: The readings after, with shape (N, O).

        Returns:
            The movements (N, F), signed: in natural units, in their logarithms where those are logarithmic, as chances
            for unordered factors. And the weights (N, F) that each is to be counted with: how sure the probes are of
            an angle, from 0 to 1, before and after together; 1 for other factors. An angle that cannot be seen, as
            that of a square among hearts, weighs next to nothing.
        """
        moves, weights = [], []
        splits = [_width(factor) for factor in self.factors]
        pairs = zip(first.split(splits, -1), second.split(splits, -1), strict=True)
        for factor, spread, (before, after) in zip(self.factors, self.spread, pairs, strict=True):
            weight = torch.ones_like(before[:, 0])
            if not factor.ordered:
                move = (before.softmax(-1) - after.softmax(-1)).abs().sum(-1) / 2
            elif factor.period is None:
                move = (after - before).squeeze(-1) * spread.to(before)
            else:
                cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
                move = torch.atan2(cross, (before * after).sum(-1)) * factor.period / (2 * math.pi)
                weight = before.norm(dim=-1).clamp(max=1) * after.norm(dim=-1).clamp(max=1)
            moves.append(move)
            weights.append(weight)
        return torch.stack(moves, -1), torch.stack(weights, -1)

    def accuracy(self, readings: _Readings, values: _Values) -> dict[str, float]:
        """How well factors are read: R^2 of ordered and circular ones (of cos and sin), the share of right classes.

        Arguments:
            readings: The readings, with shape (N, O).
            values: The true values, with shape (N, F), in natural units, as classes for unordered factors.
        """
        scores = {}
        targets = _targets(self.factors, values.to(readings), self.centre, self.spread)
        parts = readings.split([_width(factor) for factor in self.factors], -1)
        for factor, reading, target in zip(self.factors, parts, targets, strict=True):
            if not factor.ordered:
                scores[factor.name] = float((reading.argmax(-1) == target.squeeze(-1)).double().mean())
                continue
            left = (reading - target).square().sum()
            whole = (target - target.mean(0)).square().sum()
            scores[factor.name] = float(1 - left / whole) if whole > 0 else 0.0
        return scores


def fit_probes(
    images: _Stills,
    values: _Values,
    factors: Sequence[Factor],
    *,
    generator: torch.Generator,
    steps: int = 600,
    batch_size: int = 128,
    learning_rate: float = 6e-3,
) -> FactorProbes:
    """Trains one small network to read all factors from images, which are averaged to sides of at most 32 pixels.

    The default is enough for colours, places, sizes and shapes. The angle of a shape that has to be known first, as in
    sprites, takes longer. `FactorProbes.accuracy` tells what has been learned.

    Arguments:
        images: The images, with shape (N, C, H, W), in [0, 1].
        values: The value of each factor in its natural unit, its class for an unordered one, with shape (N, F).
        factors: The F factors: their names, units, periods and order; their values where there is no order.
        generator: The source of weights and batches.
        steps: Steps of the optimiser.
        batch_size: Images in a step.
        learning_rate: Of AdamW, at the start.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if shapes do not match, a value is not finite, not positive where its unit is logarithmic, or no
            class of an unordered factor, or a factor is constant; each named with its factor.
    """
    check_images("images", images)
    chosen = tuple(factors)
    if images.ndim != 4 or tuple(values.shape) != (len(images), len(chosen)):
        got = f"{tuple(values.shape)} for images of shape {tuple(images.shape)} and {len(chosen)} factors"
        raise ValueError(f"`values` must have shape (N, F), got {got}")
    for column, factor in enumerate(chosen):
        _check_values(factor, values[:, column])
    targets = _targets(chosen, values, values.new_zeros(len(chosen)), values.new_ones(len(chosen)))
    plain = torch.tensor([factor.ordered and not factor.circular for factor in chosen], device=values.device)
    first = torch.stack([target[:, 0] for target in targets], -1)
    centre = torch.where(plain, first.mean(0), 0.0)
    spread = torch.where(plain, first.std(0, correction=0), 1.0)
    aims = [aim.to(images.device) for aim in _targets(chosen, values, centre, spread)]
    inputs, widths = shrink(images).float(), [_width(factor) for factor in chosen]
    network = reading_network(inputs.shape[1:], sum(widths), seed=draw_seed(generator)).to(images.device)

    def loss(rows: Tensor) -> Tensor:
        rows = rows.to(inputs.device)
        readings = network(inputs[rows]).split(widths, -1)
        parts = zip(chosen, readings, aims, strict=True)
        return torch.stack([_loss(factor, reading, aim[rows]) for factor, reading, aim in parts]).sum()

    train_network(
        network,
        loss,
        len(images),
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        generator=generator,
    )
    channels, height, width = images.shape[1:]
    return FactorProbes(chosen, (channels, height, width), network, centre.double().cpu(), spread.double().cpu())


def _width(factor: Factor) -> int:
    return factor.size if not factor.ordered else 1 if factor.period is None else 2


def _targets(factors: Sequence[Factor], values: Tensor, centre: Tensor, spread: Tensor) -> list[Tensor]:
    """What is to be read of each factor: a parameter (N, 1), cos and sin (N, 2), or a class (N, 1)."""
    targets = []
    for column, factor in enumerate(factors):
        value = values[:, column]
        if factor.ordered and factor.period is not None:
            angle = value * (2 * math.pi / factor.period)
            targets.append(torch.stack([angle.cos(), angle.sin()], -1))
        elif factor.ordered:
            parameter = factor.unit.to_amount(value) * factor.unit.step
            scaled = (parameter - centre[column].to(value)) / spread[column].to(value)
            targets.append(scaled.unsqueeze(-1))
        else:
            targets.append(value.long().unsqueeze(-1))
    return targets


def _loss(factor: Factor, reading: Tensor, aim: Tensor) -> Tensor:
    """Near 1 for a factor that is not read at all, whatever its kind."""
    if not factor.ordered:
        return functional.cross_entropy(reading, aim.squeeze(-1)) / math.log(max(factor.size, 2))
    return (reading - aim.to(reading)).square().sum(-1).mean()


def _check_values(factor: Factor, column: Tensor) -> None:
    where = f"`values` of factor {factor.name!r}"
    wrong = (~torch.isfinite(column)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"{where} must be finite, got {float(column[row])} in row {row}")
    if factor.unit.logarithmic and bool((column <= 0).any()):
        raise ValueError(f"{where} must be positive {factor.unit.name}s, got {float(column.min())}")
    if not factor.ordered:
        wrong = ((column != column.round()) | (column < 0) | (column >= factor.size)).nonzero()
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(f"{where} must be classes 0 to {factor.size - 1}, got {float(column[row])} in row {row}")
    if len(column) == 0 or bool((column == column[0]).all()):
        raise ValueError(f"{where} must vary to be learned, got one value")

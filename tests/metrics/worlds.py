"""A world of three factors that linear flows move exactly, for metrics that read factors or flows from images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowdis.data.factor_scenes import FactorScenes
from flowdis.data.factors import FactorImages
from flowdis.data.grids import Factor
from flowdis.dynamics import Solver
from flowdis.fields import LinearField
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from flowdis.paths import Unit

__all__ = ["FACTORS", "SHAPE", "world", "world_model"]

SHAPE = (3, 8, 8)
_LEVELS = tuple(0.1 + 0.2 * i for i in range(5))
_ANGLES = tuple(45.0 * i for i in range(8))
FACTORS = (
    Factor("kind", (0.0, 1.0), ordered=False),
    Factor("level", _LEVELS, Unit("grey", 0.2)),
    Factor("angle", _ANGLES, Unit("degree", 45.0), period=360.0),
)


@dataclass(frozen=True)
class Renderer:
    """The level is the brightness of the upper half of red, the kind that of its lower half, the angle the rest."""

    image_shape: tuple[int, int, int] = SHAPE

    def render(self, values: Tensor) -> Tensor:
        kind, level, angle = values.unbind(-1)
        turn = angle * (math.pi / 180)
        return painted(torch.stack([kind, level, turn.cos(), turn.sin(), torch.ones_like(kind)], -1))


def painted(codes: Tensor) -> Tensor:
    kind, level, cosine, sine, _ = codes.unbind(-1)
    values = torch.stack([level, 0.1 + 0.8 * kind, 0.5 + 0.4 * cosine, 0.5 + 0.4 * sine], -1)
    blocks = values[..., [0, 1, 2, 2, 3, 3]].reshape(*values.shape[:-1], 3, 2, 1, 1)
    return blocks.expand(*values.shape[:-1], 3, 2, 4, 8).reshape(*values.shape[:-1], *SHAPE)


class Encoder(nn.Module):
    """The five numbers that an image is painted from."""

    def forward(self, images: Tensor) -> Posterior:
        red, green, blue = images.unbind(-3)
        level, kind = red[..., :4, :].mean((-2, -1)), (red[..., 4:, :].mean((-2, -1)) - 0.1) / 0.8
        cosine, sine = ((part.mean((-2, -1)) - 0.5) / 0.4 for part in (green, blue))
        mean = torch.stack([kind, level, cosine, sine, torch.ones_like(level)], -1)
        return Posterior(mean, torch.full_like(mean, -3.0))


class Decoder(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return torch.logit(painted(z).clamp(1e-6, 1 - 1e-6))


def world(*, continuous: bool = True) -> FactorScenes:
    """Scenes of both kinds, whose level and angle move."""
    data = FactorImages(FACTORS, Renderer())
    if not continuous:
        data = FactorImages.from_arrays(data.images(torch.arange(len(data))), FACTORS, channels="first")
    return FactorScenes(data)


def world_model(*names: str, still: bool = False) -> LatentFlow:
    """A perfect autoencoder of the world; each flow, whatever its name, moves level, then angle."""
    matrices = torch.zeros(2, 5, 5)
    matrices[0, 1, 4] = 0.2
    matrices[1, 3, 2], matrices[1, 2, 3] = math.pi / 4, -math.pi / 4
    names = names or ("level", "angle")
    fields = LinearField(names, 5, generator=torch.Generator())
    fields.load_state_dict({"matrix": 0 * matrices if still else matrices})
    known = {factor.name: factor.unit for factor in FACTORS}
    units = {name: known.get(name, Unit()) for name in names}
    config = LatentFlowConfig(SHAPE, units, dim=5, field="linear", solver=Solver(steps_per_unit=4))
    return LatentFlow(config, encoder=Encoder(), decoder=Decoder(), fields=fields).eval()

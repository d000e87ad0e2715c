"""Models whose answers are known, and small ones that are quick."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowdis.data import units_of
from flowdis.fields import LinearField
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior

__all__ = ["CentredDecoder", "CentredEncoder", "small_config", "small_model", "stills", "turning_model"]


class CentredEncoder(nn.Module):
    """Codes are the pixels, with mid grey at the origin."""

    def forward(self, images: Tensor) -> Posterior:
        mean = images.flatten(1) - 0.5
        return Posterior(mean, torch.full_like(mean, -2.0))


class CentredDecoder(nn.Module):
    """The exact inverse of `CentredEncoder`; the image has one row."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.logit(z + 0.5).reshape(len(z), 1, 1, -1)


def at_angles(degrees: Tensor, radius: float = 0.3) -> Tensor:
    """Images of two pixels whose codes stand at given angles, (B, 1, 1, 2)."""
    radians = torch.deg2rad(degrees.double())
    return 0.5 + radius * torch.stack([radians.cos(), radians.sin()], dim=-1)[:, None, None, :]


def turning_model() -> LatentFlow:
    """Images of two pixels that turn about mid grey, exactly, by a natural unit of degrees; in float64."""
    config = LatentFlowConfig((1, 1, 2), units_of(["rotate"]), dim=2, field="linear")
    fields = LinearField(("rotate",), 2)
    model = LatentFlow(config, encoder=CentredEncoder(), decoder=CentredDecoder(), fields=fields).double()
    quarter = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
    fields.load_state_dict({"matrix": math.pi / 4 * quarter})
    return model.eval()


def small_config(names: Sequence[str] = ("rotate", "hue"), shape: tuple[int, int, int] = (3, 8, 8)) -> LatentFlowConfig:
    return LatentFlowConfig(shape, units_of(names), dim=4, channels=(4,), decoder_hidden=8, field_options={"hidden": 8})


def small_model(names: Sequence[str] = ("rotate", "hue"), shape: tuple[int, int, int] = (3, 8, 8)) -> LatentFlow:
    """An untrained model whose weights are the same each time."""
    model = LatentFlow(small_config(names, shape))
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def stills(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))

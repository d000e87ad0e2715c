"""Models whose errors are known: pixels for codes, and fields that are the truth, or nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowdis.data import units_of
from flowdis.dynamics import Solver
from flowdis.fields import LinearField
from flowdis.models import LatentFlow, LatentFlowConfig, Posterior
from flowdis.paths import Unit

__all__ = ["PixelDecoder", "PixelEncoder", "brightness_model", "grey", "linear_model", "small_model"]

SHAPE = (3, 4, 4)


class PixelEncoder(nn.Module):
    """Codes are the pixels themselves."""

    def forward(self, images: Tensor) -> Posterior:
        mean = images.flatten(-3)
        return Posterior(mean, torch.full_like(mean, -3.0))


class PixelDecoder(nn.Module):
    """Images are the codes themselves, as logits."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, z: Tensor) -> Tensor:
        return torch.logit(z.clamp(1e-12, 1 - 1e-12)).reshape(*z.shape[:-1], *self.shape)


def linear_model(
    matrices: dict[str, Tensor],
    *,
    shape: tuple[int, int, int] = SHAPE,
    units: dict[str, Unit] | None = None,
    temperature: float = 0.0,
    solver: Solver | None = None,
) -> LatentFlow:
    """A perfect autoencoder of images whose pixels are its codes, in float64, with linear fields."""
    dim = shape[0] * shape[1] * shape[2]
    fields = LinearField(tuple(matrices), dim, generator=torch.Generator())
    units = units_of(tuple(matrices)) if units is None else units
    config = LatentFlowConfig(shape, units, dim=dim, field="linear", temperature=temperature, solver=solver or Solver())
    model = LatentFlow(config, encoder=PixelEncoder(), decoder=PixelDecoder(shape), fields=fields).double()
    fields.load_state_dict({"matrix": torch.stack(list(matrices.values())).double()})
    return model.eval()


def brightness_model(*, still: bool = False) -> LatentFlow:
    """Hue, which grey images do not show, and brightness, which multiplies pixels: exact, unless `still`."""
    eye = torch.eye(48, dtype=torch.float64)
    rate = 0.0 if still else units_of(["brightness"])["brightness"].step
    return linear_model({"hue": 0 * eye, "brightness": rate * eye})


def grey(count: int = 6) -> Tensor:
    """Random grey images in float64, dark enough to be brightened without clamping."""
    images = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return (0.05 + 0.45 * images).repeat(1, 3, 1, 1)


def small_model(*names: str, shape: tuple[int, int, int] = (3, 8, 8), dim: int = 6) -> LatentFlow:
    """An untrained convolutional model in float64, its weights the same each time."""
    config = LatentFlowConfig(
        shape,
        units_of(names),
        dim=dim,
        channels=(4,),
        decoder_hidden=8,
        field_options={"hidden": 8},
        solver=Solver(steps_per_unit=1.0),  # few steps: what is tested holds at any number
    )
    model = LatentFlow(config).double()
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = 0.3 * noise
    return model.eval()

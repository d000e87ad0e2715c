"""Images to start from, and what data the gauge compares with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data import TRANSFORMS, apply_path, digits, load_images
from flowdis.models import CodeDensity, LatentFlow
from flowdis.paths import Path as FlowPath

__all__ = ["Samples", "find_samples"]

_SHOWN = 10
_FEWEST, _MOST = 50, 2000  # images that a density is fitted to


@dataclass(frozen=True, eq=False)
class Samples:
    """What the page offers to edit, with names, and the data behind it.

    Arguments:
        images: The images that are shown (N, C, H, W) in [0, 1].
        names: What each of them is called.
        data: Images (M, C, H, W) like those that the model was trained on; None where there are none.
        told: What the data are: "test digits".
    """

    images: Float[Tensor, "N C H W"]
    names: tuple[str, ...]
    data: Float[Tensor, "M C H W"] | None
    told: str

    def density(self, model: LatentFlow) -> tuple[CodeDensity, float]:
        """The density of codes with its border, and the median of its logarithm, in nats."""
        if self.data is None:
            density = CodeDensity.prior(model.dim)
            codes = density.sample(1000, torch.Generator().manual_seed(0))
            return density, float(density.log_density(codes).median())
        images = _posed(model, self.data)
        held = torch.arange(len(images)) % 5 == 0
        density = CodeDensity.fit(model, images[~held], held_out=images[held], kind="gaussian")
        with torch.no_grad():
            codes = model.encode(images[held].to(device=model.device, dtype=model.dtype)).mean
            return density, float(density.log_density(codes).median())


def find_samples(model: LatentFlow, folder: str | Path | None = None) -> Samples:
    """Images of a folder; where none is given, test digits for a model of digits, or else what the prior decodes to.

    Arguments:
        model: The model.
        folder: A folder of images, or None.

    Raises:
        OSError: if the folder does not exist.
        ValueError: if it holds no image.
    """
    if folder is not None:
        images, files = load_images(folder, image_shape=model.image_shape, skip_bad=True)
        shown = images[:: max(1, len(images) // _SHOWN)][:_SHOWN]
        names = tuple(file.stem for file in files[:: max(1, len(files) // _SHOWN)][:_SHOWN])
        data = images[:: max(1, len(images) // _MOST)] if len(images) >= _FEWEST else None
        return Samples(shown, names, data, f"images of {Path(folder).name}" if data is not None else "the prior")
    if model.image_shape[1:] == (28, 28):
        try:
            images, labels = digits(train=False, colour=model.image_shape[0] == 3)
        except ImportError:
            pass
        else:
            each = [int((labels == digit).nonzero()[20]) for digit in range(_SHOWN)]
            return Samples(images[each], tuple(f"digit {digit}" for digit in range(_SHOWN)), images, "test digits")
    z = torch.randn(_SHOWN, model.dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        images = model.decode(z.to(device=model.device, dtype=model.dtype)).float().cpu()
    return Samples(images, tuple(f"sample {index + 1}" for index in range(_SHOWN)), None, "the prior")


def _posed(model: LatentFlow, images: Tensor) -> Tensor:
    """Images in any pose that the model's transformations reach, where these can be drawn truly."""
    known = [TRANSFORMS.get(name) for name in model.names]
    if not all(
        kind is not None and kind.unit.name == model.units[name].name
        for kind, name in zip(known, model.names, strict=True)
    ):
        return images
    generator = torch.Generator().manual_seed(0)
    columns = []
    for kind, unit in zip(known, model.units.values(), strict=True):
        low, high = (float(unit.to_amount(value)) for value in kind.range)  # type: ignore[union-attr]
        columns.append(low + (high - low) * torch.rand(len(images), generator=generator))
    return apply_path(images, FlowPath(model.names, torch.stack(columns, dim=-1).unsqueeze(0)), model.units)

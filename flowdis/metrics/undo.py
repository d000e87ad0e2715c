"""Undoing: there along a path and back along its inverse, what is left over?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from flowdis.dynamics import Solver
from flowdis.metrics.batches import Stills, check_stills, codes, model_path, pixel_distance, rows, slices
from flowdis.models import LatentFlow
from flowdis.paths import Path

__all__ = ["UndoError", "undo_error"]


@dataclass(frozen=True)
class UndoError:
    """What is left over after a path and its inverse.

    Arguments:
        pixels: The sum of absolute pixel differences of the decoded codes, the mean over images.
        latent: The distance of the codes relative to their length, |z' - z| / |z|, the largest over images.
        latent_mean: The same, the mean over images.
    """

    pixels: float
    latent: float
    latent_mean: float

    def to_json(self) -> dict[str, float]:
        """The errors by name."""
        return asdict(self)


@torch.no_grad()
def undo_error(
    model: LatentFlow, images: Stills, path: Path, *, solver: Solver | None = None, batch_size: int = 250
) -> UndoError:
    """The error of going along a path and back along its inverse, which only the solver makes.

    Underdamped motion retraces its states on the way back, so it is 0 for a model of that kind.

    Arguments:
        model: The model; neither its mode nor its gradients are touched.
        images: The images, with shape (N, C, H, W), in [0, 1].
        path: The way there.
        solver: The numerical method; the model's own where left out.
        batch_size: How many images are worked on at a time.

    Returns:
        The error, in pixels and in latents.

    Raises:
        TypeError: if the images are not floating-point.
        ValueError: if images or path do not fit the model, or its dynamics is noisy and so cannot be undone.
        FlowError: if a flow cannot be integrated.
    """
    check_stills("images", images, model)
    if model.config.temperature > 0:
        raise ValueError(f"`model` must have temperature 0 to undo a path, got {model.config.temperature}")
    path = model_path(model, path)
    pixels, relative = [], []
    for piece in slices(len(images), batch_size):
        z = codes(model, images[piece])
        there = rows(path, piece)
        back = model.transport(there >> ~there, z, solver=solver).z[-1]
        pixels.append(pixel_distance(model.decode(back), model.decode(z)).double())
        size = z.norm(dim=-1).clamp(min=torch.finfo(z.dtype).tiny)
        relative.append(((back - z).norm(dim=-1) / size).double())
    ratios = torch.cat(relative)
    return UndoError(float(torch.cat(pixels).mean()), float(ratios.max()), float(ratios.mean()))

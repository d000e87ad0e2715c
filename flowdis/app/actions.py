"""What the page computes: images along a path, in turn beside at once, and how far a code is from the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.app.state import Controls, Source, path_of
from flowdis.dynamics import Overdamped, Solver
from flowdis.models import CodeDensity, LatentFlow
from flowdis.paths import Path

__all__ = ["Comparison", "Gauge", "Reading", "codes_along", "compare", "make_source", "quick_image"]

_QUICK = 8.0  # steps per unit while a slider moves: by rk4 hardly a pixel differs by a level from that at rest

_Image = Float[Tensor, "C H W"]
_Code = Float[Tensor, "D"]


@torch.no_grad()
def make_source(model: LatentFlow, image: _Image, name: str) -> Source:
    """An image (C, H, W) in [0, 1], rounded to bytes, with its code."""
    rounded = (image.clamp(0, 1) * 255).round() / 255
    z = model.encode(rounded.to(device=model.device, dtype=model.dtype).unsqueeze(0)).mean[0]
    return Source(rounded.to(device="cpu", dtype=torch.float32), z, name)


@torch.no_grad()
def codes_along(model: LatentFlow, z: _Code, path: Path, frames: int = 1) -> Float[Tensor, "frames D"]:
    """Codes (frames, D) along a path: its end alone, or so many from its start to its end, equally spaced.

    Raises:
        FlowError: if the flow cannot be integrated.
    """
    times = None if frames == 1 else torch.linspace(0, path.segments, frames, dtype=torch.float64)
    walk = model.transport(path, z.unsqueeze(0), frames=times, generator=_noise(model))
    return walk.z[-frames:, 0]


@torch.no_grad()
def quick_image(model: LatentFlow, z: _Code, path: Path) -> _Image:
    """The image (C, H, W) at the end of a path, in as few steps as the eye allows.

    Raises:
        FlowError: if the flow cannot be integrated.
    """
    walk = model.transport(path, z.unsqueeze(0), solver=_quick(model), generator=_noise(model))
    image: Tensor = model.decode(walk.z[-1])[0]
    return image


@dataclass(frozen=True, eq=False)
class Comparison:
    """The same values in turn and at once.

    Arguments:
        in_turn: The image with one flow after the other.
        at_once: The image with all flows together.
        difference: Their difference (1, H, W), in the channel in which it is largest.
        total: The sum of absolute differences over pixels and channels.
    """

    in_turn: _Image
    at_once: _Image
    difference: Float[Tensor, "1 H W"]
    total: float


@torch.no_grad()
def compare(model: LatentFlow, source: Source, controls: Controls) -> Comparison:
    """The edit of an image in turn beside the edit at once.

    Raises:
        FlowError: if a flow cannot be integrated.
    """
    paths = [path_of(replace(controls, at_once=at_once), model.flows()) for at_once in (False, True)]
    ends = torch.stack([codes_along(model, source.z, path)[-1] for path in paths])
    in_turn, at_once = model.decode(ends)
    gap = (in_turn - at_once).abs()
    return Comparison(in_turn, at_once, gap.amax(0, keepdim=True), float(gap.sum()))


@dataclass(frozen=True)
class Reading:
    """Where a code stands among the codes of data.

    Arguments:
        value: The log-density in nats.
        border: The log-density that 1 % of held-out data lie below.
        typical: The median over data.
    """

    value: float
    border: float
    typical: float

    @property
    def outside(self) -> bool:
        """Whether the code is outside of the data."""
        return self.value < self.border

    @property
    def place(self) -> float:
        """The place on a scale from 0 to 1 that has the border at 1/3 and the median at 2/3."""
        span = max(self.typical - self.border, 1e-12)
        return min(1.0, max(0.0, 1 / 3 + (self.value - self.border) / (3 * span)))


@dataclass(frozen=True, eq=False)
class Gauge:
    """The density that codes are measured by.

    Arguments:
        density: The density of codes of data.
        typical: The median of its logarithm over data, in nats.
        told: What the data are, for the reader.
    """

    density: CodeDensity
    typical: float
    told: str

    @torch.no_grad()
    def read(self, z: _Code) -> Reading:
        """Where a code (D) stands."""
        value = float(self.density.log_density(z.unsqueeze(0).to(self.density.mixture.means)))
        return Reading(value, self.density.border, self.typical)


def _quick(model: LatentFlow) -> Solver:
    solver = model.config.solver
    fixed = solver.method == "rk4" and solver.steps is None and isinstance(model.dynamics, Overdamped)
    return replace(solver, steps_per_unit=min(_QUICK, solver.steps_per_unit)) if fixed else solver


def _noise(model: LatentFlow) -> torch.Generator | None:
    """The same noise each time, where the model's dynamics has some, so that an edit is the same when done again."""
    noisy = model.dynamics.temperature > 0
    return torch.Generator(model.device).manual_seed(0) if noisy else None

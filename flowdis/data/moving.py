"""Still images set in motion as sequences of frames: turning, growing and shrinking, drifting across a canvas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from flowdis._checks import check_choice, check_images, check_positive
from flowdis.data.frames import FrameSequences
from flowdis.data.motions import uniform
from flowdis.data.rendered import RenderedFrames
from flowdis.data.transforms import path_matrices
from flowdis.paths import Path, Unit

__all__ = ["StillRenderer", "moving_images"]

_Stills = Float[Tensor, "M C H W"]
_Range = tuple[float, float]

_EDGES = ("wrap", "bounce")
_UNITS = {"rotate": Unit("degree", 1.0), "scale": Unit("factor", math.e, logarithmic=True)}


@dataclass(frozen=True, eq=False)
class StillRenderer:
    """Images of stills in a pose, an `ImageRenderer`: each is sampled once, bilinearly, over black.

    Arguments:
        stills: The stills in [0, 1], with shape (M, C, H, W).
        canvas: The height and width of the images, in pixels.
        wrapped: Whether what leaves at one side comes in at the other.
    """

    stills: _Stills
    canvas: tuple[int, int]
    wrapped: bool = True

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.stills.shape[1], *self.canvas

    def render(self, values: Float[Tensor, "B 5"]) -> Float[Tensor, "B C H W"]:
        """Renders states: degrees counter-clockwise, log of size, x to the right, y down, number of the still."""
        where = values.to(self.stills.device)
        pose = path_matrices(Path(("rotate", "scale"), where[None, :, :2]), _UNITS)
        height, width = self.stills.shape[-2:]
        back = torch.linalg.inv(pose)[:, :2, :2] * pose.new_tensor([[2 / width], [2 / height]])
        x, y = (self._offsets(where[:, 2 + axis], self.canvas[1 - axis]) for axis in range(2))
        back = back.to(where)
        across = back[:, :, :1] * x[:, None]
        down = back[:, :, 1:] * y[:, None]
        grid = (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1).to(self.stills.dtype)
        picked = self.stills[where[:, 4].round().long()]
        return grid_sample(picked, grid, mode="bilinear", padding_mode="zeros", align_corners=False).to(values.device)

    def _offsets(self, centre: Tensor, size: int) -> Tensor:
        """How far pixels (B, size) are from the still's centre along one axis, the short way round if wrapped."""
        pixels = torch.arange(size, dtype=centre.dtype, device=centre.device) - (size - 1) / 2
        offsets = pixels - centre[:, None]
        return _wrapped(offsets, size) if self.wrapped else offsets


def moving_images(
    images: _Stills,
    count: int,
    steps: int,
    *,
    rotate: _Range = (0.0, 0.0),
    scale: _Range = (0.0, 0.0),
    drift: _Range = (0.0, 0.0),
    sizes: _Range = (0.7, 1.3),
    turned: _Range = (0.0, 360.0),
    canvas: int | None = None,
    edges: str = "wrap",
    name: str = "moving_images",
    generator: torch.Generator | None = None,
) -> FrameSequences:
    """Sets stills, such as digits, in motion, each at speeds of its own that stay the same along its sequence.

    Draw training and test sequences from different ranges of speed to see what becomes of speeds not seen.

    Arguments:
        images: The stills in [0, 1], with shape (M, C, H, W); each sequence is of any one of them.
        count: The number N of sequences.
        steps: The number of steps; sequences have one frame more.
        rotate: The range of speeds of turning, in degrees per frame, counter-clockwise as seen; backwards below 0.
        scale: The range of speeds of growing and shrinking, in degrees of its cycle per frame: the size goes to and fro
            between `sizes`, its logarithm as a sine. At speeds of 0 it is 1.
        drift: The range of speeds of drifting, in pixels per frame, in any direction. At speeds of 0 images stay at
            the centre; else they start anywhere.
        sizes: The least and the greatest size, as factors.
        turned: The range of angles in degrees to start at, where images turn.
        canvas: The height and width of the frames; that of the stills if left out.
        edges: What becomes of what leaves the canvas: "wrap" brings it in at the other side; "bounce" turns images back
            before, so that the canvas must be larger than they are.
        name: What the sequences are called in reports.
        generator: Where all randomness comes from.

    Returns:
        The sequences, rendered as they are asked for, with states (degrees, log of size, x and y of the centre in
        pixels from that of the canvas, x to the right and y down, number of the still).

    Raises:
        TypeError: if the images are not floats.
        ValueError: if a number is out of range, or images that bounce fill the canvas.

    Example:
        >>> digits = torch.rand(10, 1, 28, 28)
        >>> slow = moving_images(digits, 100, 18, rotate=(10.0, 20.0), generator=torch.Generator().manual_seed(0))
        >>> slow.states.shape, slow.sample(4, frames=9).frames.shape
        (torch.Size([19, 100, 5]), torch.Size([10, 4, 1, 28, 28]))
    """
    check_images("images", images)
    _check_ranges(rotate=rotate, scale=scale, drift=drift, sizes=sizes, turned=turned)
    for argument, number in {"count": count, "steps": steps, "len(images)": len(images), "sizes": sizes[0]}.items():
        check_positive(argument, number)
    check_choice("edges", edges, _EDGES)
    size = (canvas, canvas) if canvas is not None else (images.shape[-2], images.shape[-1])
    room = (size[0] - images.shape[-2], size[1] - images.shape[-1])
    if edges == "bounce" and any(drift) and min(room) <= 0:
        raise ValueError(f"`canvas` must be larger than the images, {tuple(images.shape[-2:])}, to bounce, got {size}")

    ticks = torch.arange(steps + 1, dtype=torch.float64)[:, None]
    pose = _turning(rotate, turned, ticks, count, generator), _growing(scale, sizes, ticks, count, generator)
    place = _drifting(drift, size if edges == "wrap" else room, edges, ticks, count, generator)
    which = _drawn((0.0, float(len(images))), count, generator).floor().clamp_max(len(images) - 1)
    states = torch.stack([*pose, *place, which.expand(steps + 1, -1)], -1)
    return FrameSequences(RenderedFrames(StillRenderer(images, size, edges == "wrap"), states), name=name)


def _turning(speeds: _Range, starts: _Range, ticks: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Degrees (T, N)."""
    start = _drawn(starts if any(speeds) else (0.0, 0.0), count, generator)
    return start + ticks * _drawn(speeds, count, generator)


def _growing(speeds: _Range, sizes: _Range, ticks: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Logarithms of sizes (T, N)."""
    if not any(speeds):
        return torch.zeros(len(ticks), count, dtype=torch.float64)
    low, high = math.log(sizes[0]), math.log(sizes[1])
    phase = _drawn((0.0, 360.0), count, generator) + ticks * _drawn(speeds, count, generator)
    return (low + high) / 2 + (high - low) / 2 * torch.deg2rad(phase).sin()


def _drifting(
    speeds: _Range, room: tuple[int, int], edges: str, ticks: Tensor, count: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Places x and y (T, N), within a room (height, width) about the centre."""
    if not any(speeds):
        return (torch.zeros(len(ticks), count, dtype=torch.float64),) * 2
    heading, speed = torch.deg2rad(_drawn((0.0, 360.0), count, generator)), _drawn(speeds, count, generator)
    bring = _wrapped if edges == "wrap" else _folded
    starts = [_drawn((-whole / 2, whole / 2), count, generator) for whole in room]
    down, across = (
        start + ticks * speed * way for start, way in zip(starts, (heading.sin(), heading.cos()), strict=True)
    )
    return bring(across, float(room[1])), bring(down, float(room[0]))


def _drawn(bounds: _Range, count: int, generator: torch.Generator | None) -> Tensor:
    return uniform(*bounds, count, generator).to("cpu", torch.float64)


def _wrapped(free: Tensor, whole: float) -> Tensor:
    """Brought into [-whole / 2, whole / 2), round a circle."""
    return (free + whole / 2).remainder(whole) - whole / 2


def _folded(free: Tensor, whole: float) -> Tensor:
    """Brought into [-whole / 2, whole / 2], to and fro."""
    return whole / 2 - ((free + whole / 2).remainder(2 * whole) - whole).abs()


def _check_ranges(**ranges: _Range) -> None:
    for argument, (low, high) in ranges.items():
        if not -math.inf < low <= high < math.inf:
            raise ValueError(f"`{argument}` must be two ascending finite values, got {(low, high)}")

"""What a mechanical system looks like: its bodies as discs, hanging from rods where it has any, on black."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.data.physics.draw import disc, over, rod
from flowdis.data.render.checks import at_a_time, check_image_size

__all__ = ["BodyRenderer", "System"]

_WHITE = ((1.0,),)
_COLOURS = ((1.0, 0.25, 0.2), (0.2, 0.7, 1.0), (1.0, 0.85, 0.2), (0.3, 0.9, 0.4), (0.8, 0.4, 1.0), (1.0, 0.6, 0.7))
_ROD = 0.6
_CHUNK = 64  # images at a time on a CPU, whose maps stay in the cache


@runtime_checkable
class System(Protocol):
    """What has bodies in a plane, and an energy."""

    def places(self, states: Float[Tensor, "*batch S"]) -> Float[Tensor, "*batch bodies 2"]:
        """Where each body is, x to the right and y up."""
        ...

    def energy(self, states: Float[Tensor, "*batch S"]) -> Float[Tensor, "*batch"]:
        """The energy of states."""
        ...


@dataclass(frozen=True)
class BodyRenderer:
    """Images of states, an `ImageRenderer`: antialiased, the first body in front.

    Arguments:
        system: The system, which says where its bodies are.
        radii: The radius of each body.
        reach: How far the image reaches from its centre, to each side.
        image_size: The height and width in pixels.
        colour: Whether each body has a colour of its own, or all are white in grey images.
        rods: The lengths of the rods, from the centre to the first body and from body to body; none where empty.
        width: The width of the rods.

    Raises:
        ValueError: if a length is not positive, or `image_size` is not an integer of at least 8.
    """

    system: System
    radii: tuple[float, ...]
    reach: float
    image_size: int = 32
    colour: bool = False
    rods: tuple[float, ...] = ()
    width: float = 0.15

    def __post_init__(self) -> None:
        check_image_size(self.image_size)
        for name in ("reach", "width"):
            check_positive(name, getattr(self, name))
        for name in ("radii", "rods"):
            for length in getattr(self, name):
                check_positive(name, length)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return 3 if self.colour else 1, self.image_size, self.image_size

    @property
    def unit(self) -> float:
        """How many pixels a length of 1 is."""
        return self.image_size / (2 * self.reach)

    def pixels(self, states: Float[Tensor, "B S"]) -> Float[Tensor, "B bodies 2"]:
        """Where bodies are in pixels (x to the right, y down), (0, 0) being the centre of the upper left pixel."""
        flipped = self.system.places(states) * states.new_tensor([self.unit, -self.unit])
        return flipped + (self.image_size - 1) / 2

    @torch.no_grad()
    def render(self, values: Float[Tensor, "B S"]) -> Float[Tensor, "B C H W"]:
        """Renders states; gradients are not followed."""
        images = values.new_zeros(len(values), *self.image_shape)
        size = at_a_time(values, _CHUNK)
        for chunk, part in zip(images.split(size), values.split(size), strict=True):
            self._draw(chunk, self.pixels(part))
        return images

    def _draw(self, images: Tensor, points: Tensor) -> None:
        size, unit = self.image_size, self.unit
        hung = torch.full_like(points[:, 0], (size - 1) / 2)
        for k, length in enumerate(self.rods):
            bar = rod(hung, points[:, k], unit * self.width, size, longest=unit * length)
            hung = points[:, k]
            over(images, bar, (_ROD,) * images.shape[1])
        palette = _COLOURS if self.colour else _WHITE
        for k in reversed(range(len(self.radii))):
            over(images, disc(points[:, k], unit * self.radii[k], size), palette[k % len(palette)])

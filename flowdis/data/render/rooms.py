"""Rooms: an object on the floor of a room, with the six factors of 3dshapes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowdis.data.factors import FactorImages
from flowdis.data.grids import Factor
from flowdis.data.render.camera import Camera
from flowdis.data.render.checks import at_a_time, check_image_size, check_values
from flowdis.data.render.colours import pure_colours
from flowdis.data.render.pose import Pose, lit, pixelwise
from flowdis.data.render.solids import SOLIDS, draw_solids
from flowdis.data.render.walls import draw_walls
from flowdis.paths import Unit

__all__ = ["RoomRenderer", "render_rooms", "rooms"]

_NAMES = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
_VIEW = [4, 3, 5]  # all that geometry depends on: shape, scale, orientation
_LARGEST = 3.0  # the camera is outside of objects up to this scale
_CHUNK = 64  # views at a time on a CPU: more are not faster there, and take more memory


def rooms(*, image_size: int = 64, published: bool = False) -> FactorImages:
    """Renders rooms like those of 3dshapes (Burgess and Kim 2018), at any values of their factors.

    A pinhole camera looks down at an object on the floor of a square room. Factors, the last varying fastest:

    - floor_hue, wall_hue, object_hue: 10 hues each, 0 (red), 36, .. degrees, period 360.
    - scale: of the object, 8 values from 0.75 to 1.25.
    - shape: 0 cube, 1 cylinder, 2 sphere, 3 capsule.
    - orientation: 15 angles in degrees from -30 to 30, by which the camera has walked to the right around the room.

    Surfaces are lit from far away by Lambert's law, and by the sky, of which the object hides some from the floor. A
    hue changes the colour of its surface, and no brightness. At -a degrees a room is the mirror image of that at a.

    Arguments:
        image_size: The height and width; what is seen stays the same.
        published: Whether values are those of 3dshapes. They are in either case: no two of these show the same image.

    Returns:
        The images (3, image_size, image_size), rendered as they are asked for.

    Raises:
        ValueError: if `image_size` is not an integer of at least 8.

    Example:
        >>> data = rooms()
        >>> len(data), data[0].shape, [factor.values[-1] for factor in data.factors]
        (480000, torch.Size([3, 64, 64]), [324.0, 324.0, 324.0, 1.25, 3.0, 30.0])
    """
    hues = tuple(36.0 * number for number in range(10))
    factors = [Factor(name, hues, Unit("degree", 90.0), period=360.0) for name in _NAMES[:3]]
    factors += [
        Factor("scale", tuple(0.75 + number / 14 for number in range(8)), Unit("factor", 1.25, logarithmic=True)),
        Factor("shape", tuple(float(number) for number in range(len(SOLIDS))), ordered=False),
        Factor("orientation", tuple(30.0 * number / 7 for number in range(-7, 8)), Unit("degree", 15.0)),
    ]
    return FactorImages(factors, RoomRenderer(check_image_size(image_size)), name="rooms")


@dataclass(frozen=True)
class RoomRenderer:
    """Where the images of `rooms` come from, an `ImageRenderer`.

    Arguments:
        image_size: The height and width.
    """

    image_size: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return 3, self.image_size, self.image_size

    def render(self, values: Float[Tensor, "B 6"]) -> Float[Tensor, "B 3 H W"]:
        """See `render_rooms`."""
        return render_rooms(values, self.image_size)


@torch.no_grad()
def render_rooms(
    values: Float[Tensor, "B F"], image_size: int = 64, *, chunk: int | None = None
) -> Float[Tensor, "B 3 H W"]:
    """Renders rooms at any values of their factors; gradients are not followed.

    An image is a sum over floor, walls and object of a map times a colour. Maps depend on shape, scale and orientation
    alone, and rooms that differ in hues only share them.

    Arguments:
        values: The hues of floor, walls and object, scale, shape and orientation, as `rooms` says, in float32 or
            float64, with shape (B, 6).
        image_size: The height and width.
        chunk: How many views are rendered at a time; 64 on a CPU and 1024 elsewhere if left out.

    Returns:
        The images in [0, 1], in the dtype and on the device of `values`, with shape (B, 3, H, W).

    Raises:
        TypeError: if the values have another dtype.
        ValueError: naming factor and row, if a value is not finite, a shape is none of the four, or a scale is not
            in (0, 3].
    """
    check_values(values, _NAMES, [solid.name for solid in SOLIDS], _LARGEST)
    camera = Camera.of(check_image_size(image_size), values)
    views, number = torch.unique(values[:, _VIEW], dim=0, return_inverse=True)  # sorted by shape, then by scale
    order, ends = number.argsort(), torch.bincount(number, minlength=len(views)).cumsum(0).tolist()
    colours = pure_colours(values[:, :3]).transpose(1, 2)
    images = values.new_empty(len(values), 3, image_size, image_size)
    chunk = chunk or at_a_time(values, _CHUNK)
    for first in range(0, len(views), chunk):
        maps = _maps(camera, views[first : first + chunk]).flatten(2)
        rows = order[ends[first - 1] if first else 0 : ends[first + len(maps) - 1]]
        for some in rows.split(chunk):
            shown = maps if len(rows) == len(maps) else maps[number[some] - first]
            images[some] = torch.bmm(colours[some], shown).view(-1, *images.shape[1:])
    return images


def _maps(camera: Camera, views: Float[Tensor, "U 3"]) -> Float[Tensor, "U 3 H W"]:
    """The brightness of floor, walls and object, times their share of each pixel."""
    shapes, scales, orientations = views.unbind(1)
    pose = Pose.of(orientations)
    maps = views.new_zeros(len(views), 3, len(camera.rise), len(camera.x))
    rows = draw_walls(camera, pose, maps[:, 0], maps[:, 1])
    maps[:, 0, rows] *= pixelwise(lit(pose.light[:, 1]))
    draw_solids(camera, pose, shapes.long(), scales, maps, rows)
    return maps

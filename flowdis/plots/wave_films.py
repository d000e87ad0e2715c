"""Films of waves: the phase of a lattice over time, its charges marked."""

from __future__ import annotations

from pathlib import Path as FilePath

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from flowdis._checks import check_finite, check_positive
from flowdis.plots.animations import save_gif
from flowdis.plots.canvas import cycle_map
from flowdis.plots.wave_parts import DARK, LIGHT, phase_shades
from flowdis.waves.pinwheels import find_pinwheels

__all__ = ["phase_film", "phase_frames"]


def phase_film(
    signal: Complex[Tensor, "T *batch H W"],
    file: str | FilePath,
    *,
    seconds: float = 4.0,
    magnify: int = 10,
    pinwheels: bool = True,
    periodic: bool = True,
    least: float = 0.1,
    columns: int | None = None,
) -> FilePath:
    """Writes the phase over time as a GIF that loops, weak sites dark, positive charges light and negative ones dark.

    Arguments:
        signal: The analytic or quadrature signal, with shape (T, H, W), or (T, N, H, W) of N lattices side by side.
        file: Where to write; its folder is made if it does not exist.
        seconds: How long one loop takes.
        magnify: How many pixels of the film a site becomes, across and down.
        pinwheels: Whether charges are marked.
        periodic: Whether the lattice is a torus.
        least: The least amplitude of a plaquette whose charge is marked, as a share of the root mean square.
        columns: Lattices in a row; up to 8 where left out.

    Returns:
        The file.

    Raises:
        ValueError: if the signal has another shape or is not finite, or a number is not positive.
        OSError: if the file cannot be written.
    """
    frames = phase_frames(signal, magnify=magnify, pinwheels=pinwheels, periodic=periodic, least=least)
    return save_gif(frames, file, seconds=seconds, magnify=1, columns=columns)


def phase_frames(
    signal: Complex[Tensor, "T *batch H W"],
    *,
    magnify: int = 10,
    pinwheels: bool = True,
    periodic: bool = True,
    least: float = 0.1,
) -> Float[Tensor, "T *batch 3 h w"]:
    """The frames of `phase_film` as images in [0, 1], with shape (T, *, 3, magnify H, magnify W).

    Raises:
        ValueError: if the signal has another shape or is not finite, or `magnify` is not positive.
    """
    check_positive("magnify", magnify)
    if not 3 <= signal.ndim <= 4 or 0 in signal.shape:
        raise ValueError(f"`signal` must have shape (T, H, W) or (T, N, H, W), got {tuple(signal.shape)}")
    check_finite("signal", signal)
    places, strength = phase_shades(signal)
    # Few shades, so that a palette of 256 holds them all.
    steps = np.floor(24 * places), np.ceil(6 * strength) / 6
    colours = cycle_map()((steps[0] + 0.5) / 24)[..., :3] * steps[1][..., None]
    images = torch.from_numpy(colours).float().movedim(-1, -3)
    images = images.repeat_interleave(magnify, dim=-2).repeat_interleave(magnify, dim=-1)
    if not pinwheels:
        return images
    found = find_pinwheels(signal.cpu(), periodic=periodic, least=least)
    for sign, (face, edge) in ((1, (LIGHT, DARK)), (-1, (DARK, LIGHT))):
        marked = (found.charges * sign > 0) & found.clear
        for radius, colour in ((0.46, edge), (0.32, face)):
            discs = _discs(marked, magnify, radius * max(magnify, 8), signal.shape[-2:])
            images = torch.where(discs.unsqueeze(-3), _rgb(colour), images)
    return images


def _rgb(colour: str) -> Float[Tensor, "3 1 1"]:
    from matplotlib.colors import to_rgb

    return torch.tensor(to_rgb(colour))[:, None, None]


def _discs(
    marked: Bool[Tensor, "*batch h w"], magnify: int, radius: float, sites: torch.Size
) -> Bool[Tensor, "*batch height width"]:
    """Discs of a radius in pixels about the middle of each marked plaquette, where four sites meet."""
    height, width = (magnify * count for count in sites)
    reach = int(radius) + 1
    discs = torch.zeros(*marked.shape[:-2], height, width, dtype=torch.bool)
    *batch, rows, columns = marked.nonzero(as_tuple=True)
    for down in range(-reach, reach):
        for right in range(-reach, reach):
            if (down + 0.5) ** 2 + (right + 0.5) ** 2 <= radius**2:
                # Across the seam of a torus, a disc goes on at the other side.
                place = ((rows + 1) * magnify + down) % height, ((columns + 1) * magnify + right) % width
                discs[tuple([*batch, *place])] = True
    return discs

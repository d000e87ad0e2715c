"""MPI3D (Gondal et al. 2019, arXiv 1906.03292), from its npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from flowdis._checks import check_choice
from flowdis.data.factors import FactorImages
from flowdis.data.grids import Factor, FactorGrid
from flowdis.data.readers.arrays import NpzImages
from flowdis.data.readers.download import locate
from flowdis.paths import Unit

__all__ = ["MPI3D_FILES", "MPI3D_URL", "mpi3d"]

MPI3D_FILES = {
    "toy": "mpi3d_toy.npz",
    "realistic": "mpi3d_realistic.npz",
    "real": "mpi3d_real.npz",
    "complex": "real3d_complicated_shapes_ordered.npz",
}
MPI3D_URL = "https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main"

_NAMES = (
    "object_color",
    "object_shape",
    "object_size",
    "camera_height",
    "background_color",
    "horizontal_axis",
    "vertical_axis",
)
_UNORDERED = ("object_color", "object_shape", "background_color")


def mpi3d(
    path: str | Path,
    variant: Literal["toy", "realistic", "real", "complex"] = "toy",
    *,
    download: bool = False,
    url: str | None = None,
) -> FactorImages:
    """Reads MPI3D: a robot arm that holds an object, 64 x 64 in colour, drawn, rendered or filmed.

    1,036,800 images of 6 colours, 6 shapes, 2 sizes, 3 camera heights, 3 backgrounds and 40 x 40 positions of the arm's
    two axes; 460,800 with 4 colours and 4 shapes where these are everyday things ("complex"). The files hold no labels:
    their order is the grid's.

    Images that lie uncompressed in the file are read from it as they are asked for. Compressed ones are unpacked into
    memory when the first is asked for, once a process: 12.7 GB, or 5.7 GB of "complex"; `numpy.savez` writes an
    uncompressed copy.

    Arguments:
        path: The npz file, or the folder that holds it or is to hold it.
        variant: Which of the four sets.
        download: Whether to fetch the file where it is missing.
        url: The address of a mirror to fetch it from; "complex" has no direct official one.

    Returns:
        The data, with factors object_color, object_shape, object_size, camera_height, background_color,
        horizontal_axis, vertical_axis.

    Raises:
        FileNotFoundError: if the file is missing and not to be downloaded.
        OSError: if a download fails.
        ValueError: if the file is damaged, a web page, lacks its array, or holds another number of images.
    """
    published = MPI3D_FILES[check_choice("variant", variant, MPI3D_FILES)]
    official = None if variant == "complex" else f"{MPI3D_URL}/{published}"
    file = locate(path, published, title=f"MPI3D {variant!r}", download=download, url=url, official=official)
    images = NpzImages(file, "images", channels="last")
    kinds = 4 if variant == "complex" else 6
    sizes = (kinds, kinds, 2, 3, 3, 40, 40)
    units = dict.fromkeys(_NAMES[-2:], Unit("step", 10.0))
    factors = [
        Factor(factor, tuple(map(float, range(n))), units.get(factor, Unit("step")), ordered=factor not in _UNORDERED)
        for factor, n in zip(_NAMES, sizes, strict=True)
    ]
    if len(images) != len(FactorGrid(factors)):
        wanted = f"{len(FactorGrid(factors))} images of MPI3D {variant!r} ({' x '.join(map(str, sizes))})"
        raise ValueError(f"{file} must hold {wanted}, got {len(images)}; is it another `variant`?")
    return FactorImages(factors, images, name=f"mpi3d {variant}")

"""dSprites (Matthey, Higgins, Lerchner, Hassabis 2017), from its npz file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flowdis.data.factors import FactorImages
from flowdis.data.readers.arrays import NpzImages, npz_array
from flowdis.data.readers.download import locate
from flowdis.data.readers.labelled import DEGREE, LENGTH, SCALE, labelled

__all__ = ["DSPRITES_FILE", "DSPRITES_URL", "dsprites"]

DSPRITES_FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
DSPRITES_URL = f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{DSPRITES_FILE}"


def dsprites(path: str | Path, *, download: bool = False, url: str | None = None) -> FactorImages:
    """Reads dSprites: 737,280 white shapes on black, 64 x 64, of 3 shapes, 6 scales, 40 orientations, 32 x and 32 y.

    The colour, which has one value, is left out. Orientations are in degrees with period 360 and, as published, reach
    from 0 to 360 in 40 steps of 360 / 39: **the last one shows the same images as the first**, so a walk around has 39
    steps (`Factor.cycle`). To the eye squares come back after 90 degrees and ellipses after 180 already.

    The published file is compressed: its images are unpacked when the first is asked for, once a process, into one bit
    a pixel: 380 MB in place of 3 GB. `metadata` is pickled, and not touched.

    Arguments:
        path: The npz file, or the folder that holds it or is to hold it.
        download: Whether to fetch the file where it is missing.
        url: The address of a mirror to fetch it from.

    Returns:
        The data, with factors shape, scale, orientation, x, y.

    Raises:
        FileNotFoundError: if the file is missing and not to be downloaded.
        OSError: if a download fails.
        ValueError: if the file is damaged, a web page, or lacks an array.
    """
    file = locate(path, DSPRITES_FILE, title="dSprites", download=download, url=url, official=DSPRITES_URL)
    images = NpzImages(file, "imgs", channels="none", white=1)
    latents = npz_array(file, "latents_values")
    if latents.ndim != 2 or latents.shape[1] != 6 or len(np.unique(latents[:, 0])) != 1:
        wanted = "6 columns, the first of them (colour) of one value"
        raise ValueError(f"{file} must hold 'latents_values' of {wanted}, got shape {latents.shape}")
    values = latents[:, 1:].astype(np.float64)
    values[:, 2] = np.degrees(values[:, 2])
    return labelled(
        file,
        images,
        values,
        ("shape", "scale", "orientation", "x", "y"),
        name="dsprites",
        units={"scale": SCALE, "orientation": DEGREE, "x": LENGTH, "y": LENGTH},
        periods={"orientation": 360.0},
        unordered=("shape",),
    )

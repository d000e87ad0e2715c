"""Draws the moving data of the documentation, one sequence a row: python docs/make_moving.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import flowdis as fd

COLUMNS = 12
SIZE = 48
EVERY = 3
"""Frames from one column to the next."""


def rows() -> torch.Tensor:
    """The frames (rows, COLUMNS, 3, SIZE, SIZE) of one sequence of each kind."""
    steps = EVERY * (COLUMNS - 1)

    def seeded(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    systems = [make(1, steps, image_size=SIZE, colour=True, generator=seeded(2)) for make in fd.data.SYSTEMS.values()]
    balls = fd.data.bouncing_balls(1, steps, image_size=SIZE, colour=True, generator=seeded(2))
    digit = fd.data.digits(train=False)[0][420:421]
    motions = {"rotate": (10.0, 10.0), "scale": (10.0, 10.0), "drift": (1.5, 1.5)}
    digits = [
        fd.data.moving_images(digit, 1, steps, **{name: speed}, canvas=SIZE, generator=seeded(3))
        for name, speed in motions.items()
    ]
    return torch.stack([sequences.frames[::EVERY, 0] for sequences in (*systems, balls, *digits)])


def main() -> None:
    """Draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="where to write")
    folder = parser.parse_args().out
    fd.data.save_images(fd.plots.grid(rows(), background=1.0).unsqueeze(0), folder, ["moving.png"])
    print(folder / "moving.png")


if __name__ == "__main__":
    main()

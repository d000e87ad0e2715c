"""Draws the rendered data of the documentation, one factor a row: python docs/make_scenes.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import flowdis as fd

COLUMNS = 10
BASES = {
    "rooms": {
        "floor_hue": 120.0,
        "wall_hue": 210.0,
        "object_hue": 0.0,
        "scale": 1.0,
        "shape": 1.0,
        "orientation": 12.0,
    },
    "sprites": dict(shape=2.0, scale=0.8, orientation=30.0, x=0.5, y=0.5),
}
"""The values of the factors that a row leaves as they are, in natural units."""


def factor_rows(data: fd.data.FactorImages, base: dict[str, float]) -> torch.Tensor:
    """The picture (C, h, w) in which each factor runs over its values, one a row."""
    values = torch.tensor([base[name] for name in data.names]).expand(len(data.factors), COLUMNS, -1).clone()
    for k, factor in enumerate(data.factors):
        picked = torch.linspace(0, factor.size - 1, min(COLUMNS, factor.size)).round().long()
        values[k, :, k] = torch.tensor(factor.values)[picked[torch.arange(COLUMNS) % len(picked)]]
    return fd.plots.grid(data.at(values), background=1.0)


def main() -> None:
    """Draws both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="where to write")
    folder = parser.parse_args().out
    for name, data in (("rooms", fd.data.rooms()), ("sprites", fd.data.sprites())):
        fd.data.save_images(factor_rows(data, BASES[name]).unsqueeze(0), folder, [f"{name}.png"])
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main()

"""Single faces of font files: what a font says of itself, and its characters drawn at any scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

__all__ = ["Face", "draw", "faces", "units_per_size"]

_FINER = 8  # times as many pixels a side are drawn, then averaged
_LARGE = 512  # pixels an em at which extents are measured
_ITALIC, _OBLIQUE = 1 << 0, 1 << 9  # bits of OS/2's fsSelection
_NORMAL_WIDTH = 5  # of OS/2's usWidthClass, from 1 to 9
_WIDTHS = (
    "Ultra Condensed", "Extra Condensed", "Condensed", "Semi Condensed", "",
    "Semi Expanded", "Expanded", "Extra Expanded", "Ultra Expanded",
)  # fmt: skip
_SLANTS = ("ital", "slnt")


@dataclass(frozen=True)
class Face:
    """One style of a family.

    Arguments:
        file: The font file.
        family: The family's name, with the width where it is not the normal one.
        weight: From 1 to 1000; 400 is regular, 700 bold.
        slant: 0 upright, 1 italic or oblique.
        place: The axes of a variable font, by tag; empty for a static one.
        number: Which font of a collection.
    """

    file: Path
    family: str
    weight: float
    slant: float
    place: Mapping[str, float] = field(default_factory=dict)
    number: int = 0

    @property
    def title(self) -> str:
        """The style in words."""
        return f"{self.family} {self.weight:g} {'italic' if self.slant else 'upright'}"

    def opened(self, em: float) -> FreeTypeFont:
        """The font at so many pixels an em."""
        from PIL import ImageFont

        font = ImageFont.truetype(str(self.file), em, index=self.number, layout_engine=ImageFont.Layout.BASIC)
        if self.place:
            font.set_variation_by_axes(list(self.place.values()))
        return font


def faces(file: Path, characters: str, weights: Sequence[float] | None = None) -> Iterator[Face]:
    """The styles that a font file has.

    Arguments:
        file: A ttf, otf or ttc file.
        characters: What each style must have.
        weights: The weights that are wanted; all of static fonts and the multiples of 100 of variable ones if left out.

    Yields:
        The faces.

    Raises:
        ValueError: naming the file, if it cannot be read, lacks a character or says nothing of its weight.
    """
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    try:
        with file.open("rb") as stream:
            count = len(TTCollection(stream, lazy=True).fonts) if file.suffix.lower() == ".ttc" else 1
        for number in range(count):
            with file.open("rb") as stream, TTFont(stream, lazy=True, fontNumber=number) as font:
                yield from _styles(file, number, font, characters, weights)
    except (TTLibError, OSError, EOFError, KeyError, AssertionError, AttributeError, IndexError) as error:
        raise ValueError(f"could not read {file} as a font ({type(error).__name__}: {error})") from error


def _styles(file: Path, number: int, font: Any, characters: str, weights: Sequence[float] | None) -> list[Face]:
    known = font.getBestCmap() or {}
    lacking = "".join(c for c in characters if ord(c) not in known)
    if lacking:
        raise ValueError(f"{file} lacks {len(lacking)} of the characters: {lacking[:20]}")
    if "OS/2" not in font:
        raise ValueError(f"{file} has no table OS/2, and so says nothing of its weight")
    names, about = font["name"], font["OS/2"]
    family = names.getDebugName(16) or names.getDebugName(1) or file.stem
    width = _WIDTHS[min(max(about.usWidthClass, 1), 9) - 1]
    if width and not _within(width, family):
        family = f"{family} {width}"
    slanted = float(bool(about.fsSelection & (_ITALIC | _OBLIQUE)))
    if "fvar" in font:
        axes = {axis.axisTag: (axis.minValue, axis.defaultValue, axis.maxValue) for axis in font["fvar"].axes}
        return _variations(file, number, family, float(about.usWeightClass), slanted, axes, weights)
    face = Face(file, family, float(about.usWeightClass), slanted, number=number)
    return [face] if weights is None or face.weight in weights else []


def _within(width: str, family: str) -> bool:
    """Whether a family's name tells its width already."""
    told = family.replace(" ", "").replace("-", "").lower()
    return width.replace(" ", "").lower() in told or ("Condensed" in width and "narrow" in told)


def _variations(
    file: Path,
    number: int,
    family: str,
    weight: float,
    slanted: float,
    axes: Mapping[str, tuple[float, float, float]],
    weights: Sequence[float] | None,
) -> list[Face]:
    """The faces of a variable font: each weight upright, and once more slanted where an axis can."""
    default = {tag: middle for tag, (_, middle, _) in axes.items()}
    low, _, high = axes.get("wght", (weight, weight, weight))
    wanted = range(100, 1000, 100) if weights is None else weights
    heavy = [float(value) for value in wanted if low <= value <= high] if "wght" in axes else [weight]
    if weights is not None and "wght" not in axes and weight not in weights:
        heavy = []
    leaning = next((tag for tag in _SLANTS if tag in axes and axes[tag][0] < axes[tag][2]), None)
    slants: dict[float, dict[str, float]]
    if leaning is None:
        slants = {slanted: {}}
    else:
        ends = sorted((axes[leaning][0], axes[leaning][2]), key=abs)  # slnt leans to the right below 0
        slants = {0.0: {leaning: ends[0]}, 1.0: {leaning: ends[1]}}
    return [
        Face(file, family, value, slant, {**default, **({"wght": value} if "wght" in axes else {}), **lean}, number)
        for slant, lean in slants.items()
        for value in heavy
    ]


def units_per_size(styles: Sequence[Face], characters: str) -> float:
    """The height or width of the largest character of some styles, relative to the em.

    Raises:
        ValueError: if a font shows nothing for a character.
    """
    largest = 0
    for face in styles:
        font = face.opened(_LARGE)
        for character in characters:
            box = _ink(font, character)
            if box is None:
                raise ValueError(f"{face.file} shows nothing for {character!r}")
            largest = max(largest, box[2] - box[0], box[3] - box[1])
    return largest / _LARGE


def _ink(font: FreeTypeFont, character: str) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of a character's ink: the box that Pillow tells holds the advance too."""
    mask, (across, down) = font.getmask2(character, "L")
    box = mask.getbbox()
    if box is None:
        return None
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


def draw(face: Face, characters: str, size: int, em: float) -> Float[Tensor, "characters size size"]:
    """Characters in white on black, each with its ink at the centre.

    Arguments:
        face: The style.
        characters: The characters.
        size: The height and width of an image.
        em: Pixels an em.
    """
    from PIL import Image, ImageDraw

    font = face.opened(em * _FINER)
    fine = size * _FINER
    drawn = []
    for character in characters:
        canvas = Image.new("L", (fine, fine))
        left, top, right, bottom = _ink(font, character) or (0, 0, 0, 0)
        corner = ((fine - right + left) / 2 - left, (fine - bottom + top) / 2 - top)
        ImageDraw.Draw(canvas).text((round(corner[0]), round(corner[1])), character, fill=255, font=font)
        drawn.append(np.asarray(canvas.reduce(_FINER)))
    return torch.from_numpy(np.stack(drawn)).to(torch.float32) / 255

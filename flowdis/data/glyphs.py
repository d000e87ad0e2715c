"""Characters of font files as labelled images, with true factors that nobody here made: family, weight and slant."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flowdis._checks import check_positive
from flowdis.data.fonts import Face, draw, faces, units_per_size

__all__ = ["LETTERS", "Glyphs", "load_glyphs"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_Images = Float[Tensor, "N 1 H W"]
_Classes = Int[Tensor, "N"]
_Numbers = Float[Tensor, "N"]


@dataclass(frozen=True, eq=False)
class Glyphs:
    """N images of characters with their factors.

    Arguments:
        images: White on black, with shape (N, 1, H, W).
        character: Which of `characters` each image shows, with shape (N).
        family: Which of `families` each is of, with shape (N).
        weight: How heavy each is, 400 for regular and 700 for bold, with shape (N).
        slant: 0 for upright, 1 for italic or oblique, with shape (N).
        characters: The characters.
        families: The names of the families.
        left_out: Why fonts were left out, each named.
    """

    images: _Images
    character: _Classes
    family: _Classes
    weight: _Numbers
    slant: _Numbers
    characters: tuple[str, ...]
    families: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | _Classes | Bool[Tensor, "N"]) -> Glyphs:
        """Some of the images, in the order of `rows` or where these are true; numbers of families stay the same."""
        per_image = [field.name for field in fields(self) if isinstance(getattr(self, field.name), Tensor)]
        return replace(self, **{name: getattr(self, name)[rows] for name in per_image})

    def split(self, share: float = 0.2, *, generator: torch.Generator | None = None) -> tuple[Glyphs, Glyphs]:
        """Splits by family, so that no family is both trained and tested on.

        Arguments:
            share: The share of families to test on, rounded, of which each part has at least one.
            generator: Where the choice of families comes from, on the CPU.

        Returns:
            The glyphs to train and to test on, in the order that they had.

        Raises:
            ValueError: if `share` does not lie between 0 and 1, or there is but one family.
        """
        if not 0 < share < 1:
            raise ValueError(f"`share` must lie between 0 and 1, got {share}")
        families = self.family.unique()
        if len(families) < 2:
            raise ValueError(f"`share` must leave families on both sides, got {len(families)} to split")
        count = min(max(round(share * len(families)), 1), len(families) - 1)
        chosen = families[torch.randperm(len(families), generator=generator)[:count].to(families.device)]
        tested = torch.isin(self.family, chosen)
        return self[~tested], self[tested]

    def counterparts(self, *, weight: float | None = None, slant: float | None = None) -> _Classes:
        """For each image, the one of the same character and family that has another weight or slant.

        Arguments:
            weight: The weight to have; the same where left out.
            slant: The slant to have; the same where left out.

        Returns:
            The row of each image's counterpart, -1 where there is none, with shape (N).

        Raises:
            ValueError: if neither is given.
        """
        if weight is None and slant is None:
            raise ValueError("`weight` or `slant` must be given, got neither")
        kept = (self.character.to(self.weight), self.family.to(self.weight))
        here = torch.stack([*kept, self.weight, self.slant], 1)
        there = here.clone()
        for column, value in ((2, weight), (3, slant)):
            if value is not None:
                there[:, column] = value
        _, kinds = torch.cat([here, there]).unique(dim=0, return_inverse=True)
        rows = torch.full((int(kinds.max()) + 1,), -1, dtype=torch.long, device=kinds.device)
        rows[kinds[: len(here)]] = torch.arange(len(here), device=kinds.device)
        return rows[kinds[len(here) :]]


def load_glyphs(
    folder: str | Path | Sequence[str | Path],
    characters: str = LETTERS,
    *,
    size: int = 32,
    margin: float = 0.08,
    weights: Sequence[float] | None = None,
    skip_bad: bool = False,
) -> Glyphs:
    """Draws characters of every font in a folder and those below it: ttf, otf and ttc files, variable ones too.

    Each is drawn eight times as large and averaged down, its ink at the centre of the image. All styles of a family are
    drawn at one scale, the greatest at which all its characters fit, so that a regular and its bold can be compared.
    Family, weight and slant are what the font itself says (its tables name and OS/2). Condensed and expanded styles are
    families of their own. Variable fonts are drawn at several weights, and upright and slanted where they have an axis
    for it, other axes at their defaults.

    Arguments:
        folder: The folder, or font files.
        characters: The characters.
        size: The height and width of the images.
        margin: The share of `size` that is left free on each side by the largest character.
        weights: The weights to draw; of static fonts those that there are, where left out, and of variable ones the
            multiples of 100 within their range.
        skip_bad: Whether to leave out, with a warning for each, fonts that cannot be read, that lack a character, or
            that say nothing of their weight.

    Returns:
        The glyphs, by family, slant, weight and character.

    Raises:
        FileNotFoundError: if the folder or a file does not exist.
        ValueError: if options are out of range, there is no font, two fonts have the same family, weight and slant, or
            one is bad and `skip_bad` is not set.
    """
    _check(characters, size, margin, weights)
    files, bad = _listed(folder), []
    found: dict[tuple[str, float, float], Face] = {}
    for file in files:
        try:
            for face in faces(file, characters, weights):
                earlier = found.setdefault((face.family, face.slant, face.weight), face)
                if earlier is not face:
                    raise ValueError(f"{file} is {face.title}, as {earlier.file} is already")
        except ValueError as error:
            if not skip_bad:
                raise ValueError(f"{error}; set `skip_bad` to leave out such fonts") from error
            bad.append(str(error))
            warnings.warn(f"left out: {error}", stacklevel=2)
    if not found:
        raise ValueError(f"`folder` must hold a font with these characters and weights, got none in {folder}")
    return _drawn([found[key] for key in sorted(found)], characters, size, margin, tuple(bad))


def _drawn(chosen: list[Face], characters: str, size: int, margin: float, bad: tuple[str, ...]) -> Glyphs:
    families = tuple(dict.fromkeys(face.family for face in chosen))
    room = size * (1 - 2 * margin)
    of_family = {family: [face for face in chosen if face.family == family] for family in families}
    scale = {family: room / units_per_size(styles, characters) for family, styles in of_family.items()}
    images = torch.stack([draw(face, characters, size, scale[face.family]) for face in chosen])

    def each(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).repeat_interleave(len(characters))

    return Glyphs(
        images.flatten(0, 1)[:, None],
        torch.arange(len(characters)).repeat(len(chosen)),
        each([families.index(face.family) for face in chosen]).long(),
        each([face.weight for face in chosen]),
        each([face.slant for face in chosen]),
        tuple(characters),
        families,
        bad,
    )


def _check(characters: str, size: int, margin: float, weights: Sequence[float] | None) -> None:
    twice = [c for place, c in enumerate(characters) if c in characters[:place]]
    blank = [c for c in characters if c.isspace()]
    if not characters or twice or blank:
        wrong = "none" if not characters else f"{(twice or blank)[0]!r}{' twice' if twice else ', which is blank'}"
        raise ValueError(f"`characters` must be different and visible, got {wrong}")
    if size < 4:
        raise ValueError(f"`size` must be at least 4, got {size}")
    if not 0 <= margin < 0.5:
        raise ValueError(f"`margin` must lie in [0, 0.5), got {margin}")
    for weight in weights or ():
        check_positive("weights", weight)


def _listed(folder: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [folder] if isinstance(folder, str | Path) else list(folder)
    files = []
    for path in (Path(item).expanduser() for item in given):
        if not path.exists():
            raise FileNotFoundError(f"`folder` must be a folder of fonts or font files, got {path}: does not exist")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        files += [file for file in inside if not path.is_dir() or file.suffix.lower() in (".ttf", ".otf", ".ttc")]
    if not files:
        raise ValueError(f"`folder` must hold font files (ttf, otf, ttc), got none in {folder}")
    return files

"""Glyphs of the DejaVu fonts that come with matplotlib, and of a variable font that is made here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch

from flowdis.data.glyphs import Glyphs, load_glyphs
from flowdis.data.morphology import height, slant, thickness, width

FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"
STYLES = [f"DejaVu{family}{style}.ttf" for family in ("Sans", "SansMono", "Serif") for style in ("", "-Bold")]
ITALICS = [
    "DejaVuSans-Oblique.ttf",
    "DejaVuSans-BoldOblique.ttf",
    "DejaVuSansMono-Oblique.ttf",
    "DejaVuSerif-Italic.ttf",
]


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return load_glyphs([FONTS / name for name in STYLES + ITALICS], "HIlopx", size=40)


def test_every_image_has_its_true_factors(glyphs: Glyphs) -> None:
    assert glyphs.families == ("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif")
    assert len(glyphs) == 10 * 6 and glyphs.images.shape == (60, 1, 40, 40) and glyphs.left_out == ()
    assert glyphs.characters == tuple("HIlopx") and glyphs.character[:7].tolist() == [0, 1, 2, 3, 4, 5, 0]
    kinds = torch.stack([glyphs.family.float(), glyphs.weight, glyphs.slant], 1).unique(dim=0).tolist()
    styles = {(0, 400, 0), (0, 700, 0), (0, 400, 1), (0, 700, 1), (1, 400, 0), (1, 700, 0), (1, 400, 1)}
    assert {tuple(kind) for kind in kinds} == styles | {(2, 400, 0), (2, 700, 0), (2, 400, 1)}


def test_ink_is_at_the_centre_antialiased_and_within_the_margin(glyphs: Glyphs) -> None:
    ink = glyphs.images[:, 0]
    assert ink.min() == 0 and ink.max() == 1 and ((ink > 0) & (ink < 1)).flatten(1).any(1).all()
    for profile in (ink.amax(1), ink.amax(2)):
        lit = profile > 0
        first, last = lit.int().argmax(1), 39 - lit.flip(1).int().argmax(1)
        assert ((first + last) / 2 - 19.5).abs().max() <= 1.0  # partly covered pixels on either side
        assert first.min() >= 2 and last.max() <= 37  # 0.08 of 40 pixels is 3.2, less a partly covered one
    largest = torch.maximum((ink.amax(1) > 0).sum(1), (ink.amax(2) > 0).sum(1))
    assert all(largest[glyphs.family == family].max() >= 33 for family in range(3))


def test_one_scale_serves_a_family_so_that_styles_are_as_high_as_each_other(glyphs: Glyphs) -> None:
    high = height(glyphs.images)
    straight = torch.isin(glyphs.character, torch.tensor([0, 1, 2]))  # H, I, l
    for rows in (glyphs.counterparts(weight=700), glyphs.counterparts(slant=1)):
        known = straight & (rows >= 0)
        assert known.sum() >= 9 and (high[known] - high[rows[known]]).abs().max() < 0.3


def test_counterparts_are_bolder_or_lean_more_and_are_else_the_same(glyphs: Glyphs) -> None:
    bold, italic = glyphs.counterparts(weight=700), glyphs.counterparts(slant=1)
    upright = (glyphs.weight == 400) & (glyphs.slant == 0)
    assert (bold[upright] >= 0).all() and (italic[upright] >= 0).all()
    assert (bold[(glyphs.family == 2) & (glyphs.slant == 1)] == -1).all()  # no bold italic was given
    assert torch.equal(bold[glyphs.weight == 700], (glyphs.weight == 700).nonzero()[:, 0])
    for rows in (bold, italic):
        there = glyphs[rows[upright]]
        assert torch.equal(there.character, glyphs.character[upright])
        assert torch.equal(there.family, glyphs.family[upright])
    heavier = thickness(glyphs.images[bold[upright]]) - thickness(glyphs.images[upright])
    assert (heavier > 0.3).all()
    stems = upright & torch.isin(glyphs.character, torch.tensor([0, 1]))  # H, I: about 11 degrees
    leaning = slant(glyphs.images[italic[stems]]) - slant(glyphs.images[stems])
    assert ((leaning > 0.1) & (leaning < 0.3)).all()
    with pytest.raises(ValueError, match="`weight` or `slant` must be given"):
        glyphs.counterparts()


def test_families_are_either_trained_or_tested_on_and_the_generator_says_which(glyphs: Glyphs) -> None:
    seen = set()
    for seed in range(12):
        train, test = glyphs.split(0.34, generator=torch.Generator().manual_seed(seed))
        again = glyphs.split(0.34, generator=torch.Generator().manual_seed(seed))[1]
        assert torch.equal(again.images, test.images)
        assert len(train) + len(test) == len(glyphs) and not set(train.family.tolist()) & set(test.family.tolist())
        assert test.families == glyphs.families
        seen.add(tuple(test.family.unique().tolist()))
    assert seen == {(0,), (1,), (2,)}
    with pytest.raises(ValueError, match="got 1 to split"):
        glyphs[glyphs.family == 0].split()
    with pytest.raises(ValueError, match="`share` must lie between 0 and 1"):
        glyphs.split(1.0)


def variable_font(path: Path, axes: list[tuple[str, float, float, float, str]]) -> Path:
    """A font whose I is a box 300 units wide and 800 high, 400 wide at weight 900, and leaning by 1/4 where it can."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib.tables.TupleVariation import TupleVariation

    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (400, 800), (400, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "I"])
    builder.setupCharacterMap({ord("I"): "I"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "I": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "I": (500, 100)})
    builder.setupHorizontalHeader(ascent=800, descent=0)
    builder.setupNameTable({"familyName": "Box", "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.setupFvar(axes, [])
    phantoms: list[Any] = [(0, 0)] * 4
    moved = {
        "wght": ((0, 1, 1), [(0, 0), (0, 0), (100, 0), (100, 0), *phantoms]),
        "slnt": ((-1, -1, 0), [(0, 0), (200, 0), (200, 0), (0, 0), *phantoms]),
    }
    tags = [axis[0] for axis in axes]
    builder.setupGvar({"I": [TupleVariation({tag: moved[tag][0]}, list(moved[tag][1])) for tag in tags]})
    builder.save(path)
    return path


def test_variable_fonts_are_drawn_along_their_axes(tmp_path: Path) -> None:
    weight = ("wght", 400.0, 400.0, 900.0, "Weight")
    font = variable_font(tmp_path / "box.ttf", [("slnt", -14.0, 0.0, 0.0, "Slant"), weight])
    boxes = load_glyphs(font, "I", size=40)
    assert boxes.weight.tolist() == [400, 500, 600, 700, 800, 900] * 2 and boxes.slant.tolist() == [0.0] * 6 + [1.0] * 6
    em = height(boxes.images) / 0.8
    # The axis runs evenly from 400 to 900, where the box is 100 of 1000 units wider.
    true = (300 + (boxes.weight - 400) / 5) / 1000 * em
    assert (width(boxes.images[:6]) - true[:6]).abs().max() < 0.15  # drawn on eighths of a pixel
    assert (slant(boxes.images) - boxes.slant / 4).abs().max() < 0.01
    some = load_glyphs(variable_font(tmp_path / "one.ttf", [weight]), "I", size=40, weights=[300, 450.0, 900])
    assert some.weight.tolist() == [450, 900] and some.slant.tolist() == [0, 0]


def test_bad_fonts_are_named_or_left_out(tmp_path: Path) -> None:
    shutil.copy(FONTS / "DejaVuSans.ttf", tmp_path / "a.ttf")
    (tmp_path / "below").mkdir()
    shutil.copy(FONTS / "DejaVuSansDisplay.ttf", tmp_path / "below/display.ttf")  # a few mathematical signs
    whole = (FONTS / "DejaVuSerif.ttf").read_bytes()
    (tmp_path / "broken.otf").write_bytes(whole[:5000])
    (tmp_path / "text.ttf").write_text("not a font")
    shutil.copy(FONTS / "DejaVuSans.ttf", tmp_path / "twice.ttf")
    (tmp_path / "README.txt").write_text("fonts")
    with pytest.raises(ValueError, match=r"display\.ttf lacks 2 of the characters: AB; set `skip_bad`"):
        load_glyphs(tmp_path, "AB")
    with pytest.warns(UserWarning) as caught:
        kept = load_glyphs(tmp_path, "AB", skip_bad=True)
    assert len(kept) == 2 and len(kept.left_out) == 4 == sum("left out: " in str(warning.message) for warning in caught)
    for name, why in (("display", "lacks"), ("broken", "could not read"), ("text", "could not read")):
        assert any(name in told and why in told for told in kept.left_out), (name, kept.left_out)
    assert any("twice.ttf is DejaVu Sans 400 upright, as" in told for told in kept.left_out)


def test_what_holds_no_glyph_is_said(tmp_path: Path) -> None:
    font = FONTS / "DejaVuSans.ttf"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_glyphs(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="got none in"):
        load_glyphs(tmp_path)
    for characters, told in (("ABA", "'A' twice"), ("A B", "blank"), ("", "got none")):
        with pytest.raises(ValueError, match=f"`characters` must be .*{told}"):
            load_glyphs(font, characters)
    with pytest.raises(ValueError, match="these characters and weights, got none"):
        load_glyphs(font, "A", weights=[900])
    with pytest.raises(ValueError, match="`size`"):
        load_glyphs(font, "A", size=2)
    with pytest.raises(ValueError, match="`margin`"):
        load_glyphs(font, "A", margin=0.5)

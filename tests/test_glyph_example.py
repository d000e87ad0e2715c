"""The example of letters made bold and italic: how it splits families, and what it counts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import matplotlib
import pytest
import torch

import flowdis as fd
from flowdis.data import Glyphs


@pytest.fixture(scope="module")
def example():
    file = Path(__file__).parents[1] / "examples" / "glyphs.py"
    spec = importlib.util.spec_from_file_location("glyphs_example", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.LETTERS = "AHn"
    return module


@pytest.fixture(scope="module")
def letters(example) -> Glyphs:
    return example.load([Path(matplotlib.get_data_path()) / "fonts" / "ttf"])


def test_families_that_look_alike_are_on_one_side(example, letters) -> None:
    twin = letters.family.max() + 1
    doubled = Glyphs(
        *(torch.cat([getattr(letters, name)] * 2) for name in ("images", "character")),
        torch.cat([letters.family, letters.family + twin]),
        *(torch.cat([getattr(letters, name)] * 2) for name in ("weight", "slant")),
        letters.characters,
        letters.families * 2,
    )
    train, test = example.split(doubled, 0.4, torch.Generator().manual_seed(0))
    here, there = (set((part.family % twin).tolist()) for part in (train, test))
    assert here and there and len(train) + len(test) == len(doubled)
    plain = {int(f) for f in letters.family[(letters.weight == 400) & (letters.slant == 0)]}
    assert not here & there & plain  # of the others there is no regular to tell them by


def test_a_model_that_moves_nothing_is_no_nearer_than_unedited_letters(example, letters) -> None:
    rows = example.regular(letters)
    assert 0 < int(rows.sum()) < len(letters)
    assert set(letters.weight[rows].tolist()) == {400.0} and not letters.slant[rows].any()
    config = fd.LatentFlowConfig(
        (1, 32, 32), {"weight": fd.Unit("unit", 300.0), "slant": fd.Unit()}, dim=4, field="constant", channels=(4,)
    )
    still = fd.LatentFlow(config, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        still.fields.direction.zero_()
    (found,) = example.judge({"still": still}, letters).values()
    for name in ("weight", "slant"):
        assert found[f"{name}.distance"] == pytest.approx(found[f"{name}.unedited"], abs=1e-6)
        assert found[f"{name}.nearer"] < 0.6 and found[f"{name}.given"] > 0.005

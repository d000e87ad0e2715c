"""The code of the page on staying does what the page says."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

import flowdis as fd
from tests.test_readme import ROOT, blocks


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = fd.LatentFlowConfig((3, 28, 28), fd.data.units_of(("scale", "rotate", "hue")), dim=8, channels=(4,))
    fd.LatentFlow(config, generator=torch.Generator().manual_seed(0)).save_pretrained(tmp_path / "demo/model")
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* edits leave the data")  # those that began outside
        exec("\n".join(blocks((ROOT / "docs/staying.md").read_text(), "python")), found)

    walk, held, density = found["walk"], found["held"], found["density"]
    assert walk.log_density.shape == walk.outside.shape == (8, 10)
    assert found["kept"].shape == (10, 3, 28, 28) and found["same"].shape == (10, 8)
    began = density.outside(fd.encode(found["model"], found["images"]))
    assert not (held.outside.any(0) & ~began).any()
    again = fd.CodeDensity.load("density.safetensors")
    assert again.border == density.border

"""The page on waves: its table is what the measures say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_is_measured():
    spec = importlib.util.spec_from_file_location("make_waves", ROOT / "docs/make_waves.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    measured = [row.split(" | ") for row in page.table().splitlines()]
    rows = {
        row.split(" | ")[0]: row.replace("\\*", "*").split(" | ")
        for row in (ROOT / "docs/waves.md").read_text().splitlines()
    }
    assert len(measured) == 9
    for name, *cells in measured:
        written = rows[name][1:]
        assert written[-1] == cells[-1]
        for cell, expected in zip(written[:-1], cells[:-1], strict=True):
            assert cell.endswith("*") == expected.endswith("*")
            # Random numbers are the same everywhere; sums may round differently.
            assert abs(float(cell.rstrip("*")) - float(expected.rstrip("*"))) < 0.011

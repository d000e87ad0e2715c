"""The table as files, read back by what else reads them."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from flowdis.metrics.cells import blocks, cell_texts, legend, number_texts
from flowdis.metrics.latex import escape_latex, latex_text
from flowdis.metrics.table import MeasuredModel, ModelTable, Row, Score, model_table
from flowdis.metrics.writers import csv_text, json_text, markdown_text, plain_text, text_table, write_table

METADATA = {"machine": "2 cores & 4 GB", "command": "flowdis evaluate --models a_1 b|2 --out $HOME/{x}"}
NAMES = [
    "codes.mig", "codes.dci.disentanglement", "codes.dci.completeness", "codes.sap", "codes.udr", "codes.irs",
    "codes.modularity", "flows.vp", "flows.vp.controls.static", "equivariance.orbit.wall_hue",
]  # fmt: skip
NASTY = "50%_β|VAE \\ [v2] {a}^~ $5 #1 & more"


def table() -> ModelTable:
    """Three models and a control: with three seeds, with two and gaps, with one; the last name is nasty."""
    models = [
        MeasuredModel("ours", seed, {name: 0.1 * i + 0.02 * seed for i, name in enumerate(NAMES, 1)})
        for seed in range(3)
    ]
    models += [MeasuredModel("VAE", seed, {NAMES[0]: 0.3 + seed, NAMES[3]: None if seed else 0.9}) for seed in (0, 1)]
    models += [MeasuredModel(NASTY, None, dict.fromkeys(NAMES[:8], 0.0))]
    models += [MeasuredModel("constant code", None, dict.fromkeys(NAMES, 0.0), control=True)]
    return model_table(models, METADATA)


def test_json_is_the_table() -> None:
    assert json.loads(json_text(table())) == json.loads(json.dumps(table().to_json()))
    assert json.loads(json_text(table()))["metadata"] == METADATA


def test_csv_has_a_line_for_each_model_and_empty_cells_where_nothing_was_measured() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(table()))))
    assert [row["model"] for row in rows] == ["ours", "VAE", NASTY, "constant code"]
    assert [row["control"] for row in rows] == ["0", "0", "0", "1"]
    assert [row["seeds"] for row in rows] == ["0 1 2", "0 1", "", ""]
    assert all(row["metadata.command"] == METADATA["command"] for row in rows)
    for row, made in zip(rows, table().rows, strict=True):
        for name in table().columns:
            cells = [row[name + part] for part in ("", ".low", ".high", ".count")]
            score = made.scores.get(name)
            if score is None:
                assert cells == [""] * 4
                continue
            assert float(cells[0]) == score.mean and int(cells[3]) == len(score.values)
            assert (score.interval is None) == (cells[1] == cells[2] == "")
            assert score.interval is None or (float(cells[1]), float(cells[2])) == score.interval


def test_markdown_has_a_cell_for_each_column_and_escapes_names() -> None:
    text = markdown_text(table())
    lines = [line for line in text.splitlines() if line.startswith("|")]
    sizes = [len(columns) for _, columns in blocks(table())]
    assert sum(sizes) == len(NAMES) and len(lines) == len(sizes) * (2 + 4)
    for index, line in enumerate(lines):
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        assert len(cells) == sizes[index // 6] + 2
        if index % 6 == 1:
            assert all(re.fullmatch(r" -+:? ", cell) for cell in cells)
    label = re.split(r"(?<!\\)\|", lines[4])[1].strip()
    assert re.sub(r"\\(.)", r"\1", label) == NASTY
    assert not re.search(r"(?<!\\)[|_\[*~#]", label)
    assert "| VAE | 2 |" in text and "**0.900** (n = 1)" in text
    assert text.endswith("- command: flowdis evaluate --models a\\_1 b\\|2 --out \\$HOME/{x}\n")


def test_latex_rows_have_the_cells_that_their_tabular_declares() -> None:
    text = latex_text(table())
    tabulars = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tabulars) == len(list(blocks(table(), across=4)))
    for columns, body in tabulars:
        rows = [line.strip() for line in body.splitlines() if line.strip() and "rule" not in line]
        assert len(rows) == 1 + 4
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1
            assert row.endswith(r" \\") and row.count(r"\\") == 1
        assert [body.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 2, 1]
    assert len(re.findall(r"\\begin\{", text)) == len(re.findall(r"\\end\{", text))
    bare = re.sub(r"\\[&%$#_{}\\]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert not re.search(r"[#^~]", bare) and "%" not in bare.removeprefix("%")
    assert text.isascii(), "no sign that an old engine lacks"


def test_latex_bolds_the_best_of_each_column_once() -> None:
    text = latex_text(table())
    best = sum(len(table().best(name)) for name in NAMES)
    assert best > 0 and text.count(r"\textbf{") == best


def test_what_begins_an_option_in_latex_is_kept_from_it() -> None:
    models = [MeasuredModel(name, 0, {"codes.mig": -0.5}) for name in ("[a]", "*b")]
    text = latex_text(model_table(models))
    assert "\n    {}[a] & 1 &" in text and "\n    {}*b & 1 &" in text
    assert text.count("$-$0.500") == 2


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 5% of #1 {x}", r"a\_b \& 5\% of \#1 \{x\}"),
        ("\\~^", r"\textbackslash{}\textasciitilde{}\textasciicircum{}"),
        ("β-VAE ± 1", r"$\beta$-VAE $\pm$ 1"),
        ("--seed---x", "-{}-seed-{}-{}-x"),
        ("two\n lines", "two lines"),
    ],
)
def test_latex_signs_are_escaped(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped


def test_plain_text_fits_its_width_and_loses_no_column() -> None:
    for width in (80, 110, 300):
        text = plain_text(table(), width=width)
        lines = text.splitlines()
        end = next(i for i, line in enumerate(lines) if line.startswith("Means over seeds"))
        assert max(map(len, lines[:end])) <= width
        heads = [line for line in lines[:end] if re.match(r"\w+ +seeds", line)]
        for title in ("MIG ↑", "DCI disentanglement ↑", "SAP ↑", "VP ↑", "wall hue, from any pose (pixels) ↓"):
            assert sum(line.count(f"  {title}") for line in heads) == 1
        assert lines[-1] == f"command: {METADATA['command']}"


def test_plain_text_stars_the_best_and_leaves_gaps() -> None:
    models = [MeasuredModel("a", 0, {"codes.mig": 0.25, "codes.sap": 0.5}), MeasuredModel("b", 0, {"codes.mig": 0.75})]
    assert plain_text(model_table(models)).splitlines()[:3] == [
        "codes  seeds   MIG ↑  SAP ↑",
        "a          1   0.250  0.500",
        "b          1  0.750*",
    ]


def test_the_text_table_aligns() -> None:
    lines = text_table(("", "error"), [("hue", "1.0"), ("rotation", "12345.0")]).splitlines()
    assert {len(line) for line in lines} == {len("rotation  12345.0")}


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0.4123,), ("0.412", "")),
        ((0.0266,), ("0.0266", "")),
        ((0.0,), ("0.000", "")),
        ((12.345,), ("12.35", "")),
        ((123.45,), ("123.5", "")),
        ((1234.5,), ("1234", "")),
        ((0.00012345,), ("1.23e-04", "")),
        ((-2.5e12,), ("-2.50e+12", "")),
        ((1.0, 3.0), ("2.000", "[1.000, 3.000]")),
        ((0.5, 0.5002), ("0.5001", "[0.5000, 0.5002]")),
        ((0.5, 0.6, 0.7), ("0.600", "± 0.248")),
        ((2000.0, 2000.1, 2000.2), ("2000.1", "± 0.2")),
    ],
)
def test_numbers_have_as_many_digits_as_they_need(values: tuple[float, ...], texts: tuple[str, str]) -> None:
    assert number_texts(Score(tuple(range(len(values))), values)) == texts


def test_the_number_of_seeds_is_told_where_some_are_missing() -> None:
    row = Row("a", (0, 1), {"x": Score((1,), (0.5,)), "y": Score((0, 1), (0.5, 0.5))})
    assert cell_texts(row, "x") == ("0.500", "", "(n = 1)")
    assert cell_texts(row, "y")[2] == ""
    assert cell_texts(row, "z") == ("", "", "")


def test_the_legend_tells_of_nothing_that_does_not_occur() -> None:
    assert legend(model_table([MeasuredModel("a", 0, {"my.own": 1.0})]), "bold") == "One seed each."
    told = legend(table(), "bold")
    for part in ("95% t-interval", "[lowest, highest] of two", "↑", "↓", "bold: the best", "empty: not measured"):
        assert part in told
    assert "rings: single seeds" in legend(table(), "bold", drawn=True)


def test_wide_groups_are_cut_into_even_parts() -> None:
    sizes = [(group, len(columns)) for group, columns in blocks(table())]
    assert sizes == [("codes", 4), ("codes", 3), ("flows", 2), ("equivariance", 1)]


def test_all_files_are_written_and_nothing_else(tmp_path) -> None:
    files = write_table(table(), tmp_path / "out", stem="baselines")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in files.values())
    for ending, write in (("json", json_text), ("csv", csv_text), ("md", markdown_text), ("tex", latex_text)):
        assert files[ending].name == f"baselines.{ending}"
        assert files[ending].read_bytes().decode() == write(table())
    assert files["txt"].read_text(encoding="utf-8") == plain_text(table())

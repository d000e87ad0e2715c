"""Tables of attributes: what they hold in the order of the files, and what is wrong with them, by line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowdis.data.attributes import read_attributes

FILES = [Path("faces") / f"{name}.png" for name in "abcd"]


def written(folder: Path, *lines: str, name: str = "table.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_values_come_in_the_order_of_the_files_whatever_that_of_the_rows(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "file,age,glasses,stars,hair",
        "d.png,4.5,no,3,dark",
        "faces/b.png,-2e1,yes,1,red",
        "",
        '"a.png", 1 ,yes,2,"dark"',
        "c.png,0.25,no,2,fair",
    )
    table = read_attributes(path, FILES)
    assert table.names == ("age", "glasses", "stars", "hair")
    assert table.kinds == ("continuous", "binary", "ordinal", "categorical")
    assert table.levels == {"glasses": ("no", "yes"), "hair": ("dark", "fair", "red")}
    expected = [[1, 1, 2, 0], [-20, 1, 1, 2], [0.25, 0, 2, 1], [4.5, 0, 3, 0]]
    assert table.values.tolist() == expected and table.values.dtype == torch.float32
    assert table["stars"].tolist() == [2, 1, 2, 3] and table.rows == (0, 1, 2, 3) and len(table) == 4
    with pytest.raises(KeyError, match="attributes are age, glasses, stars, hair, got 'eyes'"):
        table["eyes"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_of_any_separator_and_with_a_mark_at_their_start(tmp_path: Path, separator: str) -> None:
    path = written(tmp_path, *(separator.join(row) for row in (("\ufefffile", "x"), ("a.png", "1"), ("b.png", "0"))))
    table = read_attributes(path, FILES[:2])
    assert table.names == ("x",) and table.values.tolist() == [[1], [0]] and table.kinds == ("binary",)


def test_every_wrong_row_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, "file,age,size", "a.png,1,2", "b.png,old,3", "e.png,1,1", "c.png,2,", "a.png,5,5")
    with pytest.raises(ValueError) as caught:
        read_attributes(path, FILES)
    told = str(caught.value)
    for wrong in (
        "line 3, b.png: age must be a finite number, got 'old'",
        "line 4: e.png is not among the images",
        "line 5, c.png: size is missing",
        "line 6: a.png has a row already, in line 2",
        f"no row for {FILES[3]}",
        "`skip_bad`",
    ):
        assert wrong in told, (wrong, told)
    with pytest.warns(UserWarning, match="left out: .*line 4: e.png") as warned:
        table = read_attributes(path, FILES, skip_bad=True)
    assert len(warned) == 1 and table.rows == (0,) and table.values.tolist() == [[1, 2]]


def test_names_that_two_images_share_need_their_folder(tmp_path: Path) -> None:
    files = [Path("x/a.png"), Path("y/a.png")]
    path = written(tmp_path, "file,age", "x/a.png,1", "y/a.png,2")
    assert read_attributes(path, files).values.tolist() == [[1], [2]]
    with pytest.raises(ValueError, match="line 2: a.png may be any of 2 images: say its folder"):
        read_attributes(written(tmp_path, "file,age", "a.png,1", "y/a.png,2"), files)


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_attributes(tmp_path / "nowhere.csv", FILES)
    for lines, told in (
        (("file",), "line 1 must name"),
        (("file,age,age", "a.png,1,1"), "line 1 must name .*different names"),
        (("file,age", "a.png,1,2"), "line 2 must have 2 values, got 3"),
        (("file,age",), "got no row"),
        (("file,age", "a.png,nan"), "line 2, a.png: age must be a finite number, got 'nan'"),
    ):
        with pytest.raises(ValueError, match=told):
            read_attributes(written(tmp_path, *lines), FILES[:1])
    (tmp_path / "table.csv").write_bytes(b"file,age\na.png,\xff\xfe\n")
    with pytest.raises(ValueError, match="UTF-8"):
        read_attributes(tmp_path / "table.csv", FILES)

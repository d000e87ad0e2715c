"""The stored notebooks run, and say what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def printed(cell: Any) -> str:
    return "".join(out["text"] for out in cell.get("outputs", []) if out["output_type"] == "stream")


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["edit_digits", "measure_codes", "waves"]
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 1.5e6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_as_it_ran(path: Path) -> None:
    """From top to bottom, with pictures, and nothing that failed or warned."""
    nbformat.validate(nbformat.read(path, as_version=4))
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [out for cell in cells for out in cell.outputs]
    assert not [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"]
    assert any("image/png" in out.get("data", {}) for out in outputs)


@pytest.fixture
def this_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel of the interpreter that runs the tests, with the package on its path."""
    folder = tmp_path / "kernels/this"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "this", "language": "python", "env": {"PYTHONPATH": str(ROOT)}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return "this"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_prints_what_is_stored(path: Path, this_interpreter: str, tmp_path: Path) -> None:
    """Cells tagged "varies" print figures of a trained model, which differ from machine to machine."""
    stored = code_cells(path)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name=this_interpreter, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    found = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for before, after in zip(stored, found, strict=True):
        if "varies" not in before.metadata.get("tags", []):
            assert printed(after) == printed(before)

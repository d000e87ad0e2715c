"""A file of JSON lines, to which every run is added as it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["append_line", "read_lines"]


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The runs of a file; a line that an interruption cut off is no run."""
    runs = []
    for line in file.read_text().splitlines() if file.is_file() else ():
        try:
            runs.append(json.loads(line))
        except ValueError:
            print(f"left out a broken line of {file}", file=sys.stderr)
    return runs


def append_line(file: Path, found: dict[str, Any]) -> None:
    """Adds a run to a file, which is made where there is none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    cut_off = file.is_file() and not file.read_bytes().endswith(b"\n")
    with file.open("a") as stream:
        stream.write(("\n" if cut_off else "") + json.dumps(found) + "\n")

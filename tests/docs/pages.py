"""What the README and the pages tell readers to type, and what it takes for granted, in small."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
INLINE = re.compile(r"`((?:flowdis|python|python3) [^`\n]+)`")

Words = tuple[str, ...]


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(first: str) -> Iterator[tuple[str, Words]]:
    """Every command that begins with a word, in blocks and in running text, with its page."""
    for page in PAGES:
        text = page.read_text()
        lines = ["".join(blocks(text, "bash")), *INLINE.findall(text)]
        for line in "\n".join(lines).splitlines():
            for part in line.split("&&"):
                words = tuple(shlex.split(part))
                if words[:1] == (first,) and len(words) > 1:
                    yield page.name, words


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def with_python() -> list[Path]:
    """The pages that have blocks of Python."""
    return [page for page in PAGES if blocks(page.read_text(), "python")]


Prepare = Callable[[Any, Any], dict[str, Any]]
"""From a folder to work in and a monkeypatch to the names that a page's code takes for granted."""

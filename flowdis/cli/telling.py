"""What a command says: progress for people, one JSON object for programs."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowdis.cli.runs import plain

__all__ = ["Teller"]


@dataclass(frozen=True)
class Teller:
    """Says what happens on stdout; on stderr where stdout is for a program.

    Arguments:
        quiet: Whether progress is not told.
        json: Whether stdout holds one JSON object and nothing else.
    """

    quiet: bool = False
    json: bool = False

    def tell(self, text: str) -> None:
        """Tells of progress."""
        if not self.quiet:
            print(text, file=sys.stderr if self.json else sys.stdout, flush=True)

    def answer(self, values: Mapping[str, Any]) -> None:
        """Prints the JSON object, where one is wanted; what is not a finite number becomes null."""
        if self.json:
            print(json_format.dumps(plain(values), indent=2), flush=True)

    def note(self, text: str) -> None:
        """Tells on stderr what must be known, whether quiet or not."""
        print(f"flowdis: {text}", file=sys.stderr, flush=True)

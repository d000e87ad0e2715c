"""`flowdis completion`: a script by which a shell completes the commands and their options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from flowdis.cli.status import DONE

__all__ = ["Completion"]


@dataclass(frozen=True)
class Completion:
    """Prints a script by which a shell completes commands, options and their values.

    For bash, add the line `source <(flowdis completion bash)` to ~/.bashrc. For zsh, write the script to a file
    `_flowdis` in a folder of $fpath.

    Arguments:
        shell: bash or zsh.
    """

    shell: Annotated[Literal["bash", "zsh"], tyro.conf.Positional]

    def run(self) -> int:
        """Prints the script and returns the exit status."""
        from flowdis.cli.commands import parse

        try:
            parse(["--tyro-print-completion", self.shell])
        except SystemExit as left:  # as the parser ends whenever it has printed something
            return int(left.code or DONE)
        return DONE

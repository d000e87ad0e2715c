"""The command line: `flowdis demo`, `forecast-demo`, `train`, `edit`, `evaluate`, `report` and `app`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_BAD_INPUT, _INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Arguments:
        arguments: The words after `flowdis`; those of the process where left out.

    Returns:
        The exit status: 0 when all went well, 2 for bad input (told in one line on stderr), 130 when
        interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        from flowdis.cli.commands import run

        return run(arguments)
    except KeyboardInterrupt:
        print("flowdis: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        from flowdis.dynamics import FlowError

        # Any other RuntimeError is a fault of the library, whose traceback is wanted.
        if isinstance(error, RuntimeError) and not isinstance(error, FlowError):
            raise
        print(f"flowdis: {' '.join(str(error).split())}", file=sys.stderr)
        return _BAD_INPUT

"""The command line: `flowdis demo`, `train`, `edit`, `app` and others; see `COMMANDS`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Arguments:
        arguments: The words after `flowdis`; those of the process where left out.

    Returns:
        The exit status: 0 when all went well, 2 for bad input and 3 when a training diverges or a flow cannot be
        integrated (each told in one line on stderr), 130 when interrupted by Ctrl-C or a request to terminate.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    from flowdis.cli.status import BAD_INPUT, DIVERGED, INTERRUPTED, terminations_interrupt

    try:
        with terminations_interrupt():
            from flowdis.cli.commands import run

            return run(arguments)
    except KeyboardInterrupt:
        print("flowdis: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        from flowdis.dynamics import FlowError

        diverged = isinstance(error, FlowError)
        # Any other RuntimeError is a fault of the library, whose traceback is wanted.
        if isinstance(error, RuntimeError) and not diverged:
            raise
        print(f"flowdis: {' '.join(str(error).split())}", file=sys.stderr)
        return DIVERGED if diverged else BAD_INPUT

"""What a command ends with: exit statuses, and how it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["BAD_INPUT", "DIVERGED", "DONE", "INTERRUPTED", "terminations_interrupt"]

DONE = 0
"""All went well."""

BAD_INPUT = 2
"""Bad input, or a file that cannot be read or written, told in one line on stderr."""

DIVERGED = 3
"""A loss that is no number any more, or a flow that cannot be integrated, told in one line on stderr."""

INTERRUPTED = 130
"""Interrupted, by Ctrl-C or a request to terminate; the same command goes on."""


@contextmanager
def terminations_interrupt() -> Iterator[None]:
    """Within it, requests to terminate are heard as Ctrl-C is, so that files stay whole; on the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)

"""Being interrupted between two steps rather than within one, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupts", "deferred_interrupts"]


class Interrupts:
    """Whether an interrupt has come."""

    def __init__(self) -> None:
        self.came = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Notes the first signal; the second one interrupts at once.

        Raises:
            KeyboardInterrupt: at the second signal.
        """
        if self.came:
            raise KeyboardInterrupt
        self.came = True


@contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """Within it, Ctrl-C and requests to terminate are noted, not raised; only the main thread can do so.

    Yields:
        Whether one has come.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupts.handle) for number in numbers}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

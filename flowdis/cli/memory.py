"""Keeping freed memory for the next training step, where the C library would give it back to the system."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
_MEBIBYTE = 2**20


def keep_freed_memory() -> None:
    """Asks glibc to keep what is freed; does nothing elsewhere.

    A training step frees and takes again the same hundred megabytes; given back in between, each page of them is
    zeroed anew, which takes about a sixth of a step on a CPU. A process-wide setting, hence made by commands alone.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, size in ((_MMAP_THRESHOLD, 32), (_TRIM_THRESHOLD, 1024), (_TOP_PAD, 64)):
        mallopt(parameter, size * _MEBIBYTE)

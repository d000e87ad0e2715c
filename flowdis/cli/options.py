"""What several commands need: a device, and warnings in plain words."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from flowdis._checks import check_choice

__all__ = ["pick_device", "plain_warnings"]


def pick_device(name: str) -> torch.device:
    """The device of a name; for "auto" the first of cuda, mps and cpu that this machine has.

    Raises:
        ValueError: if the name is unknown, or the machine has no such device.
    """
    here = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if name == "auto":
        return torch.device(next(kind for kind, count in here.items() if count))
    kind, _, index = name.partition(":")
    check_choice("device", kind, ("auto", *here))
    if not (index or "0").isdecimal() or int(index or 0) >= here[kind]:
        found = ", ".join(f"{count} of {kind}" for kind, count in here.items() if count)
        raise ValueError(f"`device` must be on this machine, which has {found}, got {name!r}")
    return torch.device(name)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Tells of warnings on stderr in one line each, without the line of code that raised them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                print(f"flowdis: {' '.join(str(warning.message).split())}", file=sys.stderr)

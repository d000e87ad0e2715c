"""Checkpoints: written whole or not at all, read without unpickling code; the last few kept by number, and the best."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import torch

from flowdis._files import clear_partials, link_whole, replacing

__all__ = ["Checkpoints", "load_checkpoint", "save_checkpoint"]

_FORMAT = "flowdis.training"
_VERSION = 1
_NUMBERED = re.compile(r"step_(\d+)\.pt")


@dataclass(frozen=True)
class Checkpoints:
    """The last checkpoint of a training, and beside it, in a folder, those that are kept.

    The last one, and whatever it is kept as, are two names of one file where the disk has such, and so take no more
    room. To go back to an earlier one, copy it over the last.

    Arguments:
        last: The file of the last checkpoint.
        keep: How many are kept by the number of their step, the last one included.
    """

    last: FilePath
    keep: int = 1

    @property
    def folder(self) -> FilePath:
        """Where checkpoints are kept: `checkpoints` beside `checkpoint.pt`, `vae-checkpoints` beside `vae.pt`."""
        stem = self.last.stem
        return self.last.with_name("checkpoints" if stem == "checkpoint" else f"{stem}-checkpoints")

    @property
    def best(self) -> FilePath:
        """The checkpoint at which the loss on held-out sequences was lowest."""
        return self.folder / "best.pt"

    def numbered(self) -> list[FilePath]:
        """Those that are kept by number, in the order of their steps."""
        found = {file: _NUMBERED.fullmatch(file.name) for file in self.folder.glob("step_*.pt")}
        return sorted((file for file, match in found.items() if match), key=_step)

    def save(self, state: dict[str, Any], *, best: bool = False) -> None:
        """Writes a training state, keeps it by its step, and forgets the oldest ones beyond `keep`.

        Arguments:
            state: The state, with its step.
            best: Whether it is also kept as the best so far.
        """
        save_checkpoint(self.last, state)
        step = int(state["step"])
        link_whole(self.last, self.folder / f"step_{step:06d}.pt")
        if best:
            self.keep_as_best()
        # Those of later steps are of a training that this one has gone back behind.
        for file in self.numbered():
            if _step(file) > step:
                file.unlink(missing_ok=True)
        for file in self.numbered()[: -self.keep]:
            file.unlink(missing_ok=True)

    def keep_as_best(self) -> None:
        """Keeps the last one as the best."""
        link_whole(self.last, self.best)

    def clear(self) -> None:
        """Removes what writers that were killed have left."""
        clear_partials(self.last.parent)
        clear_partials(self.folder)

    def remove(self) -> None:
        """Removes all of them."""
        for file in (self.last, self.best, *self.numbered()):
            file.unlink(missing_ok=True)


def _step(file: FilePath) -> int:
    return int(file.stem.removeprefix("step_"))


def save_checkpoint(file: FilePath, state: dict[str, Any]) -> None:
    """Writes a training state to `file` atomically: the old checkpoint stays until the new one is on disk."""
    with replacing(file) as stream:
        torch.save({"format": _FORMAT, "version": _VERSION, **state}, stream)


def load_checkpoint(file: str | FilePath) -> dict[str, Any]:
    """Reads a training state that `save_checkpoint` wrote, tensors and plain values only.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a checkpoint of this library.
    """
    file = FilePath(file)
    if not file.is_file():
        raise FileNotFoundError(f"`file` must be a checkpoint, got {file}, which does not exist")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several unrelated types on foreign files
        raise ValueError(f"{file} is not a readable checkpoint: {error}") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT or state.get("version") != _VERSION:
        raise ValueError(f"{file} must be a checkpoint of format {_FORMAT!r}, version {_VERSION}")
    return state

"""Those who follow a training without a part in it: a log on disk, TensorBoard, sample pictures."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from flowdis._files import write_whole

__all__ = ["JsonLog", "TensorBoardLog", "Watcher", "Watchers"]

Entry = Mapping[str, float]


class Watcher:
    """Someone who is told how a training goes; each method does nothing unless it is overridden."""

    def begin(self, step: int, history: Sequence[Entry]) -> None:
        """Training begins, or goes on, at a step; whatever is known of this step and later ones is void.

        Arguments:
            step: How many steps were taken.
            history: The entries of these.
        """

    def log(self, entry: Entry) -> None:
        """A step was logged."""

    def save(self, step: int, model: Any) -> None:
        """A checkpoint was written after so many steps; the model must be left as it is."""

    def end(self) -> None:
        """Training has ended, or was interrupted."""


class Watchers(Watcher):
    """Several as one; one that fails is told of in a warning and asked no more, and training goes on.

    Arguments:
        watchers: The watchers.
    """

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self.watchers = list(watchers)

    def begin(self, step: int, history: Sequence[Entry]) -> None:
        """Tells all of them."""
        self._tell(lambda watcher: watcher.begin(step, history))

    def log(self, entry: Entry) -> None:
        """Tells all of them."""
        self._tell(lambda watcher: watcher.log(entry))

    def save(self, step: int, model: Any) -> None:
        """Tells all of them."""
        self._tell(lambda watcher: watcher.save(step, model))

    def end(self) -> None:
        """Tells all of them."""
        self._tell(lambda watcher: watcher.end())

    def _tell(self, call: Callable[[Watcher], None]) -> None:
        for watcher in list(self.watchers):
            try:
                call(watcher)
            except Exception as error:  # a day of training is worth more than its log, whatever is wrong with that
                self.watchers.remove(watcher)
                told = f"{type(watcher).__name__} failed, and training goes on without: {type(error).__name__}: {error}"
                warnings.warn(told, stacklevel=4)


class JsonLog(Watcher):
    """The history as a file, one JSON object a line, each line added whole as its step is logged.

    What is not finite is null. At a resumption the file is cut back to the checkpoint's history.

    Arguments:
        file: The file.
    """

    def __init__(self, file: FilePath) -> None:
        self.file = file

    def begin(self, step: int, history: Sequence[Entry]) -> None:
        """Writes the history so far in place of what is there."""
        write_whole(self.file, [_line(entry) for entry in history])

    def log(self, entry: Entry) -> None:
        """Adds a line in one call to the system, so that a kill finds it there or not."""
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, _line(entry))
        finally:
            os.close(descriptor)


def _line(entry: Entry) -> bytes:
    plain = {name: value if math.isfinite(value) else None for name, value in entry.items()}
    return (json.dumps(plain) + "\n").encode()


class TensorBoardLog(Watcher):
    """The history as scalars for TensorBoard; points of steps that are taken once more are not shown twice.

    Arguments:
        folder: The folder of the events.

    Raises:
        ImportError: if TensorBoard is not installed.
    """

    def __init__(self, folder: FilePath) -> None:
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise ImportError("`tensorboard` must be installed: pip install 'flowdis[log]'") from error
        self.folder = folder
        self.writer: Any = None

    def begin(self, step: int, history: Sequence[Entry]) -> None:
        """Opens a file of events that takes the place of older ones from the step on."""
        from torch.utils.tensorboard import SummaryWriter

        known = any(self.folder.glob("events.out.tfevents.*"))
        self.end()
        self.writer = SummaryWriter(str(self.folder), purge_step=step if known else None)
        if not known:
            for entry in history:
                self.log(entry)

    def log(self, entry: Entry) -> None:
        """Adds a point to the curve of each term."""
        for name, value in entry.items():
            if name != "step":
                tag = name.replace(".", "/", 1) if "." in name else f"training/{name}"
                self.writer.add_scalar(tag, value, int(entry["step"]))

    def save(self, step: int, model: Any) -> None:
        """Has the points written, so that none that the checkpoint has is lost by a kill."""
        self.writer.flush()

    def end(self) -> None:
        """Closes the file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

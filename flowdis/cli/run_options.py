"""Options that all commands that train have, and taking up the options that a run was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from flowdis.cli.runs import Run, plain
from flowdis.cli.telling import Teller

__all__ = ["RunOptions", "options_of", "taken_up"]

Command = TypeVar("Command", bound="RunOptions")

_OF_ONE_CALL = ("out", "resume", "fresh", "json", "quiet", "device")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is kept and told of; nothing that it comes to depends on it.

    Arguments:
        checkpoint_seconds: Seconds between checkpoints; 30 where left out.
        keep: How many checkpoints are kept by number, beside the best; 3 where left out.
        tensorboard: Also write the log for TensorBoard, into the folder `tensorboard`.
        resume: Go on with the run in the folder, with its options where they are left out; an error if there is none.
        fresh: Begin anew, whatever is in the folder.
        json: Print one JSON object of what the run came to on stdout, and progress on stderr.
        quiet: Show no progress, print nothing but what `json` asks for.
    """

    checkpoint_seconds: float | None = None
    keep: int | None = None
    tensorboard: bool = False
    resume: bool = False
    fresh: bool = False
    json: bool = False
    quiet: bool = False

    @property
    def teller(self) -> Teller:
        """How it is told of."""
        return Teller(self.quiet, self.json)

    def check(self) -> None:
        """Checks options against each other, before any work is done.

        Raises:
            ImportError: if TensorBoard is wanted, and is not installed.
            ValueError: if the run is both to be taken up and to be begun anew.
        """
        if self.resume and self.fresh:
            raise ValueError("`resume` or `fresh` must be given, got both")
        if self.tensorboard:
            from flowdis.training import TensorBoardLog

            TensorBoardLog(Path())

    def kept(self) -> dict[str, Any]:
        """The settings of the trainer that were given here."""
        given = {"checkpoint_seconds": self.checkpoint_seconds, "keep": self.keep}
        return {name: value for name, value in given.items() if value is not None}


def options_of(name: str, command: RunOptions, changed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A command as it is kept in the folder of its run, to be taken up.

    Arguments:
        name: The command's name.
        command: Its options.
        changed: Options that are kept otherwise, such as a path in full.
    """
    kept = {field.name: getattr(command, field.name) for field in fields(command) if field.name not in _OF_ONE_CALL}
    return {"name": name, "options": plain(kept | dict(changed or {}))}


def taken_up(name: str, command: Command, folder: Path) -> Command:
    """A command with the options that its run was begun with, where it is to go on with that.

    Options that differ from their defaults stay as they were given; those of the run that its result depends on are
    compared when it goes on.

    Arguments:
        name: The command's name.
        command: The options that were given.
        folder: The folder of the run.

    Returns:
        The command itself where it is not to go on.

    Raises:
        ValueError: if there is no run in the folder, or another command's, or options do not go together.
    """
    command.check()
    if not command.resume:
        return command
    settings = Run(folder).settings()
    if not settings:
        raise ValueError(f"`resume` must be of a run that was begun, got {folder}, which holds none")
    begun: Mapping[str, Any] = settings.get("command") or {}
    if begun and begun.get("name") != name:
        raise ValueError(f"`resume` must be by the command that began {folder}, which is flowdis {begun.get('name')}")
    options: Mapping[str, Any] = begun.get("options", {})
    known = {
        field.name: _read(field, options[field.name])
        for field in fields(command)
        if field.name in options and getattr(command, field.name) == _default(field)
    }
    return replace(command, **known)


def _default(field: Field[Any]) -> Any:
    return None if field.default is MISSING else field.default


def _read(field: Field[Any], value: Any) -> Any:
    """A value as it was before it was written as JSON."""
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if isinstance(value, str) and "Path" in str(field.type) else value

"""The folder of a run: what is in it, what it was begun with, and whether it is finished."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowdis._files import clear_partials, write_whole
from flowdis.data import check_writable
from flowdis.training import Checkpoints

__all__ = ["Run", "differences", "plain", "write_json"]

_FORMAT = "flowdis.run"
_FOLDERS = ("model", "report", "strips", "gifs")
_WRITTEN = ("", *_FOLDERS, "checkpoints", "samples", "first_look")
_FREE = ("training.checkpoint_seconds", "training.keep")  # settings that nothing a run comes to depends on


@dataclass(frozen=True)
class Run:
    """A folder with a model, how it was trained, and how well it does.

    Arguments:
        folder: The folder.
    """

    folder: Path

    @property
    def model(self) -> Path:
        """The folder of the model."""
        return self.folder / "model"

    @property
    def checkpoint(self) -> Path:
        """The file with all that training needs to go on; those that are kept stand in `checkpoints`."""
        return self.folder / "checkpoint.pt"

    @property
    def log(self) -> Path:
        """The file of the logged steps, one JSON object a line."""
        return self.folder / "log.jsonl"

    @property
    def samples(self) -> Path:
        """The folder of the sample pictures."""
        return self.folder / "samples"

    @property
    def tensorboard(self) -> Path:
        """The folder of the events for TensorBoard."""
        return self.folder / "tensorboard"

    @property
    def metrics(self) -> Path:
        """The file of the metrics."""
        return self.folder / "metrics.json"

    @property
    def report(self) -> Path:
        """The page of the report."""
        return self.folder / "report" / "index.html"

    @property
    def first_look(self) -> Path:
        """The page of what was read before training."""
        return self.folder / "first_look" / "index.html"

    @property
    def _settings(self) -> Path:
        return self.folder / "run.json"

    def begin(
        self, settings: Mapping[str, Any], *, fresh: bool = False, command: Mapping[str, Any] | None = None
    ) -> None:
        """Makes the folder ready for a run, or for the rest of the same run.

        Arguments:
            settings: All that the result of the run depends on.
            fresh: Whether to begin anew, whatever is there of an earlier run.
            command: The command and its options, so that the run can be taken up without them.

        Raises:
            OSError: if something cannot be written.
            ValueError: if the folder holds a run with other settings.
        """
        check_writable(self.folder)
        for name in _FOLDERS:
            check_writable(self.folder / name)
        old, new = self.settings(), json.loads(json.dumps(plain(settings)))
        begun = old.pop("command", None)
        if fresh:
            self._empty()
        elif old:
            changed = [
                f"{key} {before}, now {after}"
                for key, before, after in differences(old, new)
                if not key.endswith(_FREE)
            ]
            if changed:
                raise ValueError(
                    f"`out` must be a new folder, or hold the same run; {self.folder} was begun with "
                    f"{'; '.join(changed)} (another folder, or --fresh, begins anew)"
                )
        elif self.checkpoint.exists():
            raise ValueError(
                f"`out` must be a new folder, or hold the same run; {self.checkpoint} is of neither "
                "(another folder, or --fresh, begins anew)"
            )
        for name in _WRITTEN:
            clear_partials(self.folder / name)
        write_json(self._settings, {"format": _FORMAT, **new, "command": command or begun})

    def _empty(self) -> None:
        """Removes what a run leaves behind that another run could be taken for."""
        Checkpoints(self.checkpoint).remove()
        events, samples = self.tensorboard.glob("events.out.tfevents.*"), self.samples.glob("step_*.png")
        for file in (self.metrics, self.report, self.log, self._settings, *events, *samples):
            file.unlink(missing_ok=True)

    def settings(self) -> dict[str, Any]:
        """What the run was begun with; nothing where that is not known.

        Raises:
            ValueError: if the file is not what a run writes.
        """
        if not self._settings.is_file():
            return {}
        values = _read_json(self._settings)
        if values.pop("format", None) != _FORMAT:
            raise ValueError(f"{self._settings} must have format {_FORMAT!r}")
        return values

    def read_metrics(self) -> dict[str, Any]:
        """The metrics.

        Raises:
            FileNotFoundError: if there are none.
            ValueError: if the file is not a JSON object.
        """
        if not self.metrics.is_file():
            raise FileNotFoundError(f"`runs` must be folders of finished runs, got {self.folder} without metrics.json")
        return _read_json(self.metrics)

    def read_history(self) -> list[dict[str, float]]:
        """The logged steps of training; none where there is no log. A last line that is not ended is not read.

        Raises:
            ValueError: if the log is not one JSON object a line.
        """
        if not self.log.is_file():
            return []
        try:
            entries = [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]
        except ValueError as error:
            raise ValueError(f"{self.log} must hold one JSON object a line: {error}") from error
        return [{key: math.nan if value is None else value for key, value in entry.items()} for entry in entries]


def write_json(file: Path, values: Mapping[str, Any]) -> Path:
    """Writes plain JSON, whole or not at all; what is not a finite number becomes null."""
    return write_whole(file, (json.dumps(plain(values), indent=2) + "\n").encode())


def plain(value: Any) -> Any:
    """A nested value as JSON has it: no tuples, no paths, no numbers that are not finite.

    Example:
        >>> plain({"a": (1, float("nan")), "b": Path("c")})
        {'a': [1, None], 'b': 'c'}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} must hold JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{file} must hold a JSON object, got {type(values).__name__}")
    return values


def differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The key, such as "training.seed", and both values of all that differs between nested settings."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            yield from differences(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    elif old != new:
        yield key, old, new

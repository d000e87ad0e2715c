"""Those who follow a training: a log that grows, points that are not doubled, and none of them can stop it."""

from __future__ import annotations

import builtins
import json
import math
from pathlib import Path

import pytest
import torch

from flowdis.training import JsonLog, TensorBoardLog, Trainer, TrainingConfig, Watcher, load_checkpoint
from tests.models.toys import small_model
from tests.training.toys import Eventful, trainer


def watched(*watchers: Watcher, event: object = None, file: Path | None = None, **changes: object) -> Trainer:
    sequences = Eventful(event) if event else Eventful()
    config = TrainingConfig(**{"steps": 10, "batch_size": 4, "warmup": 2, "log_every": 1, **changes})
    return Trainer(small_model(), sequences, config, file, True, watchers=watchers)


def lines(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_log_has_each_step_as_soon_as_it_is_logged(tmp_path: Path) -> None:
    file, found = tmp_path / "new/log.jsonl", []
    run = watched(JsonLog(file), event=lambda draw: found.append(len(lines(file))))
    run.run()
    assert found == list(range(10)) and lines(file) == run.history


class Killed(BaseException):
    """What nothing catches, and after which nothing is saved."""


def dying(at: int):
    def event(draw: int) -> None:
        if draw == at:
            raise Killed

    return event


def test_after_a_kill_the_log_is_cut_back_to_the_checkpoint_and_no_entry_is_doubled_or_lost(tmp_path: Path) -> None:
    log, file = tmp_path / "log.jsonl", tmp_path / "checkpoint.pt"

    def event(draw: int) -> None:
        if draw == 5:
            first.save()
        dying(9)(draw)

    first = watched(JsonLog(log), event=event, file=file)
    with pytest.raises(Killed):
        first.run()
    assert len(lines(log)) == 8 and load_checkpoint(file)["step"] == 4
    with log.open("a") as stream:
        stream.write('{"step": 8.0, "lo')  # a line that was cut off

    seen = []
    rest = watched(JsonLog(log), event=lambda draw: seen.append(len(lines(log))), file=file)
    assert rest.resume() and rest.run().finished
    assert seen == [4, 5, 6, 7, 8, 9]
    whole = trainer()
    whole.run()
    apart = [{name: value for name, value in entry.items() if name != "seconds"} for entry in whole.history]
    assert [{name: value for name, value in entry.items() if name != "seconds"} for entry in lines(log)] == apart


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "log.jsonl")
    log.begin(1, [{"step": 0.0, "loss": math.inf}])
    log.log({"step": 1.0, "loss": math.nan})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 0.0, "loss": null}\n{"step": 1.0, "loss": null}\n'


class Failing(Watcher):
    """One whose disk is full."""

    def __init__(self, when: str) -> None:
        self.calls = 0
        setattr(self, when, self.fail)

    def fail(self, *_: object) -> None:
        self.calls += 1
        raise OSError("no space left on device")


@pytest.mark.parametrize("when", ["begin", "log", "save", "end"])
def test_a_watcher_that_fails_never_stops_a_training(when: str, tmp_path: Path) -> None:
    failing, log = Failing(when), tmp_path / "log.jsonl"
    run = watched(failing, JsonLog(log), file=tmp_path / "checkpoint.pt")
    told = "Failing failed, and training goes on without: OSError: no space left on device"
    with pytest.warns(UserWarning, match=told):
        assert run.run().finished
    assert failing.calls == 1 and len(lines(log)) == 10
    whole = trainer()
    whole.run()
    mine, theirs = run.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def points(folder: Path, tag: str) -> dict[int, float]:
    """The curve that TensorBoard shows, whose steps must be apart."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    scalars = events.Scalars(tag)
    assert len({scalar.step for scalar in scalars}) == len(scalars)
    return {scalar.step: scalar.value for scalar in scalars}


def test_tensorboard_has_the_history_and_a_resumption_doubles_no_point(tmp_path: Path) -> None:
    folder, file = tmp_path / "tensorboard", tmp_path / "checkpoint.pt"

    def event(draw: int) -> None:
        if draw == 5:
            first.save()
        dying(9)(draw)

    first = watched(TensorBoardLog(folder), event=event, file=file)
    with pytest.raises(Killed):
        first.run()
    assert list(points(folder, "training/loss")) == list(range(8))
    rest = watched(TensorBoardLog(folder), file=file)
    assert rest.resume() and rest.run().finished
    for name in ("loss", "reconstruction", "learning_rate"):
        wanted = {int(entry["step"]): entry[name] for entry in rest.history}
        assert points(folder, f"training/{name}") == pytest.approx(wanted, rel=1e-6)


def test_tensorboard_asked_for_later_has_what_was_before(tmp_path: Path) -> None:
    folder = tmp_path / "tensorboard"
    log = TensorBoardLog(folder)
    log.begin(1, [{"step": 0.0, "held_out.loss": 2.0}])
    log.log({"step": 1.0, "held_out.loss": 1.0})
    log.end()
    log.end()
    assert points(folder, "held_out/loss") == {0: 2.0, 1: 1.0}


def test_without_tensorboard_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def without(name: str, *others: object, **options: object) -> object:
        if name == "tensorboard":
            raise ImportError(name)
        return real(name, *others, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'flowdis\[log\]'"):
        TensorBoardLog(tmp_path)

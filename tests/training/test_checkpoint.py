"""Checkpoints: whole or not at all, and nothing in them that could run."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import torch

from flowdis.training import Checkpoints, load_checkpoint, save_checkpoint
from tests.training.toys import trainer


def test_a_state_comes_back_and_holds_no_code(tmp_path: Path) -> None:
    file = tmp_path / "a/b/checkpoint.pt"
    run = trainer(checkpoint=file, steps=2)
    run.run()
    state = load_checkpoint(file)
    assert state["step"] == 2 and state["history"] == run.history
    assert torch.equal(state["generator"], run.generator.get_state())
    assert torch.load(file, weights_only=True)["format"] == "flowdis.training"
    assert sorted(path.name for path in file.parent.iterdir()) == ["checkpoint.pt", "checkpoints"]


def test_a_crash_while_writing_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checkpoint.pt"
    save_checkpoint(file, {"step": 1})

    def torn(state: object, stream: object) -> None:
        stream.write(b"half of a check")
        raise OSError("no space left on device")

    monkeypatch.setattr("flowdis.training.checkpoint.torch.save", torn)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(file, {"step": 2})
    monkeypatch.undo()
    assert load_checkpoint(file)["step"] == 1
    assert list(tmp_path.iterdir()) == [file]


class Trap:
    """What a foreign file may do when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("sprung"),)


def test_foreign_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "checkpoint.pt"
    with pytest.raises(FileNotFoundError, match="`file` must be a checkpoint"):
        load_checkpoint(file)
    file.write_text("not a checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint\.pt is not a readable checkpoint"):
        load_checkpoint(file)
    file.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        load_checkpoint(file)
    torch.save({"format": "flowdis.training", "version": 1, "trap": Trap()}, file)
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        load_checkpoint(file)
    assert not (tmp_path / "sprung").exists()
    for foreign in ({"model": {}}, {"format": "flowdis.training", "version": 99}, [1, 2]):
        torch.save(foreign, file)
        with pytest.raises(ValueError, match="must be a checkpoint of format 'flowdis.training', version 1"):
            load_checkpoint(file)


def test_the_last_few_are_kept_by_their_step_and_going_back_forgets_later_ones(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoint.pt", keep=2)
    for step in (5, 10, 1_000_000):
        checkpoints.save({"step": step}, best=step == 5)
    assert [file.name for file in checkpoints.numbered()] == ["step_000010.pt", "step_1000000.pt"]
    assert [load_checkpoint(file)["step"] for file in checkpoints.numbered()] == [10, 1_000_000]
    assert load_checkpoint(checkpoints.best)["step"] == 5
    save_checkpoint(checkpoints.last, load_checkpoint(checkpoints.numbered()[0]))  # back to step 10
    checkpoints.save({"step": 12})
    assert [load_checkpoint(file)["step"] for file in checkpoints.numbered()] == [10, 12]
    (checkpoints.folder / "step_mine.pt").touch()
    checkpoints.remove()
    assert [file.name for file in tmp_path.rglob("*.pt")] == ["step_mine.pt"]


def test_several_trainings_in_one_folder_keep_theirs_apart(tmp_path: Path) -> None:
    folders = {Checkpoints(tmp_path / f"{name}.pt").folder for name in ("checkpoint", "vae", "flows")}
    assert folders == {tmp_path / name for name in ("checkpoints", "vae-checkpoints", "flows-checkpoints")}


def test_a_run_goes_on_from_an_earlier_checkpoint_and_comes_to_the_same(tmp_path: Path) -> None:
    whole = trainer(checkpoint=tmp_path / "whole/checkpoint.pt", checkpoint_seconds=0.0, keep=3)
    whole.run()
    earlier = Checkpoints(tmp_path / "whole/checkpoint.pt").numbered()[0]
    assert load_checkpoint(earlier)["step"] == 8
    again = trainer(checkpoint=shutil.copy(earlier, tmp_path / "checkpoint.pt"))
    assert again.resume() and again.run().finished
    mine, theirs = again.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_checkpoints_from_before_there_was_a_best_are_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    trainer(checkpoint=file, steps=2).run()
    state = load_checkpoint(file)
    save_checkpoint(file, {name: value for name, value in state.items() if name != "best"})
    rest = trainer(checkpoint=file, steps=4)
    assert rest.resume() and rest.step == 2 and rest.run().finished

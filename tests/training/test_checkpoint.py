"""Checkpoints: whole or not at all, and nothing in them that could run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from flowdis.training import load_checkpoint, save_checkpoint
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

"""Files come whole or not at all, whatever stops the writing."""

from __future__ import annotations

import os

import pytest

from flowdis._files import replacing, write_whole


def test_files_are_written_whole_or_not_at_all(tmp_path):
    file = write_whole(tmp_path / "deep" / "a.bin", b"first")
    with pytest.raises(TypeError):
        write_whole(file, [b"second", None])
    assert file.read_bytes() == b"first"
    assert [path.name for path in file.parent.iterdir()] == ["a.bin"]


def test_parts_are_joined_and_the_path_is_returned(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    file = write_whole("~/a.bin", [b"one", b"two"])
    assert file == tmp_path / "a.bin"
    assert file.read_bytes() == b"onetwo"


def test_an_error_halfway_leaves_what_was_there(tmp_path):
    file = write_whole(tmp_path / "a.bin", b"first")
    with pytest.raises(OSError, match="no space"), replacing(file) as stream:
        stream.write(b"sec")
        assert file.read_bytes() == b"first"
        raise OSError("no space")
    assert file.read_bytes() == b"first"
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "new.bin"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [file]


def test_bytes_are_on_disk_before_they_take_the_files_place(tmp_path, monkeypatch):
    calls = []
    replace = os.replace

    def synced(descriptor):
        calls.append(("sync", os.fstat(descriptor).st_size))

    def replaced(source, target):
        calls.append(("replace", target.name))
        replace(source, target)

    monkeypatch.setattr("flowdis._files.os.fsync", synced)
    monkeypatch.setattr("flowdis._files.os.replace", replaced)
    write_whole(tmp_path / "a.bin", b"12345")
    assert calls == [("sync", 5), ("replace", "a.bin")]


def test_a_folder_in_the_files_place_is_left_alone(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(OSError, match="a.bin"):
        write_whole(tmp_path / "a.bin", b"12345")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]

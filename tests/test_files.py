"""Files come whole or not at all, whatever stops the writing."""

from __future__ import annotations

import os
import stat

import pytest

from flowdis._files import clear_partials, link_whole, replacing, write_whole


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
        status = os.fstat(descriptor)
        calls.append(("sync", "folder" if stat.S_ISDIR(status.st_mode) else status.st_size))

    def replaced(source, target):
        calls.append(("replace", target.name))
        replace(source, target)

    monkeypatch.setattr("flowdis._files.os.fsync", synced)
    monkeypatch.setattr("flowdis._files.os.replace", replaced)
    write_whole(tmp_path / "a.bin", b"12345")
    assert calls == [("sync", 5), ("replace", "a.bin"), ("sync", "folder")]


def test_a_folder_in_the_files_place_is_left_alone(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(OSError, match="a.bin"):
        write_whole(tmp_path / "a.bin", b"12345")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("links", [True, False])
def test_a_second_name_keeps_its_bytes_when_the_first_is_replaced(links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr("flowdis._files.os.link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    file, kept = write_whole(tmp_path / "a.bin", b"first"), tmp_path / "kept" / "a-1.bin"
    for _ in range(2):  # the second time both are one file already
        link_whole(file, kept)
        assert kept.read_bytes() == b"first"
    write_whole(file, b"second")
    assert (kept.read_bytes(), file.read_bytes()) == (b"first", b"second")
    link_whole(file, kept)
    assert kept.read_bytes() == b"second"
    assert [path.name for path in kept.parent.iterdir()] == ["a-1.bin"]


def test_only_what_a_kill_left_is_cleared(tmp_path):
    for name in (".a.bin.partial", "a.partial", ".partial", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / ".folder.partial").mkdir()
    clear_partials(tmp_path)
    clear_partials(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".folder.partial", ".hidden", ".partial", "a.partial"]

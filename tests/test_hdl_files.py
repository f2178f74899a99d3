"""Files appear together and whole, or nothing changes."""

import os

import pytest

from pa_hdl.files import whole_files


def test_appear_together(tmp_path):
    first, second = tmp_path / "new" / "a.v", tmp_path / "b.json"
    with whole_files() as write:
        write(first, "one\n")
        write(second, "two\n")
        assert not first.exists()
        assert not second.exists()
    assert first.read_bytes() == b"one\n"
    assert second.read_bytes() == b"two\n"
    assert sorted(os.listdir(tmp_path)) == ["b.json", "new"]


def test_replace_what_was_there(tmp_path):
    path = tmp_path / "a.v"
    path.write_text("old and longer")
    with whole_files() as write:
        write(path, "new")
    assert path.read_text() == "new"


def test_nothing_changes_when_the_block_raises(tmp_path):
    path = tmp_path / "a.v"
    path.write_text("old")

    def fail():
        with whole_files() as write:
            write(path, "new")
            write(tmp_path / "b.v", "new")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.v"]


def test_nothing_changes_when_a_file_cannot_be_written(tmp_path):
    path = tmp_path / "a.v"
    path.write_text("old")
    (tmp_path / "taken").mkdir()

    def fail(second):
        with whole_files() as write:
            write(path, "new")
            write(second, "new")

    with pytest.raises(ValueError, match="taken' is a folder"):
        fail(tmp_path / "taken")
    with pytest.raises(OSError, match=r"a\.v"):
        fail(path / "b.v")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe' is a device or a pipe"):
        fail(tmp_path / "pipe")
    os.unlink(tmp_path / "pipe")
    with pytest.raises(OSError, match="File name too long") as raised:
        fail(tmp_path / ("x" * 300))
    assert raised.value.filename == str(tmp_path / ("x" * 300))
    with pytest.raises(ValueError, match="two files would be written to"):
        fail(tmp_path / "taken" / ".." / "a.v")
    assert path.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["a.v", "taken"]


def test_permissions_follow_the_umask(tmp_path):
    (tmp_path / "plain").write_text("")
    with whole_files() as write:
        write(tmp_path / "a.v", "")
    assert (tmp_path / "a.v").stat().st_mode == (tmp_path / "plain").stat().st_mode

"""Files that appear whole or not at all."""

import os

import pytest

from pa_artifact.whole import write_whole


def test_folders_are_made_and_files_replaced(tmp_path):
    path = tmp_path / "new" / "file"
    for data in (b"first", b"second"):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["file"]


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"after")
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"before"

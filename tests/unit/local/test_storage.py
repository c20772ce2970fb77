import errno
import os
from pathlib import Path

import pytest

from synthcredit.errors import StorageError
from synthcredit.local import storage


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "deep" / "file.json"
    storage.write_whole(path, b"one")
    storage.write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission"), (errno.EIO, "error")],
)
def test_what_a_disk_refuses_is_said_clearly_and_leaves_nothing(tmp_path, monkeypatch, code, words):
    def refuse(self: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code), str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StorageError) as caught:
        storage.write_whole(tmp_path / "file.json", b"one")
    assert words in caught.value.problems[0].problem
    assert str(tmp_path) in caught.value.problems[0].field
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "here").write_text("I am a file")
    with pytest.raises(StorageError, match="a file is where a folder has to be|exists"):
        storage.write_whole(tmp_path / "here" / "file.json", b"one")


def test_a_copy_is_a_file_of_its_own(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"rows")
    storage.copy_whole(source, tmp_path / "out" / "copy")
    assert (tmp_path / "out" / "copy").read_bytes() == b"rows"
    assert not (tmp_path / "out" / "copy").samefile(source)


def test_links_fall_back_to_bytes_where_they_are_not_to_be_had(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(b"rows")

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "no links between disks")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    storage.link_or_copy(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"rows"
    assert not (tmp_path / "copy").samefile(source)

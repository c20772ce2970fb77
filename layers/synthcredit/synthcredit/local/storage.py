"""Files on a disk: written whole or not at all, and clear words when the disk refuses."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from synthcredit.errors import Problem, StorageError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose another place."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or choose another place."),
    errno.EFBIG: ("the file is larger than is allowed here", "Ask for fewer rows, or choose another place."),
    errno.EROFS: ("the disk is read-only", "Choose a place that can be written to."),
    errno.EACCES: ("there is no permission to write", "Choose a place that you may write to."),
    errno.EPERM: ("there is no permission to write", "Choose a place that you may write to."),
    errno.ENOTDIR: ("a file is where a folder has to be", "Choose another place."),
    errno.EISDIR: ("a folder is where a file has to be", "Choose another place."),
}


def storage_error(error: OSError, place: str) -> StorageError:
    """Say what a disk refused, and what to do."""
    problem, fix = _REASONS.get(error.errno or 0, (os.strerror(error.errno or 0).lower(), "Look at the disk."))
    return StorageError(Problem(str(error.filename or place), problem, fix))


@contextmanager
def refusals(place: Path) -> Iterator[None]:
    """Turn what a disk refuses into `StorageError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, str(place)) from error


def beside(path: Path) -> Path:
    """Return a hidden path in the same folder that nobody else uses, to write to before a rename."""
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}.partial")


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file atomically."""
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = beside(path)
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def copy_whole(source: Path, path: Path) -> None:
    """Put a copy of a file at a path, atomically."""
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = beside(path)
        try:
            shutil.copy2(source, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def link_or_copy(source: Path, path: Path) -> None:
    """Hard-link a file, or copy it where links are not to be had."""
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copy2(source, path)


def require_writable(folder: Path) -> None:
    """Make sure that a folder can be made and written to, without making it.

    Raises
    ------
    StorageError
        It cannot; says why.
    """
    standing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not standing.is_dir():
        raise storage_error(OSError(errno.ENOTDIR, "", str(standing)), str(standing))
    if not os.access(standing, os.W_OK | os.X_OK):
        raise storage_error(OSError(errno.EACCES, "", str(standing)), str(standing))

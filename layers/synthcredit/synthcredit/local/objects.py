"""The object store on a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from synthcredit.errors import InvalidInputError, NotFoundError, Problem
from synthcredit.local.storage import refusals


class FolderObjects:
    """Files under one folder; keys are relative POSIX paths."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._scratch = root / ".scratch"

    @contextmanager
    def source(self, uri: str) -> Iterator[Path]:
        """Give the file that a request names: a path or a ``file://`` URI."""
        parts = urlsplit(uri)
        # A drive letter of Windows reads as a scheme of one character.
        if len(parts.scheme) > 1 and parts.scheme != "file":
            raise InvalidInputError(
                Problem(
                    f"source {uri}",
                    f"'{parts.scheme}' cannot be read on this machine",
                    "Give the path of a CSV or Parquet file.",
                )
            )
        path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(uri)
        if not path.exists():
            raise NotFoundError(Problem(f"file {path}", "it does not exist", "Check the path."))
        yield path

    @contextmanager
    def fetch(self, key: str) -> Iterator[Path]:
        """Give the file at a key."""
        path = self._path(key)
        if not path.is_file():
            raise NotFoundError(Problem(f"file {key}", "it does not exist", "Run the job again."))
        yield path

    def put(self, path: Path, key: str) -> None:
        """Move a finished file to a key."""
        goal = self._path(key)
        with refusals(goal):
            goal.parent.mkdir(parents=True, exist_ok=True)
            path.replace(goal)

    def exists(self, key: str) -> bool:
        """Tell whether there is a file at a key."""
        return self._path(key).is_file()

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, sorted."""
        folder = self._path(prefix)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.root).as_posix()

    def delete(self, prefix: str) -> None:
        """Remove everything under a prefix."""
        with refusals(self._path(prefix)):
            shutil.rmtree(self._path(prefix), ignore_errors=True)

    def link(self, key: str) -> str:
        """Return the path of a file."""
        return str(self._path(key))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty folder on the same disk, so that `put` is one rename."""
        with refusals(self._scratch):
            self._scratch.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=self._scratch))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def free_bytes(self) -> int | None:
        """Return the free space of the disk."""
        with refusals(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self.root).free

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if ".." in parts or PurePosixPath(key).is_absolute():
            raise InvalidInputError(Problem("key", "it leads out of the store", "Use a relative key without '..'."))
        return self.root.joinpath(*parts)

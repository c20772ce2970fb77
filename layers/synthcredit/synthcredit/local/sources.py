"""What can be told of files on this machine before a job of them begins."""

from __future__ import annotations

from synthcredit.local.objects import FolderObjects


class FileSources:
    """Tells of the files that requests name."""

    def __init__(self, objects: FolderObjects) -> None:
        self._objects = objects

    def size(self, uri: str) -> int:
        """Return the size of a file in bytes."""
        with self._objects.source(uri) as path:
            return path.stat().st_size

    def head(self, uri: str, nbytes: int) -> bytes:
        """Return the first bytes of a file, fewer where it is shorter."""
        with self._objects.source(uri) as path, path.open("rb") as file:
            return file.read(nbytes)

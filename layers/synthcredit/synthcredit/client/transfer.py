"""Files to and from a platform by links: several at a time, each whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING

from synthcredit.client.answers import Link, Upload
from synthcredit.client.http import pool, reaching, refusal
from synthcredit.client.place import Place
from synthcredit.errors import Problem, StorageError, SynthcreditError
from synthcredit.hashing import file_hash
from synthcredit.local.storage import refusals

if TYPE_CHECKING:
    import urllib3

AT_A_TIME = 8
_EXPIRED = (400, 403)
"""What S3 answers to a link that has expired; 400 where the credentials that signed it have."""
_PIECE = 1 << 20


def put(upload: Upload, path: Path, place: Place) -> None:
    """Put a file where an upload link says.

    Raises
    ------
    SynthcreditError
        The link is refused, or its host cannot be reached.
    """
    size = str(path.stat().st_size)
    with reaching(place), path.open("rb") as file:
        answer = pool(upload.url, retries=4, backoff=0.4).request(
            "PUT", upload.url, body=file, headers={"Content-Length": size, **upload.headers}
        )
    if answer.status >= 300:
        raise refusal(answer.status, answer.data, place)


class Fetcher:
    """Fetches files by links, and asks for new links where they have expired.

    Parameters
    ----------
    links
        The links.
    ask
        Asks for new links to the same files.
    place
        The platform, named where it cannot be reached.
    """

    def __init__(self, links: Sequence[Link], ask: Callable[[], Sequence[Link]], place: Place) -> None:
        self._ask = ask
        self._place = place
        self._lock = Lock()
        self._pool: urllib3.PoolManager | None = None
        self._links = _by_name(links)

    def fetch(self, names: Sequence[str], goal: Path) -> None:
        """Bring files into a folder, which then appears all at once, in the place of one that was there.

        Raises
        ------
        StorageError
            The disk takes no more, or a file is not the one that was made.
        SynthcreditError
            A link is refused, or its host cannot be reached.
        """
        with refusals(goal):
            goal.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(dir=goal.parent, prefix=f".{goal.name}."))
            try:
                partial.chmod(0o755)
                with ThreadPoolExecutor(AT_A_TIME) as threads:
                    list(threads.map(lambda name: self._one(name, partial), names))
                shutil.rmtree(goal, ignore_errors=True)
                partial.rename(goal)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def read(self, name: str) -> bytes:
        """Return the content of one small file."""
        with tempfile.TemporaryDirectory() as folder:
            self._one(name, Path(folder))
            return (Path(folder) / name).read_bytes()

    def _one(self, name: str, folder: Path) -> None:
        path = folder.joinpath(*_inside(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        link = self._links[name]
        status, body = self._get(link.url, path)
        if status in _EXPIRED:
            status, body = self._get(self._anew(link).url, path)
        if status != 200:
            raise refusal(status, body, self._place)
        if link.sha256 is not None and file_hash(path) != link.sha256:
            raise StorageError(Problem(f"file {name}", "it is not the one that was made", "Fetch it again."))

    def _get(self, url: str, path: Path) -> tuple[int, bytes]:
        with reaching(self._place):
            answer = self._connections(url).request("GET", url, preload_content=False)
            try:
                if answer.status != 200:
                    return answer.status, answer.read()
                with path.open("wb") as file:
                    for piece in answer.stream(_PIECE):
                        file.write(piece)
                return 200, b""
            finally:
                answer.release_conn()

    def _anew(self, old: Link) -> Link:
        """Return a new link in the place of an expired one; the first thread that finds out asks for all."""
        with self._lock:
            if self._links[old.name].url == old.url:
                self._links = _by_name(self._ask())
            return self._links[old.name]

    def _connections(self, url: str) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = pool(url, retries=4, backoff=0.4)
            return self._pool


def _by_name(links: Sequence[Link]) -> dict[str, Link]:
    return {link.name: link for link in links}


def _inside(name: str) -> tuple[str, ...]:
    """Return the parts of a file's place below the job, which must not lead out of it."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or any("\\" in part for part in parts):
        raise SynthcreditError(Problem("results", "a file's name leads out of the folder", "Look at the platform."))
    return parts

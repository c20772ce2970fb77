"""Which files were put into a platform's inbox already, so that the same command again names the same data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from synthcredit.local.storage import write_whole


class Uploads:
    """Remembers uploads in a file of ``home``: by platform, file name and content.

    The URI of an upload is part of the request. With a new one each time the same command would be another request,
    and be run and paid for twice.
    """

    def __init__(self, home: Path, api_url: str) -> None:
        self._path = home / "uploads.json"
        self._api_url = api_url
        self.used = False
        """Whether a URI was found."""

    def find(self, name: str, sha256: str) -> str | None:
        """Return the URI under which a file was put, or None."""
        uri = self._known().get(self._key(name, sha256))
        self.used = self.used or uri is not None
        return uri

    def note(self, name: str, sha256: str, uri: str) -> None:
        """Remember an upload."""
        content = json.dumps(self._known() | {self._key(name, sha256): uri}, indent=1, sort_keys=True)
        write_whole(self._path, content.encode())

    def _known(self) -> dict[str, str]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _key(self, name: str, sha256: str) -> str:
        return hashlib.sha256(f"{self._api_url}\0{name}\0{sha256}".encode()).hexdigest()

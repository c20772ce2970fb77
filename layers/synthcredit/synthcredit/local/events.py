"""The event bus on a folder: one line of JSON an event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synthcredit.jobs.job import now
from synthcredit.local.storage import refusals


class FolderEvents:
    """Events appended to one file, in the envelope that EventBridge uses."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def emit(self, detail_type: str, detail: dict[str, Any]) -> None:
        """Append an event; one write, so that lines of several processes do not mix."""
        event = {"source": "synthcredit", "detail-type": detail_type, "time": now().isoformat(), "detail": detail}
        with refusals(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")

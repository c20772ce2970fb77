"""Which folder of the repository stands for which container image (`local/images.json`)."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_LOCAL = Path(__file__).resolve().parent.parent


class UnknownImageError(RuntimeError):
    """No folder stands for this container image."""


@dataclass(frozen=True)
class Settings:
    """Where the repository is and which python runs its containers."""

    root: Path = _LOCAL.parent
    python: str = ""
    table: Path = _LOCAL / "images.json"


@dataclass(frozen=True)
class Image:
    """A container image: the folder it is built from, its entry points, and what its Dockerfile sets."""

    folder: Path
    python: str
    entry_points: dict[str, list[str]]
    environment: dict[str, str]

    def command(self, purpose: str) -> list[str]:
        """Arguments of python for `purpose`: lambda, train or process."""
        return self.entry_points[purpose]


settings = Settings()


@cache
def _table(path: Path) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return content


def find(uri: str) -> Image:
    """Return the image behind an ECR address, `123456789012.dkr.ecr.eu-west-1.amazonaws.com/synthcredit:1`.

    Raises
    ------
    UnknownImageError
        No entry of the table has the repository's name.
    """
    repository = uri.rsplit("/", 1)[-1].split("@")[0].split(":")[0]
    entry = _table(settings.table).get(repository)
    if entry is None:
        raise UnknownImageError(
            f"no folder stands for the image {uri!r}: add the repository {repository!r} to {settings.table.name}"
        )
    points = {name: entry[name] for name in ("lambda", "train", "process")}
    return Image(settings.root / entry["folder"], settings.python, points, entry.get("environment", {}))

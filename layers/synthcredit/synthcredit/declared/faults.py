"""What is wrong with a declaration, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where it stands."""

    path: Path
    problem: str
    fix: str


def choose(names: Iterable[str]) -> str:
    """Return what to do where one of some names was meant."""
    listed = list(names)[:20]
    return f"Choose: {', '.join(listed)}." if listed else "There is none to choose."


def quoted(names: Iterable[str]) -> str:
    """Return names, at most ten of them, as a sentence has them."""
    return ", ".join(f"'{name}'" for name in list(names)[:10])

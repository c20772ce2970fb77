"""What is heard and told of a delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Progress = Callable[[float, str], None]
"""Hears the fraction done, from 0 to 1, and what is being done."""
Confirm = Callable[[str, Mapping[str, int]], bool]
"""Asks whether tables may be dropped: the store, and the rows in each table."""


@dataclass(frozen=True, slots=True)
class TableSummary:
    """What became of one table."""

    name: str
    rows: int
    """Rows that were put now."""
    already: int
    """Rows of this dataset that were there before."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a delivery."""

    store: str
    """Without password."""
    tables: tuple[TableSummary, ...]

    @property
    def rows(self) -> int:
        """Rows that were put now, over all tables."""
        return sum(table.rows for table in self.tables)


def nobody(store: str, tables: Mapping[str, int]) -> bool:  # noqa: ARG001
    """Confirm nothing."""
    return False


def yes(store: str, tables: Mapping[str, int]) -> bool:  # noqa: ARG001
    """Confirm everything; for scripts."""
    return True


def silent(done: float, message: str) -> None:
    """Hear nothing."""

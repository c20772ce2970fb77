"""What is heard and told of a delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from synthcredit.ports import Summary as Summary
from synthcredit.ports import TableSummary as TableSummary

Progress = Callable[[float, str], None]
"""Hears the fraction done, from 0 to 1, and what is being done."""
Confirm = Callable[[str, Mapping[str, int]], bool]
"""Asks whether tables may be dropped: the store, and the rows in each table."""


def nobody(store: str, tables: Mapping[str, int]) -> bool:  # noqa: ARG001
    """Confirm nothing."""
    return False


def yes(store: str, tables: Mapping[str, int]) -> bool:  # noqa: ARG001
    """Confirm everything; for scripts."""
    return True


def silent(done: float, message: str) -> None:
    """Hear nothing."""

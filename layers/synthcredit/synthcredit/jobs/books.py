"""How many rows and bytes a portfolio has, and how much work it is, before a row of it is made.

Measured on baseline, 2026-11-21, as in `speeds`: 8,192 and 32,768 customers. Rows of loans and of what hangs on them
depend on the scenario: rapid_growth, whose loans are young, has half as many instalments. Meant to be right within a
factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from synthcredit.jobs.speeds import BYTES_A_SECOND, FORMS, Work
from synthcredit.portfolio.volumes import BLOCK_CUSTOMERS, SHARD_BLOCKS, Volumes

PROVING = 0.8e-6
"""Seconds a row to read a book and to check it: 0.6 measured, 2.9 million rows; and to hash its files."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a table usually is: rows of a book, bytes a row in Parquet, columns."""

    rows: Callable[[Volumes], float]
    width: float
    columns: int


def _loans(volumes: Volumes) -> float:
    """Who has a loan gets the next less often: 1.24, 2.8 and 3.2 a customer for 2, 6 and 8 applications."""
    return 0.8 * volumes.customers * math.pow(volumes.applications, 0.66)


_TABLES = {
    "customers": _Usual(lambda v: v.customers, 51, 14),
    "financial_records": _Usual(lambda v: v.customers * v.records, 14, 7),
    "loan_applications": _Usual(lambda v: v.customers * v.applications, 25, 14),
    "credit_history": _Usual(lambda v: v.customers * v.history, 10, 9),
    "market_data": _Usual(lambda v: v.market_points, 27, 6),
    "loans": _Usual(_loans, 30, 22),
    "installments": _Usual(lambda v: 17 * _loans(v), 23, 19),
    "impairments": _Usual(lambda v: 6.5 * _loans(v), 26, 11),
    "transactions": _Usual(lambda v: 5.7 * v.customers * v.statement_months, 9, 7),
    "campaigns": _Usual(lambda v: v.campaigns, 183, 8),
    "campaign_events": _Usual(lambda v: 1.4 * v.customers * v.contacts, 8.5, 6),
    "true_outcomes": _Usual(lambda v: v.customers * v.applications, 110, 22),
}
_OTHER = _Usual(lambda v: v.customers, 40, 10)
"""What a table of the user's own is taken to be."""


def usual_tables() -> tuple[str, ...]:
    """Return the names of the tables that the portfolio comes with, parents first."""
    return tuple(_TABLES)


def rows_of(volumes: Volumes, tables: Iterable[str]) -> dict[str, int]:
    """Return how many rows tables of a book will have, by table: as asked, or as the baseline usually has."""
    return {name: round(_TABLES.get(name, _OTHER).rows(volumes)) for name in tables}


def bytes_of(rows: Mapping[str, int]) -> int:
    """Return the bytes that tables take as Parquet."""
    return round(sum(count * _TABLES.get(name, _OTHER).width for name, count in rows.items()))


@dataclass(frozen=True, slots=True)
class BookLoad:
    """What decides how much work a portfolio is; see `speeds.Load`.

    Parameters
    ----------
    volumes
        How much is asked for.
    tables
        The tables that are delivered. The proof looks at all, and makes those again that are not.
    forms
        In which forms they are delivered.
    """

    volumes: Volumes
    tables: tuple[str, ...]
    forms: tuple[str, ...] = ("parquet",)

    @property
    def field(self) -> str:
        """What to ask less of, where it is too much."""
        return "source.customers"

    @property
    def rows(self) -> dict[str, int]:
        """Rows by table."""
        return rows_of(self.volumes, self.tables)

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return self.volumes.shards

    @property
    def values(self) -> int:
        """Values of all tables together."""
        return sum(count * _TABLES.get(name, _OTHER).columns for name, count in self.rows.items())

    @property
    def least(self) -> None:
        """Nothing is trained."""
        return

    @property
    def settings(self) -> Mapping[str, float]:
        """Nothing is trained."""
        return {}

    @property
    def untrained(self) -> str:
        """Why nothing is trained."""
        return "a portfolio is simulated"

    def works(self) -> dict[str, Work | None]:
        """Return the work of each step; of generate, that of the largest shard."""
        return {"train": None, "generate": self._shard(), "assess": self._proof(), "publish": self._publishing()}

    def _part(self, customers: int) -> float:
        return min(1.0, customers / self.volumes.customers)

    def _block_mb(self) -> float:
        # A process holds one block: 265 MB for 0.7 million rows of it, 620 for 3.5.
        rows = sum(rows_of(self.volumes, (*_TABLES, *self.tables)).values()) * self._part(BLOCK_CUSTOMERS)
        return 220 + 0.2e-3 * rows

    def _shard(self) -> Work:
        part = self._part(SHARD_BLOCKS * BLOCK_CUSTOMERS)
        rows, size = sum(self.rows.values()) * part, bytes_of(self.rows) * part
        # 1.6 s for 2.9 million rows, 0.3 of them to start.
        return Work(1.0 + 0.6e-6 * rows + size / BYTES_A_SECOND, self._block_mb(), size / 1e6)

    def _proof(self) -> Work:
        everything = rows_of(self.volumes, dict.fromkeys((*_TABLES, *self.tables)))
        rows = sum(everything.values())
        again = rows - sum(self.rows.values())
        size = bytes_of(self.rows)
        seconds = 5.0 + PROVING * rows + 0.6e-6 * again + size / BYTES_A_SECOND + 0.1 * self.shards
        part = self._part(SHARD_BLOCKS * BLOCK_CUSTOMERS)
        return Work(seconds, 400 + 2 * self._block_mb(), size * part / 1e6)

    def _publishing(self) -> Work:
        # Each file is registered, and named in the manifest.
        seconds = 3.0 + 0.3 * len(self.tables) + 0.1 * self.shards
        most = 0.0
        for form in (form for form in self.forms if form != "parquet"):
            cpu, width = FORMS[form]
            for name, rows in self.rows.items():
                values = rows * _TABLES.get(name, _OTHER).columns
                stored = bytes_of({name: rows})
                seconds += values * cpu + (stored + width * values) / BYTES_A_SECOND
                # A table at a time.
                most = max(most, (stored + width * values) / 1e6)
        return Work(seconds, 500, most)

"""Declared tables in a request: what is wrong with them, how many rows they have, and how much work that is.

Measured on data/examples/accounts.yaml, 2026-11-21, as in `speeds`. Meant to be right within a factor of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synthcredit.jobs.speeds import BYTES_A_SECOND, FORMS, Work

if TYPE_CHECKING:
    from synthcredit.declared.plan import Plan

BYTES_A_VALUE = 2.0
"""In Parquet: 1.6 of the example, whose keys follow from each other."""


def planned(declaration: Mapping[str, Any], rows: Mapping[str, int] | None) -> Plan:
    """Read the declaration of a request.

    Raises
    ------
    InvalidInputError
        It has faults, or cannot have so many rows: all of it at once, each with its place in the request.
    """
    # Here, since it brings in numpy, and other requests need none of it.
    from synthcredit.declared.reading import parse
    from synthcredit.declared.sizes import sized

    place = "source.declaration"
    return sized(parse(declaration, place), rows, counted="source.rows.{}", place=place)


def rows_of(plan: Plan) -> dict[str, int]:
    """Return how many rows each table will have, on average where chance decides."""
    return {name: round(plan.expected_rows(name)) for name in plan.tables}


def load_of(plan: Plan, forms: tuple[str, ...]) -> DeclaredLoad:
    """Return how much work declared tables are, delivered in some forms."""
    from synthcredit.declared.plan import SHARD_BLOCKS

    columns = {name: len(table.columns) for name, table in plan.tables.items()}
    told_apart = {
        name: sum(column.type in ("key", "foreign_key") for column in table.columns.values())
        + sum(rule.kind == "unique" for rule in table.rules)
        for name, table in plan.tables.items()
    }
    rows = rows_of(plan)
    largest = 0.0
    shards = 0
    for root in plan.roots:
        part = min(1.0, SHARD_BLOCKS * plan.block_parents(root) / plan.rows[root])
        largest = max(largest, part * sum(rows[name] * columns[name] for name in plan.below(root)))
        shards += -(-plan.blocks(root) // SHARD_BLOCKS)
    return DeclaredLoad(
        rows=rows,
        columns=columns,
        shards=shards,
        shard_values=round(largest),
        held=sum(rows[name] * told_apart[name] for name in rows),
        forms=forms,
    )


@dataclass(frozen=True, slots=True)
class DeclaredLoad:
    """What decides how much work declared tables are; see `speeds.Load`.

    Parameters
    ----------
    rows, columns
        By table.
    shards, shard_values
        How many shards there are, and the values of the largest.
    held
        Values that must be known all at once to tell whether they are unique, or keys that are there.
    forms
        In which forms the tables are delivered.
    """

    rows: Mapping[str, int]
    columns: Mapping[str, int]
    shards: int
    shard_values: int
    held: int
    forms: tuple[str, ...] = ("parquet",)

    @property
    def field(self) -> str:
        """What to ask less of, where it is too much."""
        return "source.declaration"

    @property
    def values(self) -> int:
        """Values of all tables together."""
        return sum(count * self.columns[name] for name, count in self.rows.items())

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
        return "declared tables are made by rules"

    def works(self) -> dict[str, Work | None]:
        """Return the work of each step; of generate, that of the largest shard."""
        return {"train": None, "generate": self._shard(), "assess": self._proof(), "publish": self._publishing()}

    def _shard(self) -> Work:
        # 500,000 rows of 4.0 million values in 0.55 s beyond the start; a process holds one block, 180 MB.
        size = BYTES_A_VALUE * self.shard_values
        return Work(1.5 + 0.15e-6 * self.shard_values + size / BYTES_A_SECOND, 300, size / 1e6)

    def _proof(self) -> Work:
        # 370,000 rows of 8 values a second. A shard is read whole; of what is told apart, 8 bytes are kept and sorted.
        size = BYTES_A_VALUE * self.values
        seconds = 5.0 + 0.4e-6 * self.values + size / BYTES_A_SECOND + 0.1 * self.shards
        memory = 400 + 100e-6 * self.shard_values + 24e-6 * self.held
        return Work(seconds, memory, BYTES_A_VALUE * self.shard_values / 1e6)

    def _publishing(self) -> Work:
        # Each file is registered, and named in the manifest.
        seconds = 3.0 + 0.3 * len(self.rows) + 0.1 * self.shards
        most = 0.0
        for form in (form for form in self.forms if form != "parquet"):
            cpu, width = FORMS[form]
            for name, count in self.rows.items():
                values = count * self.columns[name]
                seconds += values * (cpu + (BYTES_A_VALUE + width) / BYTES_A_SECOND)
                # A table at a time.
                most = max(most, values * (BYTES_A_VALUE + width) / 1e6)
        return Work(seconds, 500, most)

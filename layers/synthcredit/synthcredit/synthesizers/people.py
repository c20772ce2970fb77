"""How many rows it takes to be sure of `k` people, for families whose privacy dial counts people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import Problem

MIN_ROWS = 20
"""Fewer rows than this show no distribution."""


def rows_behind(k: int, table: pa.Table, schema: TableSchema) -> int:
    """Return how many rows belong to at least ``k`` people, whichever rows they are.

    Where a person has one row, ``k``. Otherwise one more than the ``k - 1`` people of most rows have together, so that
    all else can count rows.
    """
    if schema.customer is None:
        return k
    counts = table[schema.customer].value_counts().field("counts").to_numpy()
    return int(np.sort(counts)[::-1][: k - 1].sum()) + 1


def too_few(k: int, rows_needed: int, table: pa.Table) -> Iterator[Problem]:
    """Yield that a table has too few people for ``k``, where `rows_behind` says that it takes more rows than it has."""
    # Of tables too small for any model it is said so elsewhere.
    if rows_needed > max(table.num_rows, MIN_ROWS):
        yield Problem(
            "synthesizer.k",
            f"only {rows_needed} rows are sure to belong to {k} people, and the table has {table.num_rows} rows",
            "Give rows of more people, or choose a smaller k.",
        )

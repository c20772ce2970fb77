"""Identifiers and personal data, made new: realistic, unique by row number, never of a real person."""

from __future__ import annotations

import pyarrow as pa

from synthcredit.datasets.schema import TableSchema


def make_columns(schema: TableSchema, *, first_row: int, rows: int, seed: int) -> dict[str, pa.Array]:
    """Return every column that is not learned, by name, for the rows from ``first_row`` on."""
    raise NotImplementedError

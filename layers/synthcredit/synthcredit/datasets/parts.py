"""Reading the Parquet parts that generation wrote, back under the column names that the data had."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import TableSchema


def read_parts(paths: Iterable[Path], schema: TableSchema, limit: int | None = None) -> pa.Table:
    """Read parts, in order, under the original column names; the first ``limit`` rows of them, or all."""
    pieces: list[pa.Table] = []
    rows = 0
    for path in paths:
        if limit is not None and rows >= limit:
            break
        pieces.append(_renamed(pq.read_table(path), schema))
        rows += pieces[-1].num_rows
    return pa.concat_tables(pieces).slice(0, limit)


def _renamed(table: pa.Table, schema: TableSchema) -> pa.Table:
    ordered = table.select([column.storage_name for column in schema.columns])
    return ordered.rename_columns(schema.names).cast(arrow_schema(schema))

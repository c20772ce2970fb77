"""Reading the Parquet parts that generation wrote, back under the column names that the data had."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets.arrow import arrow_schema, to_original_names
from synthcredit.datasets.schema import TableSchema


def read_parts(paths: Iterable[Path], schema: TableSchema, limit: int | None = None) -> pa.Table:
    """Read parts, in order, under the original column names; the first ``limit`` rows of them, or all."""
    batches: list[pa.RecordBatch] = []
    left = limit
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                if left is not None:
                    batch = batch.slice(0, left)
                    left -= batch.num_rows
                batches.append(to_original_names(batch, schema))
                if left == 0:
                    return pa.Table.from_batches(batches)
    return pa.Table.from_batches(batches, schema=arrow_schema(schema))

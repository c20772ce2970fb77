"""The rows of a part as bulk loads take them: batches in the table's order, and text as LOAD DATA and COPY read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.stores.dataset import StoredTable, parquet_schema

BATCH_ROWS = 1 << 16
_ESCAPED = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
"""The backslash first; what COPY and LOAD DATA read back by themselves."""
_TO_ESCAPE = r"[\\\t\n\r]"


def file_columns(part: Path, schema: TableSchema) -> dict[str, str]:
    """Return the columns of a part's file by storage name.

    Raises
    ------
    InvalidInputError
        The file has other columns than the schema.
    """
    names = parquet_schema(part).names
    stored = [column.storage_name for column in schema.columns]
    if names not in (stored, schema.names):
        raise InvalidInputError(
            Problem(
                f"table '{schema.name}': {part.name}",
                f"its {len(names)} columns are not the {len(stored)} columns of the table, in their order",
                "Load the folder as it was delivered.",
            )
        )
    return dict(zip(stored, names, strict=True))


def batches(part: Path, table: StoredTable, goal: sa.Table, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read chosen columns of a part, as plain types that fit the columns of the store.

    Parameters
    ----------
    part, table
        The file, and the table of the dataset that it belongs to.
    goal
        The store's table; its columns are the chosen ones, in their order.
    names
        The storage names of the columns.

    Raises
    ------
    InvalidInputError
        A value does not fit the type that was declared for its column.
    """
    fields = file_columns(part, table.schema)
    with pq.ParquetFile(part) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[fields[name] for name in names]):
            arrays = [
                _fitting(batch.column(fields[name]), column, table.schema.name)
                for name, column in zip(names, goal.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in goal.columns])


def _fitting(array: pa.Array, column: sa.Column[Any], table: str) -> pa.Array:
    goal = _arrow_type(column.type, array.type)
    try:
        if pa.types.is_floating(array.type):
            # Not a number is no number that every store knows: it is missing.
            array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        fitting = array.cast(goal)
    except pa.ArrowInvalid:
        raise InvalidInputError(
            Problem(
                f"column '{table}.{column.name}'",
                f"some of its values do not fit its SQL type {column.type}",
                "Declare a wider type.",
            )
        ) from None
    length = getattr(column.type, "length", None)
    if length is not None and (pc.max(pc.utf8_length(fitting)).as_py() or 0) > length:
        raise InvalidInputError(
            Problem(
                f"column '{table}.{column.name}'",
                f"some of its values are longer than {length} characters",
                "Declare a longer type.",
            )
        )
    return fitting


def _arrow_type(sql: sa.types.TypeEngine[Any], given: pa.DataType) -> pa.DataType:
    if isinstance(sql, sa.Numeric) and not isinstance(sql, sa.Float):
        return pa.decimal128(sql.precision or 38, sql.scale or 0)
    for known, arrow in _ARROW:
        if isinstance(sql, known):
            return arrow
    return given


_ARROW: tuple[tuple[type[sa.types.TypeEngine[Any]], pa.DataType], ...] = (
    (sa.Boolean, pa.bool_()),
    (sa.SmallInteger, pa.int16()),
    (sa.BigInteger, pa.int64()),
    (sa.Integer, pa.int32()),
    (sa.Float, pa.float64()),
    (sa.DateTime, pa.timestamp("us")),
    (sa.Date, pa.date32()),
    (sa.Time, pa.time64("us")),
    (sa.String, pa.string()),
)


def lines(part: Path, table: StoredTable, goal: sa.Table, names: Sequence[str]) -> Iterator[tuple[memoryview, int]]:
    """Return chosen columns of a part as text and its number of rows, batch by batch; see `batches`, `as_lines`.

    The next batch is made in a thread while the server is busy with this one.
    """
    made = ((as_lines(batch), batch.num_rows) for batch in batches(part, table, goal, names))
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, made, None)
        while (text := coming.result()) is not None:
            coming = pool.submit(next, made, None)
            yield text


def as_lines(batch: pa.RecordBatch) -> memoryview:
    r"""Return a batch as text: a line a row, tabs between, ``\N`` for missing; UTF-8, escaped by backslashes.

    What PostgreSQL's COPY reads in its text format, and LOAD DATA with its defaults. Made column by column, and not
    copied on the way out: the joined column's own buffer is the text.
    """
    words = [pc.fill_null(_words(array), "\\N") for array in batch.columns]
    # The last column ends its line.
    words[-1] = pc.binary_join_element_wise(words[-1], "", "\n")
    lines = words[0] if len(words) == 1 else pc.binary_join_element_wise(*words, "\t")
    _, offsets, text = lines.buffers()
    ends = np.frombuffer(offsets, np.int32)
    return memoryview(text)[ends[lines.offset] : ends[lines.offset + len(lines)]]


def _words(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        return array.cast(pa.int8()).cast(pa.string())
    if not pa.types.is_string(array.type):
        return array.cast(pa.string())
    if pc.any(pc.match_substring_regex(array, _TO_ESCAPE)).as_py():
        for plain, escaped in _ESCAPED:
            array = pc.replace_substring(array, plain, escaped)
    return array


def as_plain(array: pa.Array) -> pa.Array:
    """Return a column as SQLite keeps it: dates and times as text, decimals as numbers, booleans as 0 and 1."""
    if pa.types.is_temporal(array.type):
        return array.cast(pa.string())
    if pa.types.is_decimal(array.type):
        # By way of its digits, which gives the nearest number; Arrow's own cast misses it by a hair.
        return array.cast(pa.string()).cast(pa.float64())
    return array

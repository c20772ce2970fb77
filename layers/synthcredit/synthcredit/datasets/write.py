"""Write tables: the Parquet part files of the lake, and one file for people, in memory that does not grow with rows."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from synthcredit.datasets import numbertext
from synthcredit.datasets.arrow import arrow_schema, arrow_type, to_original_names, to_storage_names
from synthcredit.datasets.schema import Column, Dtype, TableSchema
from synthcredit.errors import Problem, StorageError

ROW_GROUP_ROWS = 1 << 16
"""Rows of one Parquet row group, whatever the batches: part of what makes the bytes reproducible."""
_BATCH_ROWS = 1 << 15
_COMPRESSION = "zstd"


def write_part(batches: Iterable[pa.RecordBatch], schema: TableSchema, path: Path) -> int:
    """Write record batches to one Parquet part file of the lake, under storage names.

    Parameters
    ----------
    batches
        Columns in schema order, under their own names. The same rows give the same bytes however they are batched.
    path
        Written beside it first and then moved there, so that no half file is ever found.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    StorageError
        The disk is full or read-only; there is nothing at ``path`` then.
    """
    stored = (to_storage_names(batch, schema) for batch in batches)
    with _whole_or_not_at_all(path) as partial:
        return _write_parquet(stored, arrow_schema(schema, storage_names=True), partial)


def write_tables(parts: Sequence[Path], schema: TableSchema, format: str, path: Path) -> None:  # noqa: A002
    """Turn the Parquet part files of one table into one file, under the table's own column names.

    Parameters
    ----------
    parts
        In the order of their rows.
    format
        ``parquet``, ``csv``, ``json`` (an array of objects) or ``jsonl`` (an object a line). Text is UTF-8. CSV has
        dates and numbers in their column's format; missing values are empty in CSV and null in JSON.
    path
        Written beside it first and then moved there.

    Raises
    ------
    StorageError
        The disk is full or read-only; there is nothing at ``path`` then.
    """
    write_rows((to_original_names(batch, schema) for part in parts for batch in _batches(part)), schema, format, path)


def write_each(
    parts: Path, out: Path, form: str, tables: Sequence[TableSchema], progress: Callable[[float, str], None]
) -> int:
    """Turn the parts of each table into one file, ``out/<table>.<form>``; one that is there is whole, and stays.

    Parameters
    ----------
    parts
        The folder that has a folder of parts a table.
    progress
        Told the share that is done, and the file.

    Returns
    -------
    int
        Bytes of all files.

    Raises
    ------
    StorageError
        The disk is full or read-only. Files that are there are whole.
    """
    size = 0
    for number, table in enumerate(tables):
        path = out / f"{table.name}.{form}"
        progress(number / len(tables), path.name)
        if not path.exists():
            write_tables(sorted((parts / table.name).glob("*.parquet")), table, form, path)
        size += path.stat().st_size
    progress(1.0, f"{len(tables)} files")
    return size


def write_rows(batches: Iterable[pa.RecordBatch], schema: TableSchema, format: str, path: Path) -> None:  # noqa: A002
    """Write record batches, under their own column names, to one file; as `write_tables` does."""
    with _whole_or_not_at_all(path) as partial:
        _WRITERS[format](batches, schema, partial)


def _batches(part: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(part) as file:
        yield from file.iter_batches(batch_size=_BATCH_ROWS)


@contextlib.contextmanager
def _whole_or_not_at_all(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the disk refused the write"
        fix = "Free some space." if error.errno == errno.ENOSPC else "Choose a folder that can be written to."
        raise StorageError(Problem(f"output {path.name}", reason, fix)) from error
    finally:
        # Where the write failed because the folder is gone or read-only, there is nothing to remove either.
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _write_parquet(batches: Iterable[pa.RecordBatch], arrow: pa.Schema, path: Path) -> int:
    rows = 0
    with pq.ParquetWriter(path, arrow, compression=_COMPRESSION) as writer:
        for table in _row_groups(batches, arrow):
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            rows += table.num_rows
    return rows


def _row_groups(batches: Iterable[pa.RecordBatch], arrow: pa.Schema) -> Iterator[pa.Table]:
    """Cut batches of any sizes into tables of exactly one row group, but for the last."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(held, schema=arrow)
            yield table.slice(0, ROW_GROUP_ROWS).combine_chunks()
            held = table.slice(ROW_GROUP_ROWS).to_batches()
            rows -= ROW_GROUP_ROWS
    if rows:
        yield pa.Table.from_batches(held, schema=arrow).combine_chunks()


def _parquet(batches: Iterable[pa.RecordBatch], schema: TableSchema, path: Path) -> None:
    _write_parquet(batches, arrow_schema(schema), path)


def _csv(batches: Iterable[pa.RecordBatch], schema: TableSchema, path: Path) -> None:
    header = io.StringIO()
    # The header as Python's csv quotes it: only where needed, as in the file that the names came from.
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    text = pa.schema([pa.field(c.name, _csv_type(c)) for c in schema.columns])
    with path.open("wb") as file:
        file.write(header.getvalue().encode())
        with pacsv.CSVWriter(file, text, write_options=pacsv.WriteOptions(include_header=False)) as writer:
            for batch in batches:
                arrays = [_csv_array(a, c) for a, c in zip(batch.columns, schema.columns, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=text))


def _csv_type(column: Column) -> pa.DataType:
    return pa.string() if column.dtype in _DATETIMES or _formatted(column) else arrow_type(column.dtype)


def _csv_array(array: pa.Array, column: Column) -> pa.Array:
    if column.dtype in _DATETIMES:
        return _written_date(array, column, column.format)
    if _formatted(column):
        return numbertext.write_numbers(array, str(column.format), column.decimals)
    return array


def _formatted(column: Column) -> bool:
    """Tell whether the column's numbers are written otherwise than plain."""
    return column.dtype in (Dtype.INT64, Dtype.DOUBLE) and column.format in numbertext.FORMATS


_DATETIMES = {Dtype.DATE: "%Y-%m-%d", Dtype.TIMESTAMP: "%Y-%m-%d %H:%M:%S", Dtype.TIME: "%H:%M:%S"}


def _written_date(array: pa.Array, column: Column, written: str | None) -> pa.Array:
    """Write dates and times as strings, in a strptime format or, where there is none, as ISO 8601 has them."""
    written = written or _DATETIMES[column.dtype]
    unit = "us" if ".%f" in written else "s"
    if column.dtype is Dtype.TIME:
        array = array.cast(pa.int64()).cast(pa.timestamp("us"))
    # Arrow's %S has as many decimals as the unit; times in a zone were turned into UTC when they were read.
    text = written.replace(".%f", "").replace("%z", "+00:00")
    return pc.strftime(array.cast(pa.timestamp(unit), safe=False), format=text, locale="C")


def _jsonl(batches: Iterable[pa.RecordBatch], schema: TableSchema, path: Path) -> None:
    with path.open("wb") as file:
        for batch in batches:
            if batch.num_rows:
                file.write(_objects(batch, schema, "\n") + b"\n")


def _json(batches: Iterable[pa.RecordBatch], schema: TableSchema, path: Path) -> None:
    with path.open("wb") as file:
        separator = b"[\n"
        for batch in batches:
            if batch.num_rows:
                file.write(separator + _objects(batch, schema, ",\n"))
                separator = b",\n"
        file.write(b"\n]\n" if separator == b",\n" else b"[]\n")


def _objects(batch: pa.RecordBatch, schema: TableSchema, separator: str) -> bytes:
    """Return the rows as JSON objects with a separator between, made column by column."""
    pieces: list[Any] = []
    for position, (array, column) in enumerate(zip(batch.columns, schema.columns, strict=True)):
        pieces.append(f"{', ' if position else '{'}{json.dumps(column.name, ensure_ascii=False)}: ")
        pieces.append(pc.fill_null(_json_values(array, column), "null"))
    lines = pc.binary_join_element_wise(*pieces, "}", "")
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return str(pc.binary_join(whole, separator)[0].as_py()).encode()


def _json_values(array: pa.Array, column: Column) -> pa.Array:
    if column.dtype in (Dtype.INT64, Dtype.DOUBLE, Dtype.BOOL):
        return array.cast(pa.string())
    if column.dtype in _DATETIMES:
        written = "%Y-%m-%dT%H:%M:%S" if column.dtype is Dtype.TIMESTAMP else None
        array = _written_date(array, column, written)
    encoded = array.dictionary_encode()
    quoted = [json.dumps(value, ensure_ascii=False) for value in encoded.dictionary.to_pylist()]
    return pa.array(quoted, pa.string()).take(encoded.indices)


_WRITERS: dict[str, Callable[[Iterable[pa.RecordBatch], TableSchema, Path], None]] = {
    "parquet": _parquet,
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
}

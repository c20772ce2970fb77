"""Read a table file by its schema, block by block, into Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets import datetext, numbertext
from synthcredit.datasets.arrow import arrow_schema, arrow_type
from synthcredit.datasets.convert import Converted, convert, is_marker, trimmed
from synthcredit.datasets.profile import Fault, Faults
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.datasets.source import Source, infinite, open_source
from synthcredit.errors import Problem, raise_all


def read_table(
    path: Path | Source, schema: TableSchema, *, strict: bool = True, fewest_rows: int | None = None
) -> pa.Table:
    """Read the rows of a file that has the columns of a schema, in any order.

    Parameters
    ----------
    path
        The file, or a source that was opened already.
    schema
        What it has to have.
    strict
        Whether categories that the schema does not have, and values missing where there may be none, are refused. Rows
        that are to be judged keep them, for validity to count.
    fewest_rows
        Fewer rows than this are refused; `source.MIN_ROWS` where None.

    Returns
    -------
    pa.Table
        Conforms to `arrow_schema`; missing values are null.

    Raises
    ------
    NotFoundError
        There is no such file.
    InvalidInputError
        The file does not fit the schema: columns that are missing or unknown, values that do not parse, categories that
        the schema does not have, missing values where there may be none; with counts and lines, all at once.
    """
    source = path if isinstance(path, Source) else open_source(path)
    raise_all([*_column_problems(source.names, schema), *_format_problems(schema)])
    readers = [_ColumnReader(column, strict=strict) for column in schema.columns]
    batches, rows = [], 0
    for block in source.blocks(schema.names):
        arrays = [reader.read(block.column(index), rows) for index, reader in enumerate(readers)]
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(schema)))
        rows += block.num_rows
    source.refuse_if_short(rows, fewest_rows)
    raise_all(problem for reader in readers for problem in reader.problems(source))
    return pa.Table.from_batches(batches, schema=arrow_schema(schema))


def _column_problems(names: list[str], schema: TableSchema) -> Iterator[Problem]:
    for name in schema.names:
        if name not in names:
            yield Problem(
                f"column '{name}'", "the schema has it, the file does not", "Add it, or detect the schema anew."
            )
    for name in names:
        if name not in schema.names:
            yield Problem(
                f"column '{name}'", "the file has it, the schema does not", "Leave it out, or detect the schema anew."
            )


def _format_problems(schema: TableSchema) -> Iterator[Problem]:
    for column in schema.columns:
        written = _text_format(column)
        if written is None:
            continue
        if column.kind is Kind.DATETIME:
            try:
                datetext.compile_format(written)
            except ValueError as error:
                yield Problem(
                    f"column '{column.name}'", f"its format cannot be used: {error}", "Correct it in the schema."
                )
        elif written not in numbertext.FORMATS:
            known = " or ".join(numbertext.FORMATS)
            yield Problem(
                f"column '{column.name}'", "its number format is not known", f"Set it to {known}, or leave it out."
            )


def _text_format(column: Column) -> str | None:
    """Return how text files write the column's values; the format of an identifier is only for making new ones."""
    return None if column.kind in (Kind.IDENTIFIER, Kind.TEXT) or column.pii is not None else column.format


class _ColumnReader:
    """Converts one column and keeps count of what does not fit."""

    def __init__(self, column: Column, *, strict: bool) -> None:
        self._column = column
        self._strict = strict
        self._faults = Faults()
        self._categories = None
        if column.categories is not None and column.learned:
            self._categories = pa.array(column.categories, type=arrow_type(column.dtype))

    def read(self, array: pa.Array, first: int) -> pa.Array:
        """Convert a block that begins at record ``first``."""
        column = self._column
        converted = convert(array, column.dtype, _text_format(column))
        if self._categories is None:
            self._faults.add(converted, first)
            return converted.values
        values, unknown = self._in_categories(array, converted.values)
        self._faults.add(Converted(values, converted.bad, converted.infinite), first, unknown)
        return values

    def _in_categories(self, array: pa.Array, values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
        """Return the values that the schema knows, and where there are others."""
        if self._column.dtype is Dtype.STRING and pa.types.is_string(array.type):
            # A schema can have a category that otherwise means missing, such as NA.
            raw = trimmed(array)
            values = pc.if_else(pc.is_in(raw, value_set=self._categories), raw, values)
        known = pc.is_in(values, value_set=self._categories)
        unknown = pc.and_(pc.is_valid(values), pc.invert(known))
        if self._column.dtype is Dtype.STRING:
            unknown = pc.and_(unknown, pc.invert(pc.fill_null(is_marker(values), False)))
        if not self._strict:
            return pc.if_else(pc.or_(known, unknown), values, None), np.zeros(len(values), dtype=bool)
        return pc.if_else(known, values, None), np.asarray(unknown.to_numpy(zero_copy_only=False))

    def problems(self, source: Source) -> Iterator[Problem]:
        """Yield what did not fit, with its places in the file."""
        column, faults = self._column, self._faults
        field = f"column '{column.name}'"
        if faults.bad.count:
            yield Problem(
                field,
                f"{faults.bad.count} value(s) cannot be read as {_described(column)} ({_places(source, faults.bad)})",
                "Correct them, or change the column in the schema.",
            )
        if faults.infinite.count:
            yield infinite(source, column.name, faults.infinite)
        if faults.unknown.count:
            yield Problem(
                field,
                f"{faults.unknown.count} value(s) are no categories of the schema ({_places(source, faults.unknown)})",
                "Correct them, or add the categories to the schema.",
            )
        if self._strict and faults.missing.count and column.learned and not column.nullable:
            yield Problem(
                field,
                f"{faults.missing.count} value(s) are missing where the schema has none missing "
                f"({_places(source, faults.missing)})",
                "Fill them in, or set nullable in the schema.",
            )


def _places(source: Source, fault: Fault) -> str:
    return source.places(fault.records, fault.count)


def _described(column: Column) -> str:
    written = _text_format(column)
    return str(column.dtype) if written is None else f"{column.dtype} written like {written}"

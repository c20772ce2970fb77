"""Identifiers and personal data, made new: realistic, unique by row number, never of a real person.

Every value is a hash of the seed, the table, what it is for and the row's (or person's) number (`KeyedRows`), so that
rows are the same however they are sliced.

Where the schema names a customer column whose values repeat, consecutive rows share a customer, and the names, e-mail
and other personal data of those rows are that customer's. Missing values are not imitated: nothing is learned of these
columns, not even where they are empty.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets import fakepersons
from synthcredit.datasets import fakepools as pools
from synthcredit.datasets.identifiers import UUID_FORMAT
from synthcredit.datasets.keyed import KeyedRows
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, TableSchema

WINDOW_ROWS = 8192
"""Within so many rows an identifier that repeats, other than the customer's, takes its values at random."""

_COUNTER = re.compile(r"((?:[^{]|\{\{)*)\{:0?(\d*)([dx])\}(.*)", re.DOTALL)


def make_columns(schema: TableSchema, *, first_row: int, rows: int, seed: int) -> dict[str, pa.Array]:
    """Return every column that is not learned, by name, for the rows from ``first_row`` on.

    Parameters
    ----------
    schema
        The table.
    first_row
        Number of the first row in the whole dataset.
    rows
        How many rows.
    seed
        Same seed, table and row number give the same values.

    Returns
    -------
    dict of str to pa.Array
        Arrays of length ``rows`` in the columns' Arrow types, none of them null. Identifiers and e-mail addresses are
        unique by row number, or by customer number; those with ``rows_per_value`` repeat about that often.
    """
    numbers = np.arange(first_row, first_row + rows, dtype=np.int64)
    each = KeyedRows(schema.name, seed, numbers)
    person = KeyedRows(schema.name, seed, _customers(schema, numbers))
    return {column.name: _make(column, schema, each, person) for column in schema.columns if not column.learned}


def _customers(schema: TableSchema, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    repeats = None if schema.customer is None else schema[schema.customer].rows_per_value
    return numbers if repeats is None else (numbers / repeats).astype(np.int64)


def _make(column: Column, schema: TableSchema, each: KeyedRows, person: KeyedRows) -> pa.Array:
    if column.pii is not None:
        return _personal(column, person)
    if column.kind is Kind.TEXT:
        return sentences(each, column)
    if column.name == schema.customer:
        return identifiers(column, person)
    if column.rows_per_value is not None:
        return identifiers(column, _repeating(each, column))
    return identifiers(column, each)


def _personal(column: Column, person: KeyedRows) -> pa.Array:
    if column.pii is Pii.NATIONAL_ID and column.format is not None:
        return _counted(column.format, column, person)
    return fakepersons.make(column, person)


def sentences(rows: KeyedRows, column: Column) -> pa.Array:
    """Return a neutral sentence a row."""
    pieces = [
        rows.pick(f"{part} of {column.name}", pool)
        for part, pool in (("start", pools.TEXT_STARTS), ("subject", pools.TEXT_SUBJECTS), ("end", pools.TEXT_ENDS))
    ]
    return pc.binary_join_element_wise(*pieces, " ")


def _repeating(each: KeyedRows, column: Column) -> KeyedRows:
    """Give numbers that repeat: each window of rows has a stock of its own, used at random."""
    assert column.rows_per_value is not None  # noqa: S101 - by the caller's test
    stock = max(1, round(WINDOW_ROWS / column.rows_per_value))
    window = each.numbers // WINDOW_ROWS
    return KeyedRows(each.table, each.seed, window * stock + each.below(f"values of {column.name}", stock))


def identifiers(column: Column, rows: KeyedRows) -> pa.Array:
    """Return identifiers of some rows in a column's pattern; each row's differs, but for hashes shorter than 16 digits.

    Whole numbers where the column's dtype is int64.
    """
    first = int(column.minimum) if column.minimum is not None else 1
    if column.dtype is Dtype.INT64:
        return pa.array(rows.numbers + first)
    pattern = column.format or "{:d}"
    if pattern == UUID_FORMAT:
        return _uuids(rows, column)
    return _counted(pattern, column, rows)


def _counted(pattern: str, column: Column, rows: KeyedRows) -> pa.Array:
    found = _COUNTER.fullmatch(pattern)
    if found is None:
        return pc.binary_join_element_wise(pattern, pa.array(rows.numbers + 1).cast(pa.string()), "-")
    width = int(found[2] or 0)
    if found[3] == "x":
        number = _hexadecimal(column, rows, width)
    else:
        number = pa.array(rows.numbers + 1).cast(pa.string())
        number = pc.utf8_lpad(number, width, "0") if width else number
    start, end = (_unescaped(text) for text in (found[1], found[4]))
    return pc.binary_join_element_wise(start, number, end, "")


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")


def _hexadecimal(column: Column, rows: KeyedRows, width: int) -> pa.Array:
    """Return at least 12 hexadecimal digits, as `identifiers.text_format` finds them."""
    width = max(width, 12)
    # Scrambling 64 bits is one to one, so 16 digits never repeat. Of a cut word the last 7 digits count the rows.
    words = [rows.bits(f"hex {part} of {column.name}") for part in range(-(-width // 16))]
    if width < 16:
        low = np.uint64(2**28 - 1)
        counter = rows.shuffled(f"hex of {column.name}", 2**28).astype(np.uint64)
        words = [(words[0] & ~low | counter) << np.uint64(4 * (16 - width))]
    return _fixed(_hex_digits(words)[:, :width])


def _uuids(rows: KeyedRows, column: Column) -> pa.Array:
    """Return version 4 UUIDs (RFC 9562)."""
    digits = _hex_digits([rows.bits(f"uuid {part} of {column.name}") for part in range(2)])
    digits[:, 12] = ord("4")
    digits[:, 16] = np.frombuffer(b"89ab", dtype=np.uint8)[digits[:, 16] % 4]
    dash = np.full((len(digits), 1), ord("-"), dtype=np.uint8)
    pieces = np.split(digits, [8, 12, 16, 20], axis=1)
    return _fixed(np.concatenate([pieces[0], *(part for piece in pieces[1:] for part in (dash, piece))], axis=1))


def _hex_digits(words: list[NDArray[np.uint64]]) -> NDArray[np.uint8]:
    shifts = np.arange(60, -1, -4, dtype=np.uint64)
    nibbles = [(word[:, None] >> shifts) & np.uint64(15) for word in words]
    return np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[np.concatenate(nibbles, axis=1)]


def _fixed(characters: NDArray[np.uint8]) -> pa.Array:
    """Turn ASCII codes, shape (rows, width), into strings."""
    rows, width = characters.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters)))

"""From numpy to Arrow without a copy where there can be none.

Text is a dictionary and codes: Parquet writes such columns without looking at the text again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.datasets.draws import Bools, Ints

DAY_MICROS = 86_400 * 1_000_000


def _from(values: NDArray[np.generic], arrow: pa.DataType, valid: Bools | None) -> pa.Array:
    mask = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    nulls = 0 if valid is None else int(len(valid) - np.count_nonzero(valid))
    # Not pa.array(): it would import pandas where that is installed, 60 MB for nothing.
    return pa.Array.from_buffers(arrow, len(values), [mask, pa.py_buffer(np.ascontiguousarray(values))], nulls)


def whole(values: NDArray[np.integer], valid: Bools | None = None) -> pa.Array:
    """Return whole numbers as int64; those that are not valid are null."""
    return _from(values.astype(np.int64, copy=False), pa.int64(), valid)


def real(values: NDArray[np.floating], valid: Bools | None = None) -> pa.Array:
    """Return numbers as double."""
    return _from(values.astype(np.float64, copy=False), pa.float64(), valid)


def money(cents: Ints, valid: Bools | None = None) -> pa.Array:
    """Return cents as amounts: the double nearest to the two decimals, which prints as them."""
    return _from(cents / 100.0, pa.float64(), valid)


def flags(values: Bools) -> pa.Array:
    """Return yes and no."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little"))])


def dates(days: Ints, valid: Bools | None = None) -> pa.Array:
    """Return days since 1970-01-01 as dates."""
    return _from(days.astype(np.int32), pa.date32(), valid)


def moments(days: Ints, seconds: Ints | int) -> pa.Array:
    """Return days and seconds of the day as timestamps."""
    return _from(days.astype(np.int64) * DAY_MICROS + np.asarray(seconds) * 1_000_000, pa.timestamp("us"), None)


def instants(seconds: Ints, valid: Bools | None = None) -> pa.Array:
    """Return seconds since 1970-01-01 as timestamps."""
    return _from(seconds * 1_000_000, pa.timestamp("us"), valid)


def labels(codes: NDArray[np.integer], names: Sequence[str] | pa.Array, valid: Bools | None = None) -> pa.Array:
    """Return text from codes: ``names[code]`` each; names may repeat, but not where they are an array."""
    if isinstance(names, pa.Array):
        words = names
    else:
        words, places = _words(tuple(names))
        codes = codes if places is None else places[codes]
    indices = _from(codes.astype(np.int32, copy=False), pa.int32(), valid)
    return pa.DictionaryArray.from_arrays(indices, words)


@cache
def _words(names: tuple[str, ...]) -> tuple[pa.Array, Ints | None]:
    """Return the different names, and where each stands among them.

    A dictionary with a word twice is legal in Arrow, but Parquet writes it as plain text, and other bytes each time.
    """
    different = tuple(dict.fromkeys(names))
    if different == names:
        return pa.array(names, pa.string()), None
    return pa.array(different, pa.string()), np.array([different.index(name) for name in names], np.int64)


def plain(table: pa.Table | pa.RecordBatch) -> pa.Table:
    """Return the table with its text as plain strings."""
    fields = [
        pa.field(field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in table.schema
    ]
    whole_table = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
    return whole_table.cast(pa.schema(fields))

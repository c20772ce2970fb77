"""From a column as a file has it to a column as the schema wants it, with what does not fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets import datetext, numbertext
from synthcredit.datasets.arrow import arrow_type
from synthcredit.datasets.schema import Dtype

MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "nat")
"""What always means missing, in lower case."""
MARKERS = ("?", "-", "--", "---", ".", "..", "*", "none", "n.a.", "n.a", "missing", "unknown", "not available", "k.a.")
"""What means missing among numbers and dates only: elsewhere these can be categories of their own."""

_DATETIMES = (Dtype.DATE, Dtype.TIMESTAMP, Dtype.TIME)
_DAY_MICROS = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted array and what did not fit.

    Parameters
    ----------
    values
        Of the dtype's Arrow type; null where missing or not fitting.
    bad
        Boolean, shape (n,): neither missing nor of the dtype.
    infinite
        Boolean, shape (n,): an infinite number; these are null in ``values`` too.
    """

    values: pa.Array
    bad: NDArray[np.bool_]
    infinite: NDArray[np.bool_]


def trimmed(array: pa.Array) -> pa.Array:
    """Return strings without the white space around them."""
    return pc.utf8_trim_whitespace(array)


def is_missing(array: pa.Array) -> pa.Array:
    """Tell which trimmed strings always mean missing, as booleans; null counts as missing."""
    return pc.is_in(pc.utf8_lower(pc.fill_null(array, "")), value_set=pa.array(MISSING))


def is_marker(array: pa.Array) -> pa.Array:
    """Tell which trimmed strings mean missing among numbers and dates, as booleans."""
    return pc.is_in(pc.utf8_lower(array), value_set=pa.array(MARKERS))


def convert(array: pa.Array, dtype: Dtype, text_format: str | None) -> Converted:
    """Convert one array of a file.

    Parameters
    ----------
    array
        Strings, or one of the types that `source` yields for Parquet.
    dtype
        What it is to become.
    text_format
        How strings write it: a key of `numbertext.FORMATS`, a strptime format, or None.
    """
    if pa.types.is_string(array.type):
        return _from_text(array, dtype, text_format)
    return _from_native(array, dtype)


def _from_text(array: pa.Array, dtype: Dtype, text_format: str | None) -> Converted:
    array = trimmed(array)
    missing = is_missing(array)
    if dtype is Dtype.STRING:
        return _result(pc.if_else(missing, None, array), missing, None)
    missing = pc.or_(missing, pc.fill_null(is_marker(array), True))
    present = pc.if_else(missing, None, array)
    infinite = None
    if dtype is Dtype.BOOL:
        values = _parse_booleans(present)
    elif dtype in _DATETIMES:
        micros = datetext.parse_datetime(present, text_format or _default_format(dtype))
        values = from_micros(micros, dtype)
    else:
        parse = numbertext.parse_integers if dtype is Dtype.INT64 else numbertext.parse_floats
        values = parse(present, text_format)
        infinite = numbertext.is_infinite(present)
        if dtype is Dtype.DOUBLE:
            # Digits without end, such as 1e999, are infinite too.
            infinite = pc.or_(infinite, pc.fill_null(pc.is_inf(values), False))
            values = pc.if_else(infinite, None, values)
    return _result(values, missing, infinite)


def _from_native(array: pa.Array, dtype: Dtype) -> Converted:
    missing = pc.is_null(array, nan_is_null=True)
    infinite = None
    if pa.types.is_floating(array.type):
        infinite = pc.fill_null(pc.is_inf(array), False)
        array = pc.if_else(pc.or_(missing, infinite), None, array)
    try:
        if pa.types.is_floating(array.type) and dtype is Dtype.INT64:
            values = numbertext.whole_numbers(array)
        elif pa.types.is_floating(array.type) and dtype is Dtype.STRING:
            values = pc.coalesce(
                pc.cast(numbertext.whole_numbers(array), pa.string()),
                pc.cast(array, pa.string()),
            )
        else:
            values = pc.cast(array, arrow_type(dtype), safe=dtype is not Dtype.DOUBLE)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # This type does not become that one: no value of it fits.
        values = pa.nulls(len(array), arrow_type(dtype))
    return _result(values, missing, infinite)


def _result(values: pa.Array, missing: pa.Array, infinite: pa.Array | None) -> Converted:
    endless = np.zeros(len(values), dtype=bool) if infinite is None else _mask(infinite)
    bad = _mask(pc.is_null(values)) & ~_mask(missing) & ~endless
    return Converted(values, bad, endless)


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=bool)


def _parse_booleans(array: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(array)
    true = pc.is_in(lower, value_set=pa.array(["true", "1", "1.0"]))
    false = pc.is_in(lower, value_set=pa.array(["false", "0", "0.0"]))
    return pc.if_else(pc.or_(true, false), true, None)


def _default_format(dtype: Dtype) -> str:
    return {Dtype.DATE: "%Y-%m-%d", Dtype.TIME: "%H:%M:%S.%f"}.get(dtype, "%Y-%m-%d %H:%M:%S.%f")


def from_micros(micros: pa.Array, dtype: Dtype) -> pa.Array:
    """Turn int64 microseconds into a date, a timestamp or a time of day."""
    if dtype is Dtype.DATE:
        days = np.floor_divide(micros.fill_null(0).to_numpy(zero_copy_only=False), _DAY_MICROS).astype(np.int32)
        return pa.array(days, mask=_mask(pc.is_null(micros))).cast(pa.date32())
    return micros.cast(arrow_type(dtype))

"""From a table to features and back, by its schema alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets import fakes
from synthcredit.datasets.arrow import arrow_schema, arrow_type, to_floats
from synthcredit.datasets.schema import Column, Dtype, TableSchema
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric

_DAY = 86_400
_MICROS = 1_000_000


def encode(table: pa.Table, schema: TableSchema) -> Features:
    """Encode the learned columns of a table that conforms to its schema.

    Returns
    -------
    Features
        In schema order. Categories that the schema does not know become missing where the column is nullable; that
        cannot happen to a table that was read with the schema.
    """
    return {column.name: _encode(table[column.name].combine_chunks(), column) for column in schema.learned}


def _encode(array: pa.Array, column: Column) -> Feature:
    if column.discrete:
        categories = pa.array(column.categories, type=arrow_type(column.dtype))
        codes = pc.index_in(array, value_set=categories).fill_null(len(categories))
        return Discrete(codes.to_numpy(zero_copy_only=False).astype(np.int32), len(categories) + column.nullable)
    return Numeric(to_floats(array))


def encode_known(table: pa.Table, schema: TableSchema) -> tuple[Features, dict[str, NDArray[np.bool_]]]:
    """Encode rows of which only a part is known.

    Returns
    -------
    known, given
        Every learned column, arbitrary where it is not given, and by column which rows have a value, shape (n,).
    """
    empty = pa.Table.from_batches([], schema=arrow_schema(schema))
    arrays = [
        table[name] if name in table.column_names else pa.nulls(table.num_rows, empty.schema.field(name).type)
        for name in schema.names
    ]
    whole = pa.table(arrays, schema=empty.schema)
    given = {
        column.name: np.asarray(whole[column.name].combine_chunks().is_valid().to_numpy(zero_copy_only=False), bool)
        for column in schema.learned
    }
    return encode(whole, schema), given


def keep_known(batch: pa.RecordBatch, rows: pa.Table, schema: TableSchema) -> pa.RecordBatch:
    """Return completed rows with every value that was given put back, identifiers and personal data too."""
    arrays = [
        pc.coalesce(rows[name].combine_chunks(), batch[name]) if name in rows.column_names else batch[name]
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(schema))


def decode(features: Features, schema: TableSchema, *, first_row: int, rows: int, seed: int) -> pa.RecordBatch:
    """Turn the first ``rows`` rows of drawn features into a table block, every column of the schema in it.

    Identifiers and personal data are made new here: unique by row number, the same for one seed.
    """
    made = fakes.make_columns(schema, first_row=first_row, rows=rows, seed=seed)
    arrays = [
        _decode(features[column.name], column, rows) if column.learned else made[column.name]
        for column in schema.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(schema))


def settled(feature: Feature, column: Column) -> Feature:
    """Return a drawn column as it will be stored: inside its range, with its decimals, whole seconds and days.

    Conditions and constraints are judged on this, so that what holds here holds in the table.
    """
    if isinstance(feature, Discrete):
        return feature
    low, high = column.minimum, column.maximum
    values = feature.values if low is None and high is None else np.clip(feature.values, low, high)
    if column.dtype is Dtype.DOUBLE:
        return Numeric(values if column.decimals is None else np.round(values, column.decimals))
    if column.dtype is Dtype.DATE:
        return Numeric(np.floor(values / _DAY) * _DAY)
    return Numeric(np.rint(values))


def _decode(feature: Feature, column: Column, rows: int) -> pa.Array:
    if isinstance(feature, Discrete):
        assert column.categories is not None  # noqa: S101 - a discrete column has them, by its own validator
        categories = pa.array([*column.categories, None], type=arrow_type(column.dtype))
        return categories.take(pa.array(feature.codes[:rows]))
    kept = settled(Numeric(feature.values[:rows]), column)
    assert isinstance(kept, Numeric)  # noqa: S101 - as what was given
    missing = np.isnan(kept.values)
    return _typed(np.where(missing, 0.0, kept.values), missing, column)


def _typed(values: NDArray[np.float64], missing: NDArray[np.bool_], column: Column) -> pa.Array:
    if column.dtype is Dtype.DOUBLE:
        return pa.array(values, mask=missing)
    if column.dtype is Dtype.INT64:
        return pa.array(values.astype(np.int64), mask=missing)
    if column.dtype is Dtype.DATE:
        return pa.array((values // _DAY).astype(np.int32), mask=missing).cast(pa.date32())
    # Whole seconds: sub-second digits of a learned time would be noise.
    return pa.array(values.astype(np.int64) * _MICROS, mask=missing).cast(arrow_type(column.dtype))

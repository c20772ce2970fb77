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


def _decode(feature: Feature, column: Column, rows: int) -> pa.Array:
    if isinstance(feature, Discrete):
        assert column.categories is not None  # noqa: S101 - a discrete column has them, by its own validator
        categories = pa.array([*column.categories, None], type=arrow_type(column.dtype))
        return categories.take(pa.array(feature.codes[:rows]))
    values = feature.values[:rows]
    missing = np.isnan(values)
    values = np.clip(np.where(missing, 0.0, values), column.minimum, column.maximum)
    return _typed(values, missing, column)


def _typed(values: NDArray[np.float64], missing: NDArray[np.bool_], column: Column) -> pa.Array:
    if column.dtype is Dtype.DOUBLE:
        if column.decimals is not None:
            values = np.round(values, column.decimals)
        return pa.array(values, mask=missing)
    if column.dtype is Dtype.INT64:
        return pa.array(np.rint(values).astype(np.int64), mask=missing)
    if column.dtype is Dtype.DATE:
        return pa.array((values // _DAY).astype(np.int32), mask=missing).cast(pa.date32())
    # Whole seconds: sub-second digits of a learned time would be noise.
    micros = np.rint(values).astype(np.int64) * _MICROS
    return pa.array(micros, mask=missing).cast(arrow_type(column.dtype))

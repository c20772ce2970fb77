"""How a schema looks in Arrow: types, and original or storage names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synthcredit.datasets.schema import Dtype, TableSchema

_TYPES = {
    Dtype.INT64: pa.int64(),
    Dtype.DOUBLE: pa.float64(),
    Dtype.STRING: pa.string(),
    Dtype.BOOL: pa.bool_(),
    Dtype.DATE: pa.date32(),
    Dtype.TIMESTAMP: pa.timestamp("us"),
    Dtype.TIME: pa.time64("us"),
}
_DAY = 86_400
_MICROS = 1_000_000


def arrow_type(dtype: Dtype) -> pa.DataType:
    """Return the Arrow type of a dtype."""
    return _TYPES[dtype]


def arrow_schema(schema: TableSchema, *, storage_names: bool = False) -> pa.Schema:
    """Return the Arrow schema of a table, under its own column names or under its storage names."""
    return pa.schema(
        [
            pa.field(c.storage_name if storage_names else c.name, arrow_type(c.dtype), nullable=True)
            for c in schema.columns
        ]
    )


def to_storage_names(batch: pa.RecordBatch, schema: TableSchema) -> pa.RecordBatch:
    """Return the batch under the storage names that the lake uses: Athena reads a column with a dot as NULL.

    Parameters
    ----------
    batch
        Columns in schema order, under their own names.
    """
    return pa.RecordBatch.from_arrays(batch.columns, schema=arrow_schema(schema, storage_names=True))


def to_original_names(batch: pa.RecordBatch, schema: TableSchema) -> pa.RecordBatch:
    """Return a batch of a part file under the names that the data had."""
    return pa.RecordBatch.from_arrays(batch.columns, schema=arrow_schema(schema))


def to_floats(array: pa.Array) -> NDArray[np.float64]:
    """Return numbers, dates or times as float64, shape (n,); NaN is missing, dates and times are seconds."""
    if pa.types.is_date32(array.type):
        return _floats(pc.cast(array, pa.int32())) * _DAY
    if pa.types.is_timestamp(array.type) or pa.types.is_time64(array.type):
        return _floats(pc.cast(array, pa.int64())) / _MICROS
    return _floats(array)


def _floats(array: pa.Array) -> NDArray[np.float64]:
    return np.asarray(pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)

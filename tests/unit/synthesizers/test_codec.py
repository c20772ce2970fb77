import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets.arrow import arrow_schema, to_floats
from synthcredit.datasets.fakes import make_columns
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.synthesizers.codec import decode, encode
from synthcredit.synthesizers.features import Discrete, Numeric

SECONDS = datetime.datetime.fromisoformat
CASES = {
    "continuous": (Kind.CONTINUOUS, Dtype.DOUBLE, {"decimals": 2}, st.integers(-(10**9), 10**9).map(lambda v: v / 100)),
    "full precision": (Kind.CONTINUOUS, Dtype.DOUBLE, {}, st.floats(-1e12, 1e12)),
    "whole doubles": (Kind.INTEGER, Dtype.DOUBLE, {"decimals": 0}, st.integers(-(10**9), 10**9).map(float)),
    "integer": (Kind.INTEGER, Dtype.INT64, {}, st.integers(-(2**53), 2**53)),
    "dates": (Kind.DATETIME, Dtype.DATE, {}, st.dates()),
    "timestamps": (
        Kind.DATETIME,
        Dtype.TIMESTAMP,
        {},
        st.datetimes(SECONDS("1900-01-01"), SECONDS("9999-12-31")).map(lambda v: v.replace(microsecond=0)),
    ),
    "times": (Kind.DATETIME, Dtype.TIME, {}, st.times().map(lambda v: v.replace(microsecond=0))),
    "words": (Kind.CATEGORICAL, Dtype.STRING, {"categories": ("", "a", "none")}, st.sampled_from(["", "a", "none"])),
    "codes": (Kind.CATEGORICAL, Dtype.INT64, {"categories": (3, -1, 7)}, st.sampled_from([3, -1, 7])),
    "double codes": (Kind.BOOLEAN, Dtype.DOUBLE, {"categories": (0.0, 1.0)}, st.sampled_from([0.0, 1.0])),
    "booleans": (Kind.BOOLEAN, Dtype.BOOL, {"categories": (False, True)}, st.booleans()),
    "yes and no": (Kind.BOOLEAN, Dtype.STRING, {"categories": ("no", "yes")}, st.sampled_from(["no", "yes"])),
}


def schema_for(kind, dtype, fields, array, *, nullable):
    if kind in (Kind.CONTINUOUS, Kind.INTEGER, Kind.DATETIME):
        numbers = to_floats(array)
        known = numbers[~np.isnan(numbers)]
        fields = {**fields, "minimum": known.min() if len(known) else 0, "maximum": known.max() if len(known) else 0}
    column = Column(name="a", storage_name="a", kind=kind, dtype=dtype, nullable=nullable, **fields)
    return TableSchema(name="t", columns=(column,))


@pytest.mark.parametrize("case", CASES)
@given(data=st.data(), nullable=st.booleans())
def test_what_is_encoded_decodes_to_itself(case, data, nullable):
    kind, dtype, fields, values = CASES[case]
    drawn = data.draw(st.lists(values | st.none() if nullable else values, min_size=1, max_size=30))
    arrow = pa.array(drawn, type={Dtype.DATE: pa.date32(), Dtype.TIMESTAMP: pa.timestamp("us")}.get(dtype))
    if dtype is Dtype.TIME:
        arrow = pa.array(drawn, type=pa.time64("us"))
    schema = schema_for(kind, dtype, fields, arrow, nullable=nullable)
    arrow = arrow.cast(arrow_schema(schema).field("a").type)
    features = encode(pa.table({"a": arrow}), schema)
    batch = decode(features, schema, first_row=0, rows=len(drawn), seed=0)
    assert batch.schema == arrow_schema(schema)
    assert batch.column("a").to_pylist() == arrow.to_pylist()


@pytest.mark.parametrize("dtype", [Dtype.STRING, Dtype.DOUBLE, Dtype.INT64])
def test_a_column_of_missing_values_only(dtype):
    column = Column(name="a", storage_name="a", kind=Kind.CATEGORICAL, dtype=dtype, nullable=True, categories=())
    schema = TableSchema(name="t", columns=(column,))
    table = pa.table({"a": pa.nulls(5, arrow_schema(schema).field("a").type)})
    feature = encode(table, schema)["a"]
    assert isinstance(feature, Discrete)
    assert (feature.size, feature.codes.tolist()) == (1, [0] * 5)
    assert decode({"a": feature}, schema, first_row=0, rows=5, seed=0).column("a").to_pylist() == [None] * 5


def test_states_of_a_discrete_column():
    column = {"name": "a", "storage_name": "a", "kind": Kind.CATEGORICAL, "dtype": Dtype.STRING}
    nullable = TableSchema(name="t", columns=(Column(**column, categories=("x", "y"), nullable=True),))
    strict = TableSchema(name="t", columns=(Column(**column, categories=("x", "y")),))
    feature = encode(pa.table({"a": ["y", None, "x", "unheard"]}), nullable)["a"]
    assert (feature.codes.tolist(), feature.codes.dtype, feature.size) == ([1, 2, 0, 2], np.int32, 3)
    assert encode(pa.table({"a": ["y"]}), strict)["a"].size == 2


def test_drawn_numbers_are_brought_into_the_schema():
    schema = schema_for(Kind.CONTINUOUS, Dtype.DOUBLE, {"decimals": 1}, pa.array([0.0, 10.0]), nullable=True)
    drawn = {"a": Numeric(np.array([-5.0, 3.14159, 99.0, np.nan, 7.0]))}
    assert decode(drawn, schema, first_row=0, rows=4, seed=0).column("a").to_pylist() == [0.0, 3.1, 10.0, None]


def test_chunks_and_columns_that_are_not_learned():
    columns = (
        Column(name="id", storage_name="id", kind=Kind.IDENTIFIER, dtype=Dtype.STRING, format="C{:03d}"),
        Column(name="n", storage_name="n", kind=Kind.INTEGER, dtype=Dtype.INT64, minimum=0, maximum=9),
    )
    schema = TableSchema(name="t", columns=columns)
    table = pa.concat_tables([pa.table({"id": ["x"], "n": [1]}), pa.table({"id": ["y"], "n": [2]})])
    features = encode(table, schema)
    assert list(features) == ["n"]
    batch = decode(features, schema, first_row=8192, rows=2, seed=3)
    assert batch.column("n").to_pylist() == [1, 2]
    assert batch.column("id").equals(make_columns(schema, first_row=8192, rows=2, seed=3)["id"])
    assert batch.column("id").to_pylist() == ["C8193", "C8194"]

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.synthesizers import people, rare
from synthcredit.synthesizers.features import Discrete, Numeric

K = 5


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@given(st.lists(st.integers(0, 6), min_size=20, max_size=80))
def test_no_category_of_fewer_than_k_is_left_where_any_has_k(codes):
    feature = Discrete(np.array(codes, dtype=np.int32), 7)
    made = rare.common_categories(feature, K, rng())
    before, after = (np.bincount(each.codes, minlength=7) for each in (feature, made))
    if (before >= K).any():
        assert ((after == 0) | (after >= K)).all()
        common = before[feature.codes] >= K
        np.testing.assert_array_equal(made.codes[common], feature.codes[common])


def test_where_no_category_is_common_any_will_do():
    made = rare.common_categories(Discrete(np.arange(20, dtype=np.int32), 20), K, rng())
    assert not np.array_equal(made.codes, np.arange(20))


def test_rare_codes_and_missing_become_other_values():
    values = np.concatenate([np.full(4, -9.0), np.full(3, np.nan), np.full(6, -1.0), np.arange(100.0, 200)])
    made = rare.common_codes(values, (-9.0, -1.0), K, rng())
    assert not (made == -9).any()
    assert not np.isnan(made).any()
    assert (made == -1).sum() >= 6
    np.testing.assert_array_equal(made[7:], values[7:])


def test_too_few_values_are_not_told_of():
    values = np.concatenate([[7.0, 8.0], np.full(30, np.nan)])
    assert np.isnan(rare.common_codes(np.append(values, [np.nan]), (), K, rng())[2:]).all()
    column = Column(name="x", storage_name="x", kind="continuous", dtype="double", nullable=True)
    assert len(np.unique(rare.guard(Numeric(values), column, K, rng()).values)) == 1
    every = rare.common_codes(np.array([-1.0, -2.0, -3.0]), (-1.0, -2.0, -3.0), K, rng())
    assert set(every) == {-2.0}


def test_rare_counts_join_the_nearest_common_one():
    values = np.repeat([0.0, 1.0, 4.0, 5.0], [10, 2, 3, 8])
    np.testing.assert_array_equal(rare.merged(values, K), np.repeat([0.0, 5.0], [12, 11]))
    assert len(np.unique(rare.merged(np.array([1.0, 2.0, 3.0]), K))) == 1


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=60))
def test_no_end_of_a_range_is_anybodys(values):
    made = rare.pulled(np.array(values), K)
    assert np.isfinite(made).all()
    assert made.min() >= min(values)
    assert made.max() <= max(values)


def test_extremes_are_means_of_k():
    values = np.concatenate([np.arange(100.0), [1e6]])
    made = rare.pulled(values, K)
    assert made.max() == pytest.approx((1e6 + 99 + 98 + 97 + 96) / 5)
    assert made.min() == 2.0
    np.testing.assert_array_equal(made[3:100], values[3:100])


def test_a_column_of_each_kind():
    column = Column(name="x", storage_name="x", kind="integer", dtype="int64", special_values=(-9.0,))
    counts = Numeric(np.repeat([0.0, 1.0, 2.0, 9.0], [20, 20, 20, 1]))
    assert rare.guard(counts, column, K, rng()).values.max() == 2
    amounts = np.concatenate([np.full(10, -9.0), np.arange(1000.0)])
    made = rare.guard(Numeric(amounts), column, K, rng()).values
    assert (made == -9).sum() == 10
    assert made[10:].min() == 2.0
    schema = TableSchema(name="t", columns=(column,))
    np.testing.assert_array_equal(rare.guarded({"x": Numeric(amounts)}, schema, K, rng())["x"].values, made)


def test_rows_of_k_people():
    columns = (
        Column(name="who", storage_name="who", kind="identifier", dtype="int64"),
        Column(name="x", storage_name="x", kind="continuous", dtype="double"),
    )
    table = pa.table({"who": [1, 1, 1, 2, 2, 3], "x": np.arange(6.0)})
    assert people.rows_behind(2, table, TableSchema(name="t", columns=columns)) == 2
    assert people.rows_behind(3, table, TableSchema(name="t", columns=columns, customer="who")) == 6

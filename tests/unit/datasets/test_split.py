import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets.split import HOLDOUT_SHARE, Rule, given_holdout, split_rows


@given(rows=st.integers(20, 400))
def test_rows_fall_on_one_side_each(rows):
    table = pa.table({"a": np.arange(rows)})
    split, train, holdout = split_rows(table)
    assert sorted([*train["a"].to_pylist(), *holdout["a"].to_pylist()]) == list(range(rows))
    assert (split.rule, split.train_rows, split.holdout_rows) == (Rule.ROWS, train.num_rows, holdout.num_rows)
    assert split.holdout_rows == round(rows * HOLDOUT_SHARE)
    assert train["a"].to_pylist() == sorted(train["a"].to_pylist())


@given(people=st.lists(st.integers(1, 8), min_size=10, max_size=60))
def test_all_rows_of_a_customer_fall_on_one_side(people):
    table = pa.table({"who": np.repeat(np.arange(len(people)), people)})
    split, train, holdout = split_rows(table, "who")
    assert not set(train["who"].to_pylist()) & set(holdout["who"].to_pylist())
    assert len(set(holdout["who"].to_pylist())) == round(len(people) * HOLDOUT_SHARE)
    assert (split.rule, split.customer) == (Rule.CUSTOMERS, "who")
    assert train.num_rows + holdout.num_rows == table.num_rows


def test_the_split_is_the_same_every_time():
    table = pa.table({"a": np.arange(1000)})
    first, second = split_rows(table)[0], split_rows(table)[0]
    assert first == second
    # Pinned: a model card from last year must find its holdout again.
    assert first.hash.startswith("a0fddf55a2b0b566")
    assert split_rows(table.slice(1))[0].hash != first.hash


def test_a_given_holdout():
    split = given_holdout(70, 30, uri="h.csv", file_hash="abc")
    assert (split.rule, split.holdout_share, split.holdout_uri, split.hash) == (Rule.GIVEN, 0.3, "h.csv", "abc")

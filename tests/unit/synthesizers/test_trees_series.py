"""Orders of numbered columns."""

import numpy as np
import pyarrow as pa

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.randomness import generator
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.trees import TreesSynthesizer
from synthcredit.synthesizers.trees_series import series_orders


def told(names, first=None):
    orders = series_orders(tuple(range(len(names))) if first is None else first, names)
    return [[names[column] for column in order] for order in orders]


def test_months_go_up_and_down_and_others_follow():
    assert told(["age", "bill_2", "bill_1", "bill_3", "sex"]) == [
        ["bill_1", "bill_2", "bill_3", "age", "sex"],
        ["bill_3", "bill_2", "bill_1", "age", "sex"],
    ]


def test_series_interleave_in_every_order_within_a_month():
    names = ["bill1", "bill2", "bill3", "paid1", "paid2", "paid4"]
    found = told(names)
    assert len(found) == 4
    assert ["bill1", "paid1", "bill2", "paid2", "bill3", "paid4"] in found
    assert ["paid4", "bill3", "paid2", "bill2", "paid1", "bill1"] in found
    assert all(sorted(order) == sorted(names) for order in found)


def test_many_series_keep_the_order_given_and_its_reverse():
    names = [f"{stem}{month}" for stem in "abcd" for month in (1, 2, 3)]
    found = told(names)
    assert [order[:4] for order in found[::2]] == [["a1", "b1", "c1", "d1"], ["d1", "c1", "b1", "a1"]]


def test_two_numbers_are_no_series_and_leading_zeros_no_other_month():
    assert told(["bill_1", "bill_2", "age"]) == []
    assert told(["x01", "x1", "x2", "x3"])[0] == ["x01", "x2", "x3", "x1"]


def test_numbers_inside_names_count():
    assert told(["open_6m", "open_24m", "open_12m"])[0] == ["open_6m", "open_12m", "open_24m"]


def test_balances_are_drawn_month_by_month():
    steps = generator(1, "balances").normal(0, 1, (6, 4_000))
    balances = 10 + np.cumsum(steps, axis=0)
    # In the file they stand in no order, and a month's balance follows from the month before alone.
    months = (4, 1, 6, 3, 5, 2)
    names = [f"balance_{month}" for month in months]
    columns = tuple(Column(name=name, storage_name=name, kind="continuous", dtype="double") for name in names)
    table = pa.table({name: balances[month - 1] for name, month in zip(names, months, strict=True)})
    model = TreesSynthesizer(TreesSettings(trees=1)).fit(table, TableSchema(name="b", columns=columns), seed=1)
    drawn = [int(name[-1]) for name in model._order]
    assert drawn in ([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1])

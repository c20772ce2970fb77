"""Which rows keep a constraint, against the same said in plain Python, row by row."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets import rules
from synthcredit.datasets.constraints import (
    CombinationsConstraint,
    FormulaConstraint,
    NullsConstraint,
    OrderConstraint,
    RangeConstraint,
    UniqueConstraint,
)
from synthcredit.datasets.schema import Column, TableSchema


def column(name, kind="integer", dtype="int64", **more):
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


SCHEMA = TableSchema(
    name="t",
    columns=(
        column("a", nullable=True),
        column("b", nullable=True),
        column("c", "continuous", "double", decimals=2, nullable=True),
        column("city", "categorical", "string", categories=("x", "y", "z"), nullable=True),
        column("key", "identifier", "string"),
    ),
)
NUMBER = st.one_of(st.none(), st.integers(-3, 3))
ROWS = st.lists(st.fixed_dictionaries({"a": NUMBER, "b": NUMBER, "c": NUMBER}), min_size=1, max_size=30)


SOME_ROWS = st.lists(st.fixed_dictionaries({"a": NUMBER, "b": NUMBER, "c": NUMBER}), min_size=1, max_size=12)


def values(rows) -> dict[str, np.ndarray]:
    names = sorted(rows[0])
    return {name: np.array([math.nan if row[name] is None else row[name] for row in rows], float) for name in names}


def triple(row) -> tuple:
    return row["a"], row["b"], row["c"]


def kept(constraint, rows, allowed=None) -> list[bool]:
    return rules.keeps(constraint, values(rows), SCHEMA, allowed).tolist()


@given(ROWS, st.booleans())
def test_orders(rows, strict):
    def in_order(row) -> bool:
        there = [row[name] for name in "abc" if row[name] is not None]
        return all(x < y if strict else x <= y for at, x in enumerate(there) for y in there[at + 1 :])

    one = OrderConstraint(kind="order", columns=("a", "b", "c"), strict=strict)
    assert kept(one, rows) == [in_order(row) for row in rows]


@given(ROWS)
def test_ranges(rows):
    one = RangeConstraint(kind="range", column="a", minimum=-1, maximum=2)
    assert kept(one, rows) == [row["a"] is None or -1 <= row["a"] <= 2 for row in rows]


@given(ROWS, st.integers(-2, 2))
def test_formulas(rows, constant):
    one = FormulaConstraint(kind="formula", column="c", terms={"a": 1, "b": -2}, constant=constant)
    due = [None in row.values() or row["c"] == row["a"] - 2 * row["b"] + constant for row in rows]
    assert kept(one, rows) == due


@pytest.mark.parametrize(
    ("total", "part", "keeps"),
    [(0.12, 0.25, True), (0.13, 0.25, True), (0.14, 0.25, False), (0.11, 0.25, False), (5e11, 1e12, True)],
)
def test_a_sum_may_be_rounded_either_way_and_no_further(total, part, keeps):
    one = FormulaConstraint(kind="formula", column="c", terms={"a": 0.5})
    assert kept(one, [{"c": total, "a": part}]) == [keeps]


def test_a_cent_counts_among_billions():
    one = FormulaConstraint(kind="formula", column="c", terms={"a": 1})
    assert kept(one, [{"c": 4e9 + 0.01, "a": 4e9}]) == [False]


@given(ROWS, st.booleans())
def test_nulls(rows, only):
    one = NullsConstraint(kind="nulls", column="c", when={"a": (0, None), "b": (1, 2)}, only=only)

    def keeps(row) -> bool:
        due = row["a"] in (0, None) and row["b"] in (1, 2)
        return (row["c"] is None) == due if only else not due or row["c"] is None

    assert kept(one, rows) == [keeps(row) for row in rows]


def test_nulls_by_categories():
    one = NullsConstraint(kind="nulls", column="a", when={"city": ("y", None)})
    found = rules.keeps(one, {"a": np.array([np.nan, 1, np.nan, 1]), "city": np.array([1.0, 0, np.nan, 1])}, SCHEMA)
    assert found.tolist() == [True, True, True, False]


@given(ROWS)
def test_unique(rows):
    one = UniqueConstraint(kind="unique", columns=("a", "b"))
    seen, due = set(), []
    for row in rows:
        pair = (row["a"], row["b"])
        due.append(None in pair or pair not in seen)
        seen.add(pair)
    assert kept(one, rows) == due


def test_minus_nothing_is_nothing():
    one = UniqueConstraint(kind="unique", columns=("a",))
    assert rules.keeps(one, {"a": np.array([0.0, -0.0])}, SCHEMA).tolist() == [True, False]


@given(SOME_ROWS, SOME_ROWS, st.integers(1, 4))
def test_combinations_are_those_of_enough_people(rows, others, k):
    one = CombinationsConstraint(kind="combinations", columns=("a", "b", "c"))
    own = np.stack(list(values(rows).values()), axis=1)
    people = np.arange(len(rows)) // 2
    allowed, dropped = rules.learn_combinations(own, people, k)
    holders: dict[tuple, set] = {}
    for at, row in enumerate(rows):
        holders.setdefault(triple(row), set()).add(at // 2)
    fine = {combination for combination, persons in holders.items() if len(persons) >= k}
    assert dropped == sum(triple(row) not in fine for row in rows)
    assert len(allowed) == len(fine)
    if fine:
        assert kept(one, others, allowed) == [triple(row) in fine for row in others]
        made = allowed.nearest(np.stack(list(values(others).values()), axis=1), np.random.default_rng(0))
        assert allowed.knows(made).all()


def test_where_every_row_is_of_another_person_rows_count():
    rows = np.array([[1.0, np.nan]] * 3 + [[2.0, 1.0]] * 2)
    allowed, dropped = rules.learn_combinations(rows, None, 3)
    assert np.array_equal(allowed.values, [[1.0, np.nan]], equal_nan=True)
    assert (allowed.counts.tolist(), dropped) == ([3], 2)


def test_the_nearest_combination_agrees_with_most_columns_and_comes_by_frequency():
    allowed = rules.Allowed(np.array([[0.0, 0, 0], [0, 0, 1], [1, 1, 1]]), np.array([30, 10, 1000]))
    made = allowed.nearest(np.tile([0.0, 0.0, 5.0], (4_000, 1)), np.random.default_rng(1))
    assert not made[:, 0].any()
    # 40 of 4,000 is 1 %; the standard error of a share of .25 is .007.
    assert np.mean(made[:, 2]) == pytest.approx(0.25, abs=0.03)


def test_combinations_need_to_be_told():
    with pytest.raises(ValueError, match="allowed"):
        kept(CombinationsConstraint(kind="combinations", columns=("a", "b")), [{"a": 1, "b": 1}])


def test_a_table_comes_as_numbers():
    table = pa.table(
        {
            "a": pa.array([1, None, 3]),
            "b": pa.array([1, 2, 3]),
            "c": pa.array([0.5, None, 2.0]),
            "city": pa.array(["z", None, "x"]),
            "key": pa.array(["u", "v", "u"]),
        }
    )
    found = rules.table_values(table, SCHEMA)
    assert np.array_equal(found["a"], [1, np.nan, 3], equal_nan=True)
    assert np.array_equal(found["city"], [2, np.nan, 0], equal_nan=True)
    assert found["key"][0] == found["key"][2] != found["key"][1]
    assert rules.keeps(UniqueConstraint(kind="unique", columns=("key",)), found, SCHEMA).tolist() == [True, True, False]

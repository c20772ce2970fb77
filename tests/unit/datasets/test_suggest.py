"""What is suggested: what was put into made rows, nothing of what chance put there, and little of real data."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synthcredit.datasets import contradictions, detect, read, rules
from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.datasets.suggest import suggest

ROWS = 2_000
DAY = 86_400


def column(name, values) -> tuple[Column, pa.Array]:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    nullable = array.null_count > 0
    fields = {"name": name, "storage_name": name, "nullable": nullable}
    if pa.types.is_string(array.type) or pa.types.is_boolean(array.type):
        kind = "boolean" if pa.types.is_boolean(array.type) else "categorical"
        dtype = "bool" if kind == "boolean" else "string"
        return Column(**fields, kind=kind, dtype=dtype, categories=sorted(set(array.drop_null().to_pylist()))), array
    if pa.types.is_date32(array.type):
        return Column(**fields, kind="datetime", dtype="date32"), array
    if pa.types.is_integer(array.type):
        return Column(**fields, kind="integer", dtype="int64"), array
    return Column(**fields, kind="continuous", dtype="double", decimals=2), array


def suggested(**values) -> list:
    columns, arrays = zip(*(column(name, own) for name, own in values.items()), strict=True)
    schema, table = TableSchema(name="t", columns=columns), pa.table(dict(zip(values, arrays, strict=True)))
    found = suggest(table, schema)
    together = schema.model_copy(update={"constraints": tuple(one.constraint for one in found)})
    assert contradictions.problems(together) == []
    for one in found:
        if one.constraint.kind != "combinations":
            assert rules.keeps(one.constraint, rules.table_values(table, schema), schema).all()
    return [one.constraint.model_dump(mode="json") for one in found]


def kinds(found, kind) -> list:
    return [one for one in found if one["kind"] == kind]


def dates(days, missing=None) -> pa.Array:
    return pa.array(np.asarray(days).astype(np.int32), mask=missing).cast(pa.date32())


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def test_independent_columns_suggest_nothing(rng):
    assert not suggested(
        a=rng.normal(size=ROWS).round(2), b=rng.integers(0, 100, ROWS), c=rng.gamma(1, 500, ROWS).round(2),
        city=rng.choice(list("xyz"), ROWS), flag=rng.random(ROWS) < 0.5,
        gaps=pa.array(rng.random(ROWS), mask=rng.random(ROWS) < 0.3),
        one=dates(rng.integers(0, 9_000, ROWS)), other=dates(rng.integers(0, 9_000, ROWS)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "terms",
    [{"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "c": 1, "d": 1}, {"a": 12}, {"a": 1, "b": 1, "c": 3}],
)
def test_sums_are_found(rng, terms):
    parts = {name: rng.gamma(2, 300, ROWS).round(2) for name in "abcdefg"}
    total = sum(factor * parts[name] for name, factor in terms.items()).round(2)
    (formula,) = kinds(suggested(**parts, total=total), "formula")
    assert (formula["column"], formula["terms"], formula["constant"]) == ("total", terms, 0)


def test_a_difference_and_a_constant_are_found(rng):
    a, b = rng.integers(1_000, 9_000, ROWS), rng.integers(0, 1_000, ROWS)
    (formula,) = kinds(suggested(net=a - b - 50, a=a, b=b, c=rng.integers(0, 9, ROWS)), "formula")
    # Of the ways to turn it round, the one without minus signs.
    assert (formula["column"], formula["terms"], formula["constant"]) == ("a", {"net": 1, "b": 1}, 50)


def test_two_sums_that_share_columns_are_both_found(rng):
    a, b, c = (rng.gamma(2, 300, ROWS).round(2) for _ in range(3))
    found = kinds(suggested(a=a, b=b, ab=(a + b).round(2), c=c, all=(a + b + c).round(2)), "formula")
    assert {one["column"] for one in found} == {"ab", "all"}


def test_a_sum_with_gaps_is_found_where_all_is_there(rng):
    a, b = rng.gamma(2, 300, ROWS).round(2), rng.gamma(2, 300, ROWS).round(2)
    gaps = rng.random(ROWS) < 0.3
    (formula,) = kinds(suggested(a=a, b=pa.array(b, mask=gaps), total=pa.array((a + b).round(2), mask=gaps)), "formula")
    assert formula["terms"] == {"a": 1, "b": 1}


def test_a_sum_that_one_row_breaks_is_none(rng):
    a, b = rng.gamma(2, 300, ROWS).round(2), rng.gamma(2, 300, ROWS).round(2)
    total = (a + b).round(2)
    total[1_500] += 0.01
    assert not kinds(suggested(a=a, b=b, total=total), "formula")


def test_dates_in_order_are_one_chain_and_come_first(rng):
    opened = rng.integers(10_000, 15_000, ROWS)
    due = opened + rng.integers(0, 500, ROWS)
    low = rng.integers(0, 100, ROWS)
    found = suggested(
        closed=dates(due + rng.integers(0, 500, ROWS), rng.random(ROWS) < 0.4), due=dates(due), opened=dates(opened),
        low=low, high=low + rng.integers(0, 50, ROWS),
    )  # fmt: skip
    assert [one["columns"] for one in kinds(found, "order")] == [["opened", "due", "closed"], ["low", "high"]]


def test_an_order_that_follows_from_ranges_is_none(rng):
    age, income = rng.integers(18, 90, ROWS), rng.integers(500, 9_000, ROWS)
    assert not suggested(age=age, income=income)
    balance = np.where(rng.random(ROWS) < 0.7, 0, income)
    assert not suggested(count=np.where(balance > 0, rng.integers(0, 5, ROWS), 0), balance=balance)


def test_parts_below_their_sum_are_no_suggestion_of_their_own(rng):
    a, b = rng.gamma(2, 300, ROWS).round(2), rng.gamma(2, 300, ROWS).round(2)
    assert not kinds(suggested(a=a, b=b, total=(a + b).round(2)), "order")


def test_gaps_that_a_column_tells_are_found(rng):
    married, product = rng.random(ROWS) < 0.6, rng.choice(["card", "loan", "lease"], ROWS)
    found = suggested(
        married=married, product=product,
        partner=pa.array(rng.gamma(2, 300, ROWS).round(2), mask=~married),
        limit=pa.array(rng.integers(0, 9_000, ROWS), mask=(product != "card") | (rng.random(ROWS) < 0.2)),
    )  # fmt: skip
    assert kinds(found, "nulls") == [
        {"kind": "nulls", "column": "partner", "when": {"married": [False]}, "only": True},
        {"kind": "nulls", "column": "limit", "when": {"product": ["lease", "loan"]}, "only": False},
    ]


def test_gaps_that_come_together_are_said_once(rng):
    gaps = rng.random(ROWS) < 0.3
    found = suggested(first=pa.array(rng.random(ROWS), mask=gaps), second=pa.array(rng.random(ROWS), mask=gaps))
    assert kinds(found, "nulls") == [{"kind": "nulls", "column": "first", "when": {"second": [None]}, "only": True}]


def test_gaps_of_a_few_rows_say_nothing(rng):
    city = np.where(np.arange(ROWS) < 15, "rare", rng.choice(["x", "y"], ROWS))
    gaps = (city == "rare") | (rng.random(ROWS) < 0.2)
    assert not kinds(suggested(city=city, a=pa.array(rng.random(ROWS), mask=gaps)), "nulls")


def test_a_city_has_its_state_and_country(rng):
    city = rng.choice(24, ROWS)
    found = suggested(
        city=[f"c{at}" for at in city], state=[f"s{at // 4}" for at in city], country=[f"n{at // 12}" for at in city],
        other=rng.choice(list("abc"), ROWS),
    )  # fmt: skip
    assert found == [{"kind": "combinations", "columns": ["city", "state", "country"]}]


def test_what_is_declared_is_not_suggested_again(rng):
    low = rng.integers(0, 100, ROWS)
    columns, arrays = zip(column("low", low), column("high", low + rng.integers(0, 50, ROWS)), strict=True)
    schema = TableSchema(name="t", columns=columns, constraints=[{"kind": "order", "columns": ["low", "high"]}])
    table = pa.table(dict(zip(["low", "high"], arrays, strict=True)))
    assert suggest(table, schema) == ()
    (one,) = suggest(table, schema.model_copy(update={"constraints": ()}))
    assert one.support == ROWS
    assert one.says == "'low' <= 'high': never the other way round in 2,000 rows in which both are there"


def real_suggestions(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    schema = detect.detect_schema(path).schema
    return [(one.constraint.kind, one.constraint.names) for one in suggest(read.read_table(path, schema), schema)]


def test_german_credit_suggests_nothing(german_credit):
    assert real_suggestions(german_credit) == []


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("uci_credit_approval_crx/crx.csv", [("combinations", ("A10", "A11")), ("combinations", ("A4", "A5"))]),
        ("credit_data_belanche/credit_data.csv", [("order", ("Amount", "Price")), ("order", ("Seniority", "Age"))]),
        (
            "lending_club_2016q1/lending_club.csv",
            [("order", ("open_il_12m", "open_il_24m", "num_il_tl")), ("order", ("open_il_6m", "num_il_tl"))],
        ),
        ("uci_default_credit_card/default_of_credit_card_clients.csv", []),
        ("uci_bank_marketing/bank_full.csv", []),
    ],
)
def test_real_data_suggests_little_and_that_is_sane(shared_data, file, found):
    assert real_suggestions(shared_data / file) == found

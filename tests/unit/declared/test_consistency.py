"""What contradicts something else is refused, at its place."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.declared.conftest import BANK, changed

from synthcredit.declared.made import declared_rows
from synthcredit.declared.reading import parse
from synthcredit.errors import InvalidInputError

C, A, B = "customers", "accounts", "bookings"


def _rule(table: str, rule: dict[str, Any]) -> dict[str, Any]:
    return changed(table, "rules", len(BANK["tables"][table]["rules"]), to=rule)


def _column(table: str, name: str, column: dict[str, Any] | None) -> dict[str, Any]:
    return changed(table, "columns", name, to=column)


def _crowded() -> dict[str, Any]:
    content = changed(A, "belongs_to", "children", to={"kind": "fixed", "count": 1000})
    content["tables"][B]["belongs_to"]["children"] = {"kind": "poisson", "mean": 1000}
    return content


def _no_tail() -> dict[str, Any]:
    content = _rule(A, {"kind": "order", "columns": ["high", "low"]})
    normal = {"kind": "normal", "mean": 500, "spread": 20}
    content["tables"][A]["columns"] |= {
        "high": {"type": "integer", "minimum": 0, "maximum": 1000, "distribution": normal},
        "low": {"type": "integer", "minimum": 0, "maximum": 420},
    }
    return content


BALANCE = BANK["tables"][B]["rules"][1]

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    # Tables
    ("no such parent", changed(A, "belongs_to", "table", to="people"), f"{A}.belongs_to.table", "no table 'people'"),
    ("a circle", changed(A, "belongs_to", "table", to=B), f"{A}.belongs_to", "belongs to itself"),
    ("nothing holds the parent", _column(A, "customer_id", None), f"{A}.columns", "to which row above"),
    ("rows and a parent", changed(A, "rows", to=3), A, "rows or belongs_to"),
    ("two keys", _column(A, "second", {"type": "key"}), A, "more than one column of type key"),
    ("one storage name", _column(A, "Product", {"type": "text", "fake": "iban"}), f"{A}.columns.Product", "snake case"),
    ("keys of no table", _column(A, "x", {"type": "foreign_key", "of": "y"}), f"{A}.columns.x.of", "no table 'y'"),
    ("a table without key", _column("branches", "branch_id", None), f"{C}.columns.branch_id.of", "no column of type"),
    (
        "a child at random",
        _column("branches", "x", {"type": "foreign_key", "of": A}),
        "branches.columns.x.of",
        "neither above",
    ),
    (
        "a missing parent",
        _column(A, "customer_id", {"type": "foreign_key", "of": C, "missing": 0.1}),
        f"{A}.columns.customer_id.missing",
        "always has the row above",
    ),
    (
        "not above",
        _column(A, "segment", {"type": "inherited", "of": "branches.town"}),
        f"{A}.columns.segment.of",
        "above",
    ),
    ("too many", _crowded(), "customers", "row of it has"),
    # Columns
    ("no counter", _column(C, "card", {"type": "text", "format": "CARD"}), f"{C}.columns.card.format", "pattern"),
    (
        "short hash",
        _column(C, "customer_id", {"type": "key", "format": "{:08x}"}),
        f"{C}.columns.customer_id.format",
        "it",
    ),
    (
        "parent of none",
        _column(C, "customer_id", {"type": "key", "format": "{parent}-{:d}"}),
        f"{C}.columns.customer_id.format",
        "no key above",
    ),
    (
        "given nothing",
        changed(B, "columns", "kind", "given", "column", to="booked"),
        f"{B}.columns.kind.given.column",
        "no",
    ),
    (
        "given gaps",
        changed(B, "columns", "side", "missing", to=0.1),
        f"{B}.columns.kind.given.column",
        "can be missing",
    ),
    (
        "a category forgotten",
        changed(B, "columns", "kind", "given", "categories", "debit", to=None),
        f"{B}.columns.kind.given.categories",
        "nothing of 'debit'",
    ),
    (
        "a category too many",
        changed(A, "columns", "flagged", "given", "shares", "vip", to=0.5),
        f"{A}.columns.flagged.given.shares",
        "'vip' is no category",
    ),
    ("no range", changed(A, "columns", "opening", "maximum", to=None), f"{A}.columns.opening", "minimum and maximum"),
    (
        "outside",
        changed(C, "columns", "net", "minimum", to=80000),
        f"{C}.columns.net.distribution",
        "next to no values",
    ),
    (
        "no value",
        _column(A, "x", {"type": "number", "minimum": 0.001, "maximum": 0.009}),
        f"{A}.columns.x",
        "no value of its decimals",
    ),
    (
        "too long",
        _column(A, "x", {"type": "number", "decimals": 6, "minimum": 0, "maximum": 1e14}),
        f"{A}.columns.x",
        "more digits",
    ),
    (
        "counts with decimals",
        _column(A, "x", {"type": "number", "distribution": {"kind": "poisson", "mean": 3}}),
        f"{A}.columns.x.distribution",
        "whole numbers",
    ),
    ("filled twice", changed(C, "columns", "tax", "missing", to=0.5), f"{C}.columns.tax", "a rule computes it"),
    # Rules
    ("nothing left", _no_tail(), f"{A}.columns.high", "leave next to nothing of its distribution"),
    ("a rule twice", _rule(C, {"kind": "unique", "columns": ["card"]}), f"{C}.rules.8", "again"),
    (
        "unknown columns",
        _rule(A, {"kind": "order", "columns": ["opening", "closing"]}),
        f"{A}.rules.1.columns",
        "'closing'",
    ),
    (
        "order of words",
        _rule(A, {"kind": "order", "columns": ["opening", "product"]}),
        f"{A}.rules.1.columns",
        "no order",
    ),
    (
        "order of sorts",
        _rule(C, {"kind": "order", "columns": ["joined", "lottery"]}),
        f"{C}.rules.8.columns",
        "one order",
    ),
    (
        "a circle of orders",
        _rule(C, {"kind": "order", "columns": ["left", "joined"]}),
        f"{C}.columns.joined",
        "need each other",
    ),
    ("order of sums", _rule(C, {"kind": "order", "columns": ["net", "gross"]}), f"{C}.rules.8.columns", "is computed"),
    (
        "no room from above",
        changed(C, "columns", "joined", "maximum", to="2023-06-30"),
        f"{B}.rules.0.columns",
        "later or larger",
    ),
    (
        "above comes first",
        _rule(B, {"kind": "order", "columns": ["valued", "customers.left"]}),
        f"{B}.rules.3.columns",
        "fixed by a table above",
    ),
    ("no room", changed(C, "columns", "left", "maximum", to="2015-01-01"), f"{C}.columns.left", "after maximum"),
    (
        "two formulas",
        _rule(C, {"kind": "formula", "column": "tax", "terms": {"net": 2}}),
        f"{C}.rules.8.column",
        "another",
    ),
    (
        "formula of words",
        _rule(C, {"kind": "formula", "column": "money", "terms": {"note": 2}}),
        f"{C}.rules.8.column",
        "",
    ),
    (
        "formula of itself",
        _rule(A, {"kind": "formula", "column": "opening", "terms": {"opening": 2}}),
        f"{A}.rules.1",
        "own terms",
    ),
    (
        "a range it leaves",
        changed(C, "columns", "tax", "maximum", to=200),
        f"{C}.columns.tax",
        "leave the column's range",
    ),
    (
        "nulls twice",
        changed(C, "columns", "left", "missing", to=0.2),
        f"{C}.rules.1",
        "missing by chance too",
    ),
    (
        "nulls of a sum",
        _rule(C, {"kind": "nulls", "column": "gross", "when": {"segment": ["private"]}}),
        f"{C}.rules.8.column",
        "is computed",
    ),
    (
        "nulls for no category",
        _rule(C, {"kind": "nulls", "column": "active", "when": {"segment": ["vip"]}, "only": False}),
        f"{C}.rules.8.when.segment",
        "no categories",
    ),
    ("nobody's balance", changed(C, "rules", 0, to={**BALANCE, "start": 0}), f"{C}.rules.0", "nobody has the balance"),
    ("a balance of words", changed(B, "rules", 1, "amount", to="side"), f"{B}.rules.1.amount", "no column of numbers"),
    ("gaps in amounts", changed(B, "columns", "amount", "missing", to=0.1), f"{B}.rules.1.amount", "can be missing"),
    ("gaps in time", changed(B, "columns", "booked", "missing", to=0.1), f"{B}.rules.1.order_by", "can be missing"),
    ("no time", changed(B, "rules", 1, "order_by", to="items"), f"{B}.rules.1.order_by", "no date or timestamp"),
    ("two orders", changed(B, "rules", 2, "order_by", to="valued"), f"{B}.rules.2.order_by", "another order"),
    ("a bounded balance", changed(B, "columns", "balance", "minimum", to=0), f"{B}.rules.1.column", "beyond any range"),
    ("coarser", changed(B, "columns", "balance", "decimals", to=1), f"{B}.rules.1.column", "fewer decimals"),
    ("a finer start", changed(B, "rules", 2, "start", to=0.00001), f"{B}.rules.2.start", "more decimals"),
    ("no start", changed(B, "rules", 1, "start", to="accounts.product"), f"{B}.rules.1.start", "no column of numbers"),
    ("an unsure start", changed(B, "rules", 1, "start", to="customers.net"), f"{B}.rules.1.start", "can be missing"),
    (
        "minus of time",
        changed(B, "rules", 1, "minus", to={"booked": ["x"]}),
        f"{B}.rules.1.minus",
        "no column of categories",
    ),
    ("minus of none", changed(B, "rules", 1, "minus", to={"side": ["fee"]}), f"{B}.rules.1.minus.side", "no category"),
    ("not a child", changed(C, "rules", 7, "table", to=B), f"{C}.rules.7.table", "does not belong"),
    ("a sum of none", changed(C, "rules", 7, "of", to="x"), f"{C}.rules.7.of", "not a column"),
    ("a sum of words", changed(C, "rules", 7, "of", to="product"), f"{C}.rules.7.of", "no column of numbers"),
    (
        "too few values",
        changed(C, "columns", "lottery", "maximum", to=1100),
        f"{C}.rules.2.columns",
        "101 values and 400",
    ),
    ("unevenly unique", _rule(C, {"kind": "unique", "columns": ["net"]}), f"{C}.rules.8.columns", "not drawn evenly"),
    ("unique words", _rule(C, {"kind": "unique", "columns": ["name"]}), f"{C}.rules.8.columns", "not drawn evenly"),
    (
        "unique pairs",
        _rule(C, {"kind": "unique", "columns": ["name", "net"]}),
        f"{C}.rules.8.columns",
        "key of the table",
    ),
    (
        "long sums",
        changed(A, "columns", "opening", to={"type": "number", "minimum": 0, "maximum": 5e13}),
        f"{C}.rules.7",
        "more digits",
    ),
]


@pytest.mark.parametrize(("content", "field", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_contradiction_is_told_at_its_place(content: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse(content, "bank")
    found = {problem.field: problem.problem for problem in raised.value.problems}
    assert f"bank.tables.{field}" in found, found
    assert says in found[f"bank.tables.{field}"]
    assert all(problem.fix for problem in raised.value.problems)


def test_columns_that_need_each_other_are_told_with_their_way() -> None:
    content = changed(A, "rules", 1, to={"kind": "formula", "column": "x", "terms": {"y": 1}})
    content["tables"][A]["rules"].append({"kind": "formula", "column": "y", "terms": {"x": 1}})
    content["tables"][A]["columns"] |= {"x": {"type": "number"}, "y": {"type": "number"}}
    # A sum over the circle does not run round in it either.
    content["tables"][C]["rules"][7]["of"] = "x"
    with pytest.raises(InvalidInputError, match=r"accounts\.x needs accounts\.y needs accounts\.x"):
        parse(content, "bank")


def test_what_is_asked_for_is_checked_too() -> None:
    bank = parse(BANK, "bank")
    with pytest.raises(InvalidInputError) as raised:
        declared_rows(bank, 0, {"accounts": 3, "people": 2})
    assert [problem.field for problem in raised.value.problems] == ["rows of 'accounts'", "rows of 'people'"]
    with pytest.raises(InvalidInputError, match="between 1 and"):
        declared_rows(bank, 0, {"customers": 0})
    with pytest.raises(InvalidInputError, match="seed: it is below 0"):
        declared_rows(bank, -1)
    with pytest.raises(InvalidInputError, match="1,000 values and 1,001 rows"):
        declared_rows(bank, 0, {"customers": 1001})

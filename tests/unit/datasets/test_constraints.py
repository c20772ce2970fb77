"""Declared constraints: what each may say, and which cannot be kept together."""

import pytest
from pydantic import ValidationError

from synthcredit.datasets import contradictions
from synthcredit.datasets.constraints import without_kind
from synthcredit.datasets.contradictions import Span
from synthcredit.datasets.schema import Column, TableSchema

DAY = 86_400


def column(name, kind="integer", dtype="int64", **more):
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


COLUMNS = (
    column("id", "identifier", "string"),
    column("customer", "identifier", "string", rows_per_value=3),
    column("a", minimum=0, maximum=10),
    column("b", minimum=5, maximum=20, nullable=True),
    column("c", "continuous", "double", decimals=1, minimum=0, maximum=100),
    column("free", "continuous", "double"),
    column("opened", "datetime", "date32", minimum=0, maximum=100 * DAY),
    column("closed", "datetime", "timestamp[us]", minimum=50 * DAY, maximum=200 * DAY),
    column("hour", "datetime", "time64[us]", minimum=0, maximum=86_399),
    column("city", "categorical", "string", categories=("x", "y")),
    column("flag", "boolean", "bool", categories=(False, True), nullable=True),
)


def schema(*constraints) -> TableSchema:
    return TableSchema(name="t", columns=COLUMNS, constraints=constraints)


def said(*constraints) -> dict[str, str]:
    return {problem.field: problem.problem for problem in contradictions.problems(schema(*constraints), "s")}


def order(*columns, **more):
    return {"kind": "order", "columns": columns, **more}


def ranged(name, minimum=None, maximum=None):
    return {"kind": "range", "column": name, "minimum": minimum, "maximum": maximum}


def formula(name, constant=0.0, **terms):
    return {"kind": "formula", "column": name, "terms": terms, "constant": constant}


def nulls(name, only=True, **when):
    return {"kind": "nulls", "column": name, "when": when, "only": only}


SOUND = (
    ranged("a", 1, 9.5),
    ranged("opened", "1970-01-02", None),
    ranged("hour", None, "12:00:00"),
    order("a", "b", strict=True),
    order("opened", "closed"),
    {"kind": "combinations", "columns": ["city", "flag", "a"]},
    formula("c", a=2, b=-1, constant=3),
    nulls("b", city=["x"], flag=[True, None]),
    {"kind": "unique", "columns": ["id"]},
    {"kind": "unique", "columns": ["a", "opened"]},
)


def test_sound_constraints_have_no_problem():
    assert said(*SOUND) == {}


def test_a_schema_keeps_its_constraints_through_json():
    one = schema(*SOUND)
    assert TableSchema.model_validate_json(one.model_dump_json()) == one
    assert one.with_target("a").constraints == one.constraints


def test_a_schema_without_constraints_is_written_as_it_always_was():
    assert "constraints" not in schema().model_dump(mode="json")
    assert schema().fingerprint == schema(*SOUND).fingerprint


@pytest.mark.parametrize(
    ("constraint", "place"),
    [
        ({"kind": "rang", "column": "a"}, ("constraints", 0)),
        ({"kind": "range", "column": "a"}, ("constraints", 0, "range")),
        ({"kind": "range", "column": "a", "minimum": float("inf")}, ("constraints", 0, "range", "minimum", "float")),
        (order("a"), ("constraints", 0, "order", "columns")),
        (order("a", "a"), ("constraints", 0, "order")),
        (order("a", "b", strictly=True), ("constraints", 0, "order", "strictly")),
        (formula("a", a=1), ("constraints", 0, "formula")),
        (formula("a", b=0), ("constraints", 0, "formula")),
        (formula("a"), ("constraints", 0, "formula", "terms")),
        (nulls("b", b=[1]), ("constraints", 0, "nulls")),
        (nulls("b", a=[]), ("constraints", 0, "nulls", "when", "a")),
        ({"kind": "combinations", "columns": ["a", "a"]}, ("constraints", 0, "combinations")),
        ({"kind": "unique", "columns": ["a", "a"]}, ("constraints", 0, "unique")),
    ],
)
def test_what_no_constraint_is(constraint, place):
    with pytest.raises(ValidationError) as refused:
        schema(constraint)
    assert place in {tuple(error["loc"]) for error in refused.value.errors()}


@pytest.mark.parametrize(
    ("constraint", "field", "says"),
    [
        (order("a", "nowhere"), "s.0.columns", "'nowhere' is not a column"),
        (ranged("id", 1), "s.0.column", "made new for every row"),
        (formula("a", nowhere=1), "s.0.terms.nowhere", "is not a column"),
        (nulls("b", id=["x"]), "s.0.when.id", "made new"),
        ({"kind": "unique", "columns": ["customer"]}, "s.0.columns", "made new"),
        (ranged("city", 1), "s.0.column", "has no order"),
        (ranged("a", 5, 1), "s.0.minimum", "above the maximum"),
        (ranged("a", "today"), "s.0.minimum", "not a number"),
        (ranged("opened", "31.12.2020"), "s.0.minimum", "not a date such as"),
        (ranged("closed", None, "soon"), "s.0.maximum", "not a date and time such as"),
        (ranged("a", 1.2, 1.8), "s.0", "no value of the column's type"),
        (ranged("a", 11, 12), "s.0", "outside of what the column can be"),
        (order("a", "city"), "s.0.columns", "has no order"),
        (order("a", "opened"), "s.0.columns", "cannot be put in one order"),
        (order("hour", "closed"), "s.0.columns", "cannot be put in one order"),
        ({"kind": "combinations", "columns": ["city", "free"]}, "s.0.columns", "any number of decimals"),
        (formula("a", opened=1), "s.0.terms.opened", "is datetime"),
        (formula("opened", a=1), "s.0.column", "is datetime"),
        (formula("a", b=1, constant=100), "s.0.column", "outside of the column's own range"),
        (nulls("a", city=["x"]), "s.0.column", "never missing by the schema"),
        (nulls("b", city=["x", "z"]), "s.0.when.city", "1 of its values are no categories"),
        (nulls("b", a=["many"]), "s.0.when.a", "a value is not a number"),
        (nulls("b", city=[None]), "s.0.when.city", "never missing"),
        (order("b", "a"), None, None),
        (order("closed", "opened"), None, None),
    ],
)
def test_what_one_constraint_cannot_ask(constraint, field, says):
    found = said(constraint)
    if field is None:
        assert found == {}
        return
    assert list(found) == [field]
    assert says in found[field]


@pytest.mark.parametrize(
    ("constraints", "field", "says"),
    [
        ([ranged("a", 1, 3), ranged("a", 4, 6)], "s.1", "in all its ranges"),
        ([order("a", "b"), order("b", "a")], "s.0.columns", "circle"),
        ([order("a", "b", strict=True), order("b", "c"), order("c", "a")], "s.2.columns", "circle"),
        ([order("b", "a"), ranged("b", 10, 20), ranged("a", 0, 9)], "s.0.columns", "leave no such order"),
        ([order("b", "a", strict=True), ranged("b", 10, 20)], "s.0.columns", "leave no such order"),
        ([order("a", "c", "b"), ranged("a", 10), ranged("b", None, 9)], "s.0.columns", "leave no such order"),
        ([formula("a", b=1), formula("a", c=1)], "s.1.column", "follows from s.0 already"),
        ([formula("a", b=1), formula("b", a=1)], "s", "in a circle: a, b"),
        ([formula("a", b=1), nulls("b", a=[0])], "s", "in a circle: a, b"),
        ([nulls("b", city=["x"]), nulls("b", flag=[True], only=False)], "s.1.column", "decided by s.0 already"),
    ],
)
def test_what_constraints_cannot_ask_together(constraints, field, says):
    found = said(*constraints)
    assert says in found[field]


def test_two_rules_for_gaps_that_leave_others_open_go_together():
    assert said(nulls("b", only=False, city=["x"]), nulls("b", only=False, flag=[True])) == {}


def test_all_problems_are_said_at_once():
    assert set(said(order("a", "nowhere"), ranged("a", 5, 1), nulls("a", city=["x"]))) == {
        "s.0.columns",
        "s.1.minimum",
        "s.2.column",
    }


def test_spans_are_what_columns_can_be_and_rise_along_an_order():
    spans = contradictions.spans_of(schema(order("b", "c", strict=True), ranged("c", None, 12.25), ranged("a", 0.5)))
    assert spans["b"] == Span(5, 12)
    assert spans["c"] == Span(5.1, 12.2)
    assert spans["a"] == Span(1, 10)
    assert contradictions.spans_of(schema(order("opened", "closed")))["closed"] == Span(50 * DAY, 200 * DAY)


def test_sums_come_before_what_needs_them():
    one = schema(nulls("b", c=[0]), formula("c", a=1))
    assert [each.kind for each in contradictions.derived(one.constraints)] == ["formula", "nulls"]


@pytest.mark.parametrize(
    ("columns", "rows", "refused"),
    [(["city"], 2, False), (["city"], 3, True), (["city", "a"], 22, False), (["city", "a"], 23, True),
     (["c"], 1001, False), (["c"], 1002, True), (["free"], 10**9, False), (["b"], 10**9, False),
     (["id"], 10**9, False)],
)  # fmt: skip
def test_unique_columns_need_as_many_values_as_rows(columns, rows, refused):
    assert bool(list(contradictions.too_many(schema({"kind": "unique", "columns": columns}), rows))) is refused


def test_which_unique_columns_are_learned():
    one = schema({"kind": "unique", "columns": ["id"]}, {"kind": "unique", "columns": ["a", "c"]})
    assert contradictions.unique_learned(one) == ("a", "c")


@pytest.mark.parametrize(
    ("spans", "values", "field"),
    [
        ({"a": Span(8, 9)}, {}, "conditions.where.a"),
        ({"b": Span(5, 6), "a": Span(7, 7)}, {}, "conditions.where"),
        ({"b": Span(5, 6)}, {"city": ("x",)}, "conditions.where.b"),
        ({}, {"city": ("x",), "b": (5,)}, "conditions.where.b"),
        ({}, {"city": ("x",), "b": (None,)}, None),
        ({}, {"city": ("x", "y"), "b": (5,)}, None),
        ({"a": Span(0, 7)}, {}, None),
    ],
)
def test_conditions_against_constraints(spans, values, field):
    one = schema(ranged("a", 0, 7), order("a", "b", strict=True), nulls("b", city=["x"]))
    assert [problem.field for problem in contradictions.with_conditions(spans, values, one)] == (
        [field] if field else []
    )


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("source.schema.constraints.2.order.columns", "source.schema.constraints.2.columns"),
        ("constraints.0.range", "constraints.0"),
        ("schema.json.constraints.10.nulls.when.range", "schema.json.constraints.10.when.range"),
        ("constraints.1.columns", "constraints.1.columns"),
    ],
)
def test_fields_are_those_that_people_wrote(field, known):
    assert without_kind(field) == known

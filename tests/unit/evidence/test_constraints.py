import pyarrow as pa
import pytest

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError
from synthcredit.evidence.constraints import check


def column(name, kind="integer", dtype="int64", **more):
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


SCHEMA = TableSchema(
    name="t",
    columns=(
        column("id", "identifier", "string"),
        column("a"),
        column("b", nullable=True),
        column("city", "categorical", "string", categories=("x", "y"), nullable=True),
    ),
    constraints=(
        {"kind": "range", "column": "a", "minimum": 0},
        {"kind": "order", "columns": ["a", "b"]},
        {"kind": "combinations", "columns": ["a", "city"]},
        {"kind": "nulls", "column": "b", "when": {"city": ["x"]}},
        {"kind": "unique", "columns": ["id"]},
        {"kind": "formula", "column": "b", "terms": {"a": 2}},
    ),
)


def rows(*values) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(SCHEMA.names, row, strict=True)) for row in values],
        schema=pa.schema([("id", pa.string()), ("a", pa.int64()), ("b", pa.int64()), ("city", pa.string())]),
    )


TRAIN = rows(("1", 1, None, "x"), ("2", 2, 4, "y"), ("3", 3, 6, None))


def test_rows_that_keep_them_all_pass():
    checks = list(check(rows(("8", 2, 4, "y"), ("9", 1, None, "x")), TRAIN, SCHEMA))
    assert [one.expectation for one in checks] == [f"constraint_{one.kind}" for one in SCHEMA.constraints]
    assert all(one.passed for one in checks)
    assert checks[1].detail == "'a' <= 'b'"


def test_every_broken_one_is_counted_and_no_value_is_told():
    made = rows(("8", -7, -99, "y"), ("8", 1, 2, "x"), ("9", 3, 6, "y"))
    checks = {one.expectation: one for one in check(made, TRAIN, SCHEMA)}
    assert {name: one.passed for name, one in checks.items()} == dict.fromkeys(checks, False)
    assert checks["constraint_combinations"].detail.endswith("that real rows have; 2 of 3 rows are not")
    assert checks["constraint_unique"].detail == "should be 'id' different in every row; 1 of 3 rows are not"
    assert checks["constraint_formula"].detail == "should be 'b' = + 2 'a'; 1 of 3 rows are not".replace("= + ", "= ")
    assert not any("99" in one.detail or "-7" in one.detail for one in checks.values())


def test_without_constraints_nothing_is_checked():
    assert list(check(TRAIN, TRAIN, SCHEMA.model_copy(update={"constraints": ()}))) == []


def test_contradictions_are_no_evidence():
    wrong = SCHEMA.model_copy(update={"constraints": SCHEMA.constraints[1:2] * 2})
    wrong = TableSchema.model_validate(
        wrong.model_dump() | {"constraints": [{"kind": "order", "columns": ["a", "city"]}]}
    )
    with pytest.raises(InvalidInputError):
        list(check(TRAIN, TRAIN, wrong))

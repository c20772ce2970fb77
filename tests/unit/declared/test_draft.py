"""From a detected schema to a declaration: of real rows only what was confirmed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.unit.declared.conftest import rows_of, tables_of

from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint
from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, TableSchema
from synthcredit.declared import draft
from synthcredit.declared.reading import load, parse
from synthcredit.errors import InvalidInputError

DATA = Path(__file__).parents[3] / "data" / "german_credit.csv"


def _column(name: str, kind: Kind, dtype: Dtype, **more: object) -> Column:
    return Column.model_validate({"name": name, "storage_name": name, "kind": kind, "dtype": dtype, **more})


SCHEMA = TableSchema(
    name="loans",
    columns=(
        _column("loan_id", Kind.IDENTIFIER, Dtype.STRING, format="MUELLER-{:06d}"),
        _column("reference", Kind.IDENTIFIER, Dtype.STRING, format="KRAUSE-{:04d}"),
        _column("holder", Kind.TEXT, Dtype.STRING, pii=Pii.FULL_NAME),
        _column("town", Kind.CATEGORICAL, Dtype.STRING, categories=("Hinterzarten", "Titisee")),
        _column("grade", Kind.CATEGORICAL, Dtype.INT64, categories=(7001, 7002), nullable=True),
        _column("bad", Kind.BOOLEAN, Dtype.BOOL, categories=(False, True)),
        _column("amount", Kind.CONTINUOUS, Dtype.DOUBLE, minimum=777.77, maximum=8888.88, decimals=2),
        _column("fee", Kind.CONTINUOUS, Dtype.DOUBLE, minimum=11.11, maximum=22.22),
        _column("months", Kind.INTEGER, Dtype.INT64, minimum=13, maximum=71),
        _column("opened", Kind.DATETIME, Dtype.DATE, minimum=1_234_569_600.0, maximum=1_300_060_800.0),
        _column("closed", Kind.DATETIME, Dtype.TIMESTAMP, minimum=1_300_060_801.0, maximum=1.4e9, nullable=True),
        _column("remark", Kind.TEXT, Dtype.STRING),
    ),
    primary_key="loan_id",
    constraints=(
        OrderConstraint(kind="order", columns=("opened", "closed")),
        FormulaConstraint(kind="formula", column="fee", terms={"amount": 0.01}),
        NullsConstraint(kind="nulls", column="closed", when={"town": ("Titisee",)}),
    ),
)  # fmt: skip
VALUES = ("MUELLER", "KRAUSE", "Hinterzarten", "Titisee", "7001", "777", "8888", "11.11", "22.22", "13", "71", "2009",
          "2011", "2014")  # fmt: skip


def test_nothing_that_was_not_confirmed_is_in_it() -> None:
    text = draft.draft(SCHEMA)
    assert [value for value in VALUES if re.search(rf"(?<!\d){re.escape(value)}", text)] == []
    content = yaml.safe_load(text)
    table = content["tables"]["loans"]
    assert table["columns"]["town"] == {"type": "text", "categories": None}
    assert table["columns"]["amount"] == {"type": "number", "decimals": 2, "minimum": None, "maximum": None}
    assert table["columns"]["holder"] == {"type": "text", "fake": "full_name"}
    assert [rule["kind"] for rule in table["rules"]] == ["order", "formula"]


def test_what_was_confirmed_is_and_nothing_else() -> None:
    columns = yaml.safe_load(draft.draft(SCHEMA, ["town", "opened", "months", "loan_id"]))["tables"]["loans"]["columns"]
    assert columns["town"]["categories"] == ["Hinterzarten", "Titisee"]
    assert [str(columns["opened"][end]) for end in ("minimum", "maximum")] == ["2009-02-14", "2011-03-14"]
    assert columns["months"] == {"type": "integer", "minimum": 13, "maximum": 71}
    assert columns["loan_id"]["format"] == "MUELLER-{:06d}"
    assert columns["reference"]["format"] == "{:08d}"
    assert columns["closed"]["minimum"] is None
    with pytest.raises(InvalidInputError, match="--confirm city: it is not a column"):
        draft.draft(SCHEMA, ["city"])


def test_every_gap_is_named_until_it_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "draft.yaml"
    path.write_text(draft.draft(SCHEMA))
    with pytest.raises(InvalidInputError) as raised:
        load(path)
    told = " ".join(problem.field for problem in raised.value.problems)
    for column in ("town", "grade", "grade.missing", "bad", "amount", "months", "opened.minimum", "closed.missing"):
        assert f"columns.{column}" in told
    assert "holder" not in told
    assert "columns.fee" not in told


def test_of_the_example_set_it_becomes_rows_once_it_is_completed() -> None:
    schema = detect_schema(DATA, target="creditability").schema
    content = yaml.safe_load(draft.draft(schema, schema.names))
    for column in content["tables"]["german_credit"]["columns"].values():
        if "missing" in column:
            column["missing"] = 0.1
    assert parse(content, "draft").tables["german_credit"].rows == 1000
    made = rows_of(content, rows={"german_credit": 300})
    assert tables_of(made)["german_credit"].num_rows == 300
    assert made.tables["german_credit"].names == schema.names

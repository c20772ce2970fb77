import json

import numpy as np
import pytest
from typer.testing import CliRunner

from synthcredit.cli import app
from synthcredit.datasets.schema import TableSchema


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 900, 300), rng.integers(0, 900, 300)
    lines = ["a,b,total", *(f"{one},{two},{one + two}" for one, two in zip(a, b, strict=True))]
    path = tmp_path / "sums.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def call(*arguments) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["schema", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_suggestions_are_printed_with_what_speaks_for_them_and_never_applied(data):
    code, printed, told = call(data, "--suggest-constraints")
    assert code == 0
    assert json.loads(printed) == {
        "constraints": [{"kind": "formula", "column": "total", "terms": {"a": 1.0, "b": 1.0}, "constant": 0.0}]
    }
    assert "constraints.0: 'total' = 'a' + 'b': exact in 300 rows" in told
    assert TableSchema.model_validate_json(call(data)[1]).constraints == ()


def test_what_was_confirmed_goes_into_the_schema(data, tmp_path):
    confirmed = tmp_path / "constraints.json"
    confirmed.write_text(call(data, "--suggest-constraints")[1])
    code, printed, _ = call(data, "--constraints", confirmed)
    assert code == 0
    schema = TableSchema.model_validate_json(printed)
    assert [one.says for one in schema.constraints] == ["'total' = 'a' + 'b'"]
    # What is declared is not suggested again.
    assert json.loads(call(data, "--constraints", confirmed, "--suggest-constraints")[1]) == {"constraints": []}


def test_what_cannot_be_is_refused(data, tmp_path):
    confirmed = tmp_path / "constraints.json"
    confirmed.write_text(json.dumps([{"kind": "order", "columns": ["a", "nowhere"]}]))
    code, _, told = call(data, "--constraints", confirmed)
    assert code == 2
    assert "'nowhere' is not a column" in " ".join(told.split())

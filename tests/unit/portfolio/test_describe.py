from __future__ import annotations

import json
from pathlib import Path

import jsonschema
from tests.unit.portfolio.conftest import made

from synthcredit.portfolio import describe
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.scenario import ANSWERS, load, with_answers
from synthcredit.portfolio.tables import EVERY

DOCS = Path(__file__).parents[3] / "docs" / "portfolio"


def test_the_documents_are_those_of_the_code() -> None:
    """`python docs/portfolio/make.py` writes them anew."""
    assert (DOCS / "dictionary.md").read_text(encoding="utf-8") == describe.dictionary()
    for table in EVERY:
        written = json.loads((DOCS / "schema" / f"{table.name}.json").read_text(encoding="utf-8"))
        assert written == json.loads(json.dumps(describe.json_schema(table)))


def test_rows_meet_their_json_schemas() -> None:
    book = made(with_answers(load("baseline"), ANSWERS), Volumes(customers=100))
    for table in EVERY:
        schema = describe.json_schema(table)
        jsonschema.Draft202012Validator.check_schema(schema)
        for row in book[table.name].slice(0, 20).to_pylist():
            jsonschema.validate(json.loads(json.dumps(row, default=str)), schema)

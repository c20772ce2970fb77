"""Requests for declared tables: what they hold, and what is said of wrong ones."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pytest

from synthcredit.errors import InvalidInputError, Problem
from synthcredit.jobs.declarations import load_of, planned, rows_of
from synthcredit.jobs.placement import Limits, Where, place
from synthcredit.jobs.request import parse_request

DECLARATION: dict[str, Any] = {
    "name": "shop",
    "tables": {
        "people": {
            "rows": 100,
            "columns": {
                "person_id": {"type": "key", "format": "P{:05d}"},
                "number": {"type": "integer", "minimum": 1, "maximum": 150},
            },
            "rules": [{"kind": "unique", "columns": ["number"]}],
        },
        "orders": {
            "belongs_to": {"table": "people", "children": {"kind": "fixed", "count": 3}},
            "columns": {
                "person_id": {"type": "foreign_key", "of": "people"},
                "amount": {"type": "number", "minimum": 1, "maximum": 9},
            },
        },
    },
}


def _asked(declaration: object = DECLARATION, **source: object) -> dict[str, Any]:
    return {"source": {"kind": "schema", "declaration": declaration, **source}}


def _problems(body: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(InvalidInputError) as caught:
        parse_request(body)
    return caught.value.problems


def _fields(body: dict[str, Any]) -> list[str]:
    return sorted(problem.field for problem in _problems(body))


def test_a_request_that_was_kept_is_the_same_request_with_columns_in_their_order() -> None:
    request = parse_request(json.dumps(_asked(rows={"people": 5})))
    again = parse_request(request.model_dump_json(by_alias=True))
    assert again == request
    assert again.digest == request.digest
    assert list(again.source.declaration["tables"]["people"]["columns"]) == ["person_id", "number"]
    assert (request.asked, request.made_by, request.rows) == ({"tables": 2}, "schema", None)


def test_another_order_of_columns_is_another_request() -> None:
    turned = copy.deepcopy(DECLARATION)
    turned["tables"]["people"]["columns"] = dict(reversed(DECLARATION["tables"]["people"]["columns"].items()))
    assert turned == DECLARATION
    assert parse_request(_asked(turned)).digest != parse_request(_asked()).digest


def test_declared_tables_take_neither_rows_nor_synthesizer_nor_conditions() -> None:
    wrong = {"rows": 5, "synthesizer": {"name": "ctgan"}, "conditions": {"target_rate": 0.1}}
    assert _fields(_asked() | wrong) == ["conditions", "rows", "synthesizer"]
    (rows,) = (one for one in _problems(_asked() | wrong) if one.field == "rows")
    assert "source.rows" in rows.problem


def test_everything_wrong_with_a_declaration_is_said_at_once_each_with_its_place() -> None:
    broken = copy.deepcopy(DECLARATION)
    people, orders = broken["tables"]["people"], broken["tables"]["orders"]
    people["columns"]["number"]["minimum"] = "many"
    orders["belongs_to"]["children"]["count"] = -1
    orders["columns"]["amount"]["colour"] = 1
    assert _fields(_asked(broken) | {"seed": -1}) == [
        "seed",
        "source.declaration.tables.orders.belongs_to.children.count",
        "source.declaration.tables.orders.columns.amount.colour",
        "source.declaration.tables.people.columns.number.minimum",
    ]


def test_contradictions_are_found_before_anything_starts() -> None:
    assert _fields(_asked(rows={"people": 151})) == ["source.declaration.tables.people.rules.0.columns"]
    broken = copy.deepcopy(DECLARATION)
    broken["tables"]["orders"]["columns"]["person_id"]["of"] = "persons"
    # That it leads nowhere, and that no column holds the key of the table above.
    columns = "source.declaration.tables.orders.columns"
    assert _fields(_asked(broken)) == [columns, f"{columns}.person_id.of"]


def test_rows_are_of_uppermost_tables_that_there_are() -> None:
    assert _fields(_asked(rows={"orders": 5, "things": 1})) == ["source.rows.orders", "source.rows.things"]
    assert _fields(_asked(rows={"people": 0})) == ["source.rows.people", "source.rows.people"]
    assert _fields(_asked(rows={"people": "many"})) == ["source.rows.people"]


@pytest.mark.parametrize("nothing", [None, "shop.yaml", []])
def test_what_is_no_declaration_is_said(nothing: object) -> None:
    assert _fields(_asked(nothing)) == ["source.declaration"]
    assert _fields({"source": {"kind": "schema"}}) == ["source.declaration"]


def test_work_is_counted_by_rows_and_forms() -> None:
    plan = planned(DECLARATION, {"people": 120})
    assert rows_of(plan) == {"people": 120, "orders": 360}
    load = load_of(plan, ("parquet",))
    assert (load.values, load.shards, load.shard_values) == (960, 1, 960)
    # Two keys, the foreign key beside them, and what is unique.
    assert load.held == 120 * 2 + 360
    more = load_of(plan, ("parquet", "jsonl"))
    assert more.works()["publish"].seconds > load.works()["publish"].seconds
    places = {one.step: one for one in place(load, Limits())}
    assert (places["train"].where, places["train"].why) == (Where.NOWHERE, "declared tables are made by rules")


def test_what_a_billion_rows_would_take_is_told_without_making_a_list_of_their_shards() -> None:
    declaration = copy.deepcopy(DECLARATION)
    del declaration["tables"]["people"]["rules"]
    small, large = (load_of(planned(declaration, {"people": rows}), ()) for rows in (10**7, 10**9))
    assert large.shards == pytest.approx(100 * small.shards, rel=0.02)
    assert large.works()["generate"] == small.works()["generate"]
    assert large.works()["assess"].memory_mb > 10 * small.works()["assess"].memory_mb


def test_other_requests_bring_no_numpy_in() -> None:
    """What lets the functions that only read jobs do without its layer, jobs of declared tables too."""
    kept = parse_request(_asked()).model_dump_json(by_alias=True)
    code = (
        "import sys; from synthcredit.jobs.request import JobRequest, parse_request;"
        f"JobRequest.model_validate_json({kept!r}).digest;"
        "parse_request({'source': {'kind': 'portfolio'}}); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"

"""Declarations at random: either refused with a reason, or every rule holds in every row, block by block."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.unit.declared.conftest import BANK, tables_of

from synthcredit.datasets import fromnumpy
from synthcredit.declared.checks import check_tables
from synthcredit.declared.made import declared_rows
from synthcredit.declared.reading import parse
from synthcredit.errors import InvalidInputError
from synthcredit.evidence.model import About

_DAY = dt.date(2020, 1, 1)
_FEW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def _distribution(draw: st.DrawFn, low: int, high: int) -> dict[str, Any] | None:
    """One that has values in the range, mostly."""
    kinds = [None, "uniform", "normal"] + ["lognormal", "exponential", "pareto"] * (high > 1 or low < -1)
    kind = draw(st.sampled_from(kinds))
    spread = draw(st.floats(0.5, 400).map(lambda number: round(number, 3)))
    own: dict[str, Any] = {"kind": kind}
    if kind == "normal":
        return own | {"mean": draw(st.integers(low, high)), "spread": spread}
    far = max(high, 1) if high > 1 else max(-low, 1)
    if kind in ("lognormal", "exponential", "pareto"):
        own["negative"] = high <= 1
    if kind == "lognormal":
        return own | {"median": far, "spread": 0.7}
    if kind == "exponential":
        return own | {"mean": far}
    if kind == "pareto":
        return own | {"least": far / 2, "shape": 1.5}
    return None if kind is None else own


@st.composite
def _number(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(-300, 300))
    high = low + draw(st.integers(0, 600))
    column: dict[str, Any] = {"minimum": low, "maximum": high}
    if (shape := draw(_distribution(low, high))) is not None:
        column["distribution"] = shape
    if draw(st.booleans()):
        return column | {"type": "integer"}
    return column | {"type": "number", "decimals": draw(st.integers(0, 4))}


@st.composite
def _moment(draw: st.DrawFn) -> dict[str, Any]:
    first = _DAY + dt.timedelta(days=draw(st.integers(0, 300)))
    last = first + dt.timedelta(days=draw(st.integers(0, 300)))
    if draw(st.booleans()):
        return {"type": "date", "minimum": str(first), "maximum": str(last)}
    return {"type": "timestamp", "minimum": f"{first}T06:00:00", "maximum": f"{last}T18:30:00"}


@st.composite
def _columns(draw: st.DrawFn) -> dict[str, Any]:
    columns = {f"n{at}": one for at, one in enumerate(draw(st.lists(_number(), min_size=2, max_size=3)))}
    columns |= {f"d{at}": one for at, one in enumerate(draw(st.lists(_moment(), min_size=2, max_size=3)))}
    columns |= {
        "c": {"type": "text", "categories": {"x": 0.5, "y": 0.3, "z": 0.2}},
        "e": {"type": "integer", "categories": [1, 2, 3, 4, 5, 6]},
        "f": {"type": "number", "decimals": draw(st.integers(0, 4))},
        "u": {"type": "integer", "minimum": 0, "maximum": draw(st.integers(20, 4000))},
    }
    for name in draw(st.sets(st.sampled_from(["n0", "d0", "n1"]))):
        columns[name]["missing"] = draw(st.sampled_from([0.1, 0.5, 0.9]))
    return columns


@st.composite
def _rules(draw: st.DrawFn, columns: dict[str, Any]) -> list[dict[str, Any]]:
    numbers = [name for name in columns if name[0] == "n"]
    moments = [name for name in columns if name[0] == "d"]
    factor = st.sampled_from([1, -1, 2, 0.5, 0.19, -1.125])
    rules: list[dict[str, Any]] = [
        {
            "kind": "formula", "column": "f", "constant": draw(st.sampled_from([0, 1.5, -7])),
            "terms": {name: draw(factor) for name in draw(st.sets(st.sampled_from(numbers), min_size=1))},
        }
    ]  # fmt: skip
    for names in (numbers, moments):
        if draw(st.booleans()):
            chosen = draw(st.permutations(names).map(lambda some: some[:2]))
            rules.append({"kind": "order", "columns": chosen, "strict": draw(st.booleans())})
    if draw(st.booleans()):
        when = {"c": draw(st.lists(st.sampled_from("xyz"), min_size=1, unique=True))}
        rules.append({"kind": "nulls", "column": draw(st.sampled_from(["n1", "d0"])), "when": when, "only": False})
    if draw(st.booleans()):
        rules.append({"kind": "unique", "columns": ["u"]})
    return rules


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    above, below = draw(_columns()), draw(_columns())
    children = draw(
        st.sampled_from(
            [
                {"kind": "fixed", "count": 2},
                {"kind": "range", "minimum": 0, "maximum": 4},
                {"kind": "poisson", "mean": 1.7},
            ]
        )
    )
    below_rules = draw(_rules(below))
    ledger = {
        "kind": "running_balance", "column": "balance", "amount": "n2" if "n2" in below else "e2", "order_by": "d1",
        "start": draw(st.sampled_from([0, 12.5, "above.e2"])), "minus": {"c": ["y"]},
    }  # fmt: skip
    extra = {"e2": {"type": "number", "minimum": 0, "maximum": 9.99}, "balance": {"type": "number", "decimals": 4}}
    if draw(st.booleans()):
        below_rules.append({"kind": "unique", "columns": ["k", "e"]})
    if draw(st.booleans()):
        below_rules.append({"kind": "order", "columns": ["above.d1", "d1"]})
    above_rules = draw(_rules(above))
    above_rules.append({"kind": "sum_of_children", "column": "total", "table": "below", "of": "e2"})
    return {
        "name": "random",
        "tables": {
            "above": {
                "rows": draw(st.integers(1, 60)),
                "columns": {"k": {"type": "key"}, **above, "total": {"type": "number"}, "e2": extra["e2"]},
                "rules": above_rules,
            },
            "below": {
                "belongs_to": {"table": "above", "children": children},
                "columns": {
                    "id": {"type": "key", "format": "{parent}/{:d}"},
                    "k": {"type": "foreign_key", "of": "above"},
                    "copy": {"type": "inherited", "of": "above.d0"},
                    **below,
                    **extra,
                },
                "rules": [*below_rules, ledger],
            },
        },
    }


@_FEW
@given(declarations(), st.integers(0, 2**40))
def test_every_rule_holds_or_the_declaration_is_refused(content: dict[str, Any], seed: int) -> None:
    try:
        made = declared_rows(parse(content, "random"), seed)
    except InvalidInputError as error:
        event("refused")
        assert all(problem.field.startswith("random.tables.") for problem in error.problems)
        return
    event("made")
    tables = tables_of(made)
    found = check_tables(made.plan, tables)
    assert [check for check in found if not check.passed and check.about is not About.PARAMETERS] == []
    _same_with_one_row_less(content, seed, tables)


def _same_with_one_row_less(content: dict[str, Any], seed: int, tables: dict[str, pa.Table]) -> None:
    rows = content["tables"]["above"]["rows"]
    if rows == 1:
        return
    fewer = declared_rows(parse(content, "random"), seed, {"above": rows - 1}).block("above", 0)
    for name, table in tables.items():
        part = fromnumpy.plain(fewer.table(name))
        assert table.slice(0, part.num_rows).equals(part)


_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["customers", "accounts.opening", "bookings", "booked", "segment", "{:d}", "2020-01-01"]),
    st.lists(st.sampled_from(["net", "joined", 3, None]), max_size=3),
    st.dictionaries(
        st.sampled_from(["kind", "type", "column", "retail"]), st.sampled_from(["fixed", 1, []]), max_size=2
    ),
)


def _places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(place for name, part in parts for place in _places(part, (*path, name)))]


_PLACES = _places(BANK)[1:]


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_PLACES), _JUNK), min_size=1, max_size=3))
def test_whatever_is_written_it_is_made_or_refused_with_places(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    """Nothing that a file can say ends in any other way: the platform takes declarations from requests."""
    content = copy.deepcopy(BANK)
    for path, junk in changes:
        place: Any = content
        try:
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue
    try:
        made = declared_rows(parse(content, "bank"), 0)
    except InvalidInputError as error:
        assert all(problem.field.startswith("bank") and problem.fix for problem in error.problems)
        return
    if sum(made.plan.expected_rows(name) for name in made.plan.tables) < 20_000:
        found = check_tables(made.plan, tables_of(made))
        assert [check for check in found if not check.passed and check.about is not About.PARAMETERS] == []

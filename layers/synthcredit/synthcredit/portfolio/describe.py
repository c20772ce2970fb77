"""The tables described for people and programs: a data dictionary, and a JSON schema a table."""

from __future__ import annotations

from typing import Any

from synthcredit.datasets.schema import Dtype
from synthcredit.portfolio.spec import Field, Table
from synthcredit.portfolio.tables import EVERY

_JSON = {
    Dtype.STRING: {"type": "string"},
    Dtype.DOUBLE: {"type": "number"},
    Dtype.INT64: {"type": "integer"},
    Dtype.BOOL: {"type": "boolean"},
    Dtype.DATE: {"type": "string", "format": "date"},
    Dtype.TIMESTAMP: {"type": "string", "format": "date-time"},
}


def dictionary() -> str:
    """Return the data dictionary as Markdown."""
    parts = [
        "# Data dictionary of the portfolio\n\nWritten by `docs/portfolio/make.py`; change the code, not this file.\n"
    ]
    return "\n".join(parts + [_section(table) for table in EVERY])


def _section(table: Table) -> str:
    lines = [f"## {table.name}\n", f"{table.about}\n", "| column | SQL type | meaning |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.sql} | {_meaning(table, one)} |" for one in table.fields]
    return "\n".join(lines) + "\n"


def _meaning(table: Table, one: Field) -> str:
    told = [one.about]
    if one.name == table.key:
        told.append("Primary key.")
    if one.name in table.parents:
        told.append(f"Foreign key to {table.parents[one.name]}.")
    if one.categories and len(one.categories) <= 12:
        told.append(f"One of: {', '.join(one.categories)}.")
    if one.nullable:
        told.append("May be missing.")
    return " ".join(told)


def json_schema(table: Table) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of one row of a table."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": table.name,
        "description": table.about,
        "type": "object",
        "additionalProperties": False,
        "required": [one.name for one in table.fields],
        "properties": {one.name: _property(one) for one in table.fields},
    }


def _property(one: Field) -> dict[str, Any]:
    found: dict[str, Any] = {**_JSON[one.dtype], "description": one.about}
    bounds = {"minimum": one.low, "maximum": one.high, "maxLength": one.length}
    found |= {name: value for name, value in bounds.items() if value is not None}
    if one.categories:
        found["enum"] = [*one.categories, None] if one.nullable else list(one.categories)
    if one.nullable:
        found["type"] = [found["type"], "null"]
    return found

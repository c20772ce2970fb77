"""A declaration to begin with, from a schema that was detected in real data: a stand-in for a set that is not shared.

Nothing of real rows is in it but what was confirmed. A detected schema has extremes, categories and patterns of
identifiers, which real people may be known by; names of columns, types, decimals and roles say nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import yaml

from synthcredit.datasets.constraints import FormulaConstraint, NullsConstraint, OrderConstraint, UniqueConstraint
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.errors import Problem, raise_all

_HEAD = """\
# A declaration to begin with. Of the real rows it has the columns' names, types and decimals, and which have
# gaps{confirmed}.
# Where it says null, say what the rows that are to be made shall be like; `synthcredit declared FILE --check` names
# what is still to be said. Shares, distributions and shares of gaps are yours to declare: none is taken from data.
"""
_Known = dict[str, Any]


def draft(schema: TableSchema, confirmed: Collection[str] = ()) -> str:
    """Return a declaration as YAML, which is to be completed.

    Parameters
    ----------
    schema
        Of the real table.
    confirmed
        Columns of which the range, the categories or the pattern may be carried over. Of the others no value is in it.

    Raises
    ------
    InvalidInputError
        A confirmed column is not there.
    """
    raise_all(
        Problem(f"--confirm {name}", "it is not a column", f"Choose: {', '.join(schema.names)}.")
        for name in confirmed
        if name not in schema.names
    )
    columns = {column.name: _column(column, schema, known=column.name in confirmed) for column in schema.columns}
    rules = [one.model_dump(mode="json") for one in schema.constraints if _carried(one, confirmed)]
    table: _Known = {"rows": 1000, "columns": columns} | ({"rules": rules} if rules else {})
    told = f", and what was confirmed of {', '.join(sorted(confirmed))}" if confirmed else ""
    content = {"name": schema.name[:40].rstrip("_"), "tables": {schema.name: table}}
    written: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return _HEAD.format(confirmed=told) + written


def _carried(constraint: object, confirmed: Collection[str]) -> bool:
    """Tell whether a constraint is a rule of declarations too, and has no value of a column that was not confirmed."""
    if isinstance(constraint, NullsConstraint):
        return all(name in confirmed for name in constraint.when)
    return isinstance(constraint, OrderConstraint | FormulaConstraint | UniqueConstraint)


def _column(column: Column, schema: TableSchema, *, known: bool) -> _Known:
    if column.name == schema.primary_key or (column.kind is Kind.IDENTIFIER and column.pii is None):
        return _identifier(column, schema, known=known)
    found = _content(column, known=known)
    # How often is yours to say: null is refused until it is.
    return found | ({"missing": None} if column.nullable else {})


def _identifier(column: Column, schema: TableSchema, *, known: bool) -> _Known:
    pattern = column.format if known and column.format else "{:08d}"
    if column.name == schema.primary_key:
        return {"type": "key"} if column.dtype is Dtype.INT64 else {"type": "key", "format": pattern}
    return {"type": "text", "format": pattern}


def _content(column: Column, *, known: bool) -> _Known:
    if column.pii is not None:
        return {"type": "text", "fake": column.pii.value}
    if column.kind is Kind.TEXT:
        return {"type": "text", "fake": "sentence"}
    if column.discrete:
        return _listed(column, known=known)
    if column.kind is Kind.DATETIME:
        return _moments(column, known=known)
    ends = {"minimum": column.minimum, "maximum": column.maximum} if known else {"minimum": None, "maximum": None}
    if column.kind is Kind.CONTINUOUS:
        return {"type": "number", "decimals": min(column.decimals if column.decimals is not None else 2, 6), **ends}
    return {"type": "integer", **{name: None if end is None else int(end) for name, end in ends.items()}}


def _listed(column: Column, *, known: bool) -> _Known:
    if column.dtype is Dtype.BOOL:
        return {"type": "boolean", "share": None}
    whole = column.dtype is Dtype.INT64
    listed = list(column.categories or ()) if known else None
    if listed is not None and not whole:
        listed = [str(one) for one in listed]
    return {"type": "integer" if whole else "text", "categories": listed}


def _moments(column: Column, *, known: bool) -> _Known:
    kind = "date" if column.dtype is Dtype.DATE else "timestamp"
    ends = (column.minimum, column.maximum) if known else (None, None)
    low, high = (None if end is None else datetime.fromtimestamp(end, UTC).replace(tzinfo=None) for end in ends)
    if kind == "date":
        low, high = (None if end is None else end.date() for end in (low, high))  # type: ignore[assignment]
    return {"type": kind, "minimum": low, "maximum": high}

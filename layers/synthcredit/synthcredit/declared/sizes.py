"""How many rows the tables of a declaration are to have."""

from __future__ import annotations

from collections.abc import Mapping

from synthcredit.declared.consistency import too_many
from synthcredit.declared.model import MAX_ROWS, Declaration
from synthcredit.declared.plan import Plan
from synthcredit.errors import Problem, raise_all


def sized(
    declaration: Declaration,
    rows: Mapping[str, int] | None = None,
    *,
    counted: str = "rows of '{}'",
    place: str = "",
) -> Plan:
    """Return how the tables of a declaration hang together, with their numbers of rows.

    Parameters
    ----------
    rows
        Rows of uppermost tables, where they are not as many as the declaration says.
    counted, place
        What the rows of a table, and the declaration, are called where they were given.

    Raises
    ------
    InvalidInputError
        There is no such uppermost table, or it cannot have so many rows: all of it at once.
    """
    wanted = dict(rows or {})
    own = {name: table.rows for name, table in declaration.tables.items() if table.rows is not None}
    raise_all(
        Problem(counted.format(name), "it is no table that belongs to none", f"Choose: {', '.join(own)}.")
        for name in wanted
        if name not in own
    )
    raise_all(
        Problem(counted.format(name), f"it is not between 1 and {MAX_ROWS:,}", "Correct the number.")
        for name, count in wanted.items()
        if not 1 <= count <= MAX_ROWS
    )
    plan = Plan(declaration, {**own, **wanted})
    prefix = (place,) if place else ()
    raise_all(Problem(".".join(map(str, (*prefix, *one.path))), one.problem, one.fix) for one in too_many(plan))
    return plan

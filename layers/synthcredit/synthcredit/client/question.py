"""A question that an analyst asks of published rows, in SQL that Athena (Trino) and DuckDB both understand."""

from __future__ import annotations

from synthcredit.client.answers import LakeTable
from synthcredit.datasets.schema import Column, Dtype, TableSchema

_LINES = 5
"""Lines of the answer: enough to see, few enough to read."""


def question(schema: TableSchema, table: LakeTable) -> str:
    """Return one SQL line about a job's rows.

    The rate of each outcome where the target is a category; the mean of the target in the largest groups of the first
    categorical column where it is a number; the size of those groups where there is no target.

    Parameters
    ----------
    schema
        What the rows consist of.
    table
        Where they are published.
    """
    target = schema[schema.target] if schema.target else None
    groups = next((column for column in schema.learned if column.discrete and column != target), None)
    counts = 'count(*) AS "rows"'
    # 1e2 is a double in both dialects; 100.0 is a decimal in Trino, and the result would be cut to one digit.
    share = 'round(1e2 * count(*) / sum(count(*)) OVER (), 1) AS "percent"'
    if target is not None and target.discrete:
        return _select([_quoted(target), counts, share], table, grouped=True)
    if target is not None and target.dtype in (Dtype.INT64, Dtype.DOUBLE):
        mean = f"round(avg(CAST({_quoted(target)} AS double)), 3) AS {_quote('mean ' + target.storage_name)}"
        by = [] if groups is None else [_quoted(groups)]
        return _select([*by, counts, mean], table, grouped=bool(by))
    by, shares = ([], []) if groups is None else ([_quoted(groups)], [share])
    return _select([*by, counts, *shares], table, grouped=bool(by))


def _select(what: list[str], table: LakeTable, *, grouped: bool) -> str:
    column, _, job = table.partition.partition("=")
    literal = job.replace("'", "''")
    place = f"{_quote(table.database)}.{_quote(table.name)}"
    sql = f"SELECT {', '.join(what)} FROM {place} WHERE {_quote(column)} = '{literal}'"  # noqa: S608 - quoted above
    return f"{sql} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_LINES}" if grouped else sql


def _quoted(column: Column) -> str:
    return _quote(column.storage_name)


def _quote(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'

"""The tables of a dataset as SQL has them: names, types, keys, indexes; and whether a table that stands is alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from synthcredit.datasets.schema import Column, Dtype, Relation
from synthcredit.datasets.schema import Kind as ColumnKind
from synthcredit.errors import Problem, raise_all
from synthcredit.stores.address import Kind
from synthcredit.stores.dataset import SqlType, StoredDataset, StoredTable

Type = sa.types.TypeEngine[Any]

WORDS_LENGTH = 255
"""Characters of a varchar, where no exact type was declared and no category is longer."""
_NAME_LENGTH = 63
"""PostgreSQL cuts longer names off, MySQL allows 64."""
_BOOKS = "synthcredit_loads"


_EXACT: dict[str, tuple[Callable[..., Type], int]] = {
    "varchar": (sa.VARCHAR, 1),
    "char": (sa.CHAR, 1),
    "decimal": (sa.NUMERIC, 2),
    "numeric": (sa.NUMERIC, 2),
    "text": (sa.TEXT, 0),
    "smallint": (sa.SMALLINT, 0),
    "int": (sa.INTEGER, 0),
    "integer": (sa.INTEGER, 0),
    "bigint": (sa.BIGINT, 0),
    "double": (sa.Double, 0),
    "boolean": (sa.BOOLEAN, 0),
    "date": (sa.DATE, 0),
    "timestamp": (sa.TIMESTAMP, 0),
    "datetime": (sa.DateTime, 0),
    "time": (sa.Time, 0),
}
"""SQL's word for a type: what SQLAlchemy has for it, and how many numbers it takes in brackets."""
_WRITTEN = re.compile(r"([a-z]+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", re.IGNORECASE)

_FAMILIES: tuple[tuple[type[Type], str], ...] = (
    (sa.Boolean, "whole number"),
    (sa.Integer, "whole number"),
    (sa.Float, "number"),
    (sa.Numeric, "number"),
    (sa.Date, "date"),
    (sa.DateTime, "timestamp"),
    (sa.Time, "time"),
    (sa.String, "text"),
)
"""MySQL has no booleans of its own: they come back as whole numbers."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A dataset's tables as a store shall have them, and the table that keeps the books of the loads."""

    tables: Mapping[str, sa.Table]
    """By the name of the dataset's table; parents first."""
    books: sa.Table


def declare(dataset: StoredDataset, kind: Kind) -> Declared:
    """Declare the tables of a dataset for one kind of store.

    Columns have their storage names, tables their own, each cut to what every engine allows; text is compared byte by
    byte, so that two keys are the same only if they are written the same.

    Raises
    ------
    InvalidInputError
        A declared SQL type cannot be read, or names no column; says all of them.
    """
    raise_all(problem for table in dataset.tables for problem in _type_problems(table))
    metadata = sa.MetaData()
    tables = {}
    for table in dataset.in_order():
        parents = [one for one in dataset.relations if one.child == table.schema.name]
        tables[table.schema.name] = _table(table, parents, dataset, kind, metadata)
    return Declared(tables, _books(metadata))


def short_name(name: str) -> str:
    """Return a name that every engine takes: a long one is cut, with a hash that keeps it apart from its likes."""
    if len(name) <= _NAME_LENGTH:
        return name
    return f"{name[: _NAME_LENGTH - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def column_type(column: Column, exact: SqlType | None, kind: Kind) -> Type:
    """Return the type of a column in a kind of store."""
    if exact is not None:
        return _exact_type(exact.type)
    if column.dtype is Dtype.STRING:
        return _text_type(column, kind)
    precise: dict[Dtype, Type] = (
        {Dtype.TIMESTAMP: mysql.DATETIME(fsp=6), Dtype.TIME: mysql.TIME(fsp=6)} if kind is Kind.MYSQL else {}
    )
    plain: dict[Dtype, Type] = {
        Dtype.INT64: sa.BIGINT(),
        Dtype.DOUBLE: sa.Double(),
        Dtype.BOOL: sa.Boolean(create_constraint=False),
        Dtype.DATE: sa.Date(),
        Dtype.TIMESTAMP: sa.DateTime(),
        Dtype.TIME: sa.Time(),
    }
    return precise.get(column.dtype) or plain[column.dtype]


def _text_type(column: Column, kind: Kind) -> Type:
    longest = max((len(str(value)) for value in column.categories or ()), default=0)
    free = column.kind is ColumnKind.TEXT and column.pii is None
    # Only MySQL needs lengths, for keys; elsewhere text of any length is as good.
    if kind is not Kind.MYSQL or free or longest > WORDS_LENGTH:
        return sa.Text()
    return sa.VARCHAR(WORDS_LENGTH)


def family(sql_type: Type) -> str:
    """Return what a type holds, so that a table that stands is told from one that cannot take the rows."""
    return next((name for known, name in _FAMILIES if isinstance(sql_type, known)), "something else")


def _exact_type(written: str) -> Type:
    found = _WRITTEN.fullmatch(written.strip())
    if found is None or found[1].lower() not in _EXACT:
        raise ValueError
    make, wanted = _EXACT[found[1].lower()]
    numbers = [int(number) for number in found.groups()[1:] if number is not None]
    if len(numbers) != wanted:
        raise ValueError
    return make(*numbers)


def _type_problems(table: StoredTable) -> list[Problem]:
    known = {*table.schema.names, *(column.storage_name for column in table.schema.columns)}
    problems = []
    for name, exact in table.types.items():
        field = f"SQL type of {table.schema.name}.{name}"
        if name not in known:
            problems.append(Problem(field, "there is no such column", "Remove it, or correct its name."))
        try:
            _exact_type(exact.type)
        except ValueError:
            problems.append(
                Problem(
                    field,
                    f"'{exact.type}' is no type that every store has",
                    "Write varchar(n), char(n), decimal(n,m), text, integer, bigint, double, boolean, date, time, "
                    "timestamp or datetime.",
                )
            )
        if exact.default not in (None, "current_timestamp"):
            problems.append(Problem(field, "its default is not current_timestamp", "Remove the default."))
    return problems


def _table(
    table: StoredTable, parents: list[Relation], dataset: StoredDataset, kind: Kind, metadata: sa.MetaData
) -> sa.Table:
    schema = table.schema
    columns = [_column(column, table, kind, key=column.name == schema.primary_key) for column in schema.columns]
    keys = [_foreign_key(relation, dataset) for relation in parents]
    # A foreign key is looked up from the parent's side, a customer's column by every question about a customer.
    looked_up = {relation.foreign_key for relation in parents} | ({schema.customer} if schema.customer else set())
    indexes = [
        sa.Index(short_name(f"ix_{schema.name}_{schema[name].storage_name}"), short_name(schema[name].storage_name))
        for name in sorted(looked_up - {schema.primary_key})
        # Snowflake has none.
        if kind is not Kind.SNOWFLAKE
    ]
    options: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
    return sa.Table(short_name(schema.name), metadata, *columns, *keys, *indexes, **options)


def _column(column: Column, table: StoredTable, kind: Kind, *, key: bool) -> sa.Column[Any]:
    exact = table.type_of(column)
    return sa.Column(
        short_name(column.storage_name),
        column_type(column, exact, kind),
        primary_key=key,
        autoincrement=False,
        nullable=not key and column.nullable,
        server_default=sa.func.current_timestamp() if exact is not None and exact.default else None,
    )


def _foreign_key(relation: Relation, dataset: StoredDataset) -> sa.ForeignKeyConstraint:
    parent, child = dataset.schema[relation.parent], dataset.schema[relation.child]
    key = parent[str(parent.primary_key)]
    column = child[relation.foreign_key]
    return sa.ForeignKeyConstraint(
        [short_name(column.storage_name)],
        [f"{short_name(parent.name)}.{short_name(key.storage_name)}"],
        name=short_name(f"fk_{child.name}_{column.storage_name}"),
    )


def _books(metadata: sa.MetaData) -> sa.Table:
    """Return the table that says which parts are in the store; one row a part, put with the part's rows."""
    return sa.Table(
        _BOOKS,
        metadata,
        sa.Column("dataset", sa.VARCHAR(64), primary_key=True),
        sa.Column("table_name", sa.VARCHAR(64), primary_key=True),
        sa.Column("part", sa.VARCHAR(128), primary_key=True),
        sa.Column("content", sa.CHAR(64), nullable=False),
        sa.Column("row_count", sa.BIGINT, nullable=False),
        sa.Column("loaded_at", sa.DateTime, nullable=False, server_default=sa.func.current_timestamp()),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )

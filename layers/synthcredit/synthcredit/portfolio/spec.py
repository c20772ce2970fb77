"""What a table of the portfolio is: columns with SQL types and meanings, keys, and how a block of it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, TableSchema

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

_DTYPES = {
    "varchar": Dtype.STRING,
    "text": Dtype.STRING,
    "decimal": Dtype.DOUBLE,
    "double": Dtype.DOUBLE,
    "integer": Dtype.INT64,
    "date": Dtype.DATE,
    "timestamp": Dtype.TIMESTAMP,
    "boolean": Dtype.BOOL,
}
_KINDS = {
    Dtype.STRING: Kind.TEXT,
    Dtype.DOUBLE: Kind.CONTINUOUS,
    Dtype.INT64: Kind.INTEGER,
    Dtype.DATE: Kind.DATETIME,
    Dtype.TIMESTAMP: Kind.DATETIME,
    Dtype.BOOL: Kind.BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    Parameters
    ----------
    sql
        The type in a database: varchar(n), text, decimal(n,m), double, integer, date, timestamp or boolean.
    about
        What it means, its unit included.
    categories
        Allowed values of text; empty where the scenario names them, None where text is free.
    low, high
        Bounds of numbers that hold whatever the scenario.
    """

    name: str
    sql: str
    about: str
    nullable: bool = False
    categories: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None
    pii: Pii | None = None
    key: bool = False

    @property
    def dtype(self) -> Dtype:
        """The Arrow type: amounts are doubles that print as their decimals."""
        return _DTYPES[self.sql.partition("(")[0]]

    @property
    def decimals(self) -> int | None:
        """Decimal places of a decimal."""
        return int(self.sql.rstrip(")").split(",")[1]) if self.sql.startswith("decimal") else None

    @property
    def length(self) -> int | None:
        """Most characters of a varchar."""
        return int(self.sql.rstrip(")").split("(")[1]) if self.sql.startswith("varchar") else None

    def column(self) -> Column:
        """Return the column as schemas have it."""
        kind = Kind.IDENTIFIER if self.key else Kind.CATEGORICAL if self.categories else _KINDS[self.dtype]
        return Column(
            name=self.name,
            storage_name=self.name,
            kind=kind,
            dtype=self.dtype,
            nullable=self.nullable,
            categories=(False, True) if kind is Kind.BOOLEAN else self.categories or None,
            minimum=self.low,
            maximum=self.high,
            decimals=self.decimals,
            pii=self.pii,
        )


def text_key(name: str, about: str, *, nullable: bool = False) -> Field:
    """Return a column that holds a key of this table or of another."""
    return Field(name, "varchar(50)", about, key=True, nullable=nullable)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the portfolio.

    Parameters
    ----------
    key
        The primary key.
    make
        Returns the columns for a block of customers, in the order of ``fields``: Arrow arrays, text plain or as a
        dictionary.
    parents
        Foreign keys: the column, and the table whose key it holds.
    once
        Whether the table belongs to the whole book; its rows come with block 0.
    """

    name: str
    about: str
    key: str
    fields: tuple[Field, ...]
    make: Callable[[Block], list[pa.Array]]
    parents: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    once: bool = False

    @property
    def schema(self) -> TableSchema:
        """The table as the rest of synthcredit knows it."""
        return _schema(self)

    @property
    def arrow(self) -> pa.Schema:
        """Columns and types, text plain."""
        return arrow_schema(self.schema)

    @property
    def coded(self) -> tuple[str, ...]:
        """Columns that are made as codes and a dictionary: keys of parents, and text of some categories."""
        return tuple(
            one.name
            for one in self.fields
            if one.name != self.key and one.dtype is Dtype.STRING and (one.key or one.categories is not None)
        )

    @property
    def made(self) -> pa.Schema:
        """Columns and types as they are made: text of some categories as a dictionary."""
        codes = pa.dictionary(pa.int32(), pa.string())
        return pa.schema([pa.field(f.name, codes if f.name in self.coded else f.type) for f in self.arrow])

    def rows(self, block: Block) -> pa.RecordBatch:
        """Return the rows of a block."""
        return pa.RecordBatch.from_arrays(self.make(block), schema=self.made)

    def __hash__(self) -> int:
        return hash(self.name)


@cache
def _schema(table: Table) -> TableSchema:
    customer = (
        "customer_id" if "customer_id" in [one.name for one in table.fields] and table.key != "customer_id" else None
    )
    return TableSchema(
        name=table.name,
        columns=tuple(one.column() for one in table.fields),
        primary_key=table.key,
        customer=customer,
    )

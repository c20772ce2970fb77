"""What a table consists of: columns with kinds, domains and roles. Can be printed, edited and passed back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synthcredit.datasets.constraints import Constraint
from synthcredit.datasets.constraints import Value as Value


class Kind(StrEnum):
    """How a column is understood."""

    CONTINUOUS = "continuous"
    """Amounts and measures with decimals."""
    INTEGER = "integer"
    """Whole numbers: counts, codes with an order, amounts without cents."""
    CATEGORICAL = "categorical"
    """One of a list of categories."""
    BOOLEAN = "boolean"
    """One of two values that mean yes and no; the values themselves are kept in ``categories``."""
    DATETIME = "datetime"
    """A date, a time of day, or both; ``dtype`` tells which."""
    IDENTIFIER = "identifier"
    """Different in (nearly) every row and without meaning; made new, never learned."""
    TEXT = "text"
    """Free text; replaced, never learned."""


class Pii(StrEnum):
    """Personal data that is replaced by realistic fakes and never learned."""

    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    FULL_NAME = "full_name"
    EMAIL = "email"
    PHONE = "phone"
    ADDRESS = "address"
    NATIONAL_ID = "national_id"
    IBAN = "iban"
    CARD_NUMBER = "card_number"


class Dtype(StrEnum):
    """The Arrow type that a column is stored in."""

    INT64 = "int64"
    DOUBLE = "double"
    STRING = "string"
    BOOL = "bool"
    DATE = "date32"
    TIMESTAMP = "timestamp[us]"
    TIME = "time64[us]"


_NUMBERS = (Dtype.INT64, Dtype.DOUBLE)
_CODES = (Dtype.STRING, Dtype.INT64, Dtype.DOUBLE, Dtype.BOOL)
_DTYPES: dict[Kind, tuple[Dtype, ...]] = {
    Kind.CONTINUOUS: _NUMBERS,
    Kind.INTEGER: _NUMBERS,
    Kind.CATEGORICAL: _CODES,
    Kind.BOOLEAN: _CODES,
    Kind.DATETIME: (Dtype.DATE, Dtype.TIMESTAMP, Dtype.TIME),
    Kind.IDENTIFIER: (Dtype.STRING, Dtype.INT64),
    Kind.TEXT: (Dtype.STRING,),
}
_STORED: dict[Dtype, tuple[type, ...]] = {
    Dtype.STRING: (str,),
    Dtype.BOOL: (bool,),
    Dtype.INT64: (int,),
    Dtype.DOUBLE: (int, float),
}
"""What categories of each type are; other types have none."""
MAX_FORMAT = 4_096
"""Characters of an identifier, at most: a schema may be hostile, and every row has one."""


class Column(BaseModel):
    """One column of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Annotated[str, Field(min_length=1, description="The name as the data has it.")]
    storage_name: Annotated[str, Field(min_length=1, description="Lower snake case, unique; used by the lake.")]
    kind: Kind
    dtype: Dtype
    nullable: Annotated[bool, Field(description="Whether values may be missing.")] = False
    categories: Annotated[
        tuple[Value, ...] | None,
        Field(description="For categorical and boolean columns: every allowed value, missing excluded."),
    ] = None
    minimum: Annotated[
        float | None,
        Field(description="Smallest allowed number. For dates: seconds since 1970-01-01; times: since midnight."),
    ] = None
    maximum: Annotated[float | None, Field(description="Largest allowed number, as for minimum.")] = None
    decimals: Annotated[int | None, Field(ge=0, le=15, description="Decimal places of a continuous column.")] = None
    special_values: Annotated[
        tuple[float, ...],
        Field(description="Special codes and mass points: single numbers that carry a meaning or a pile of rows."),
    ] = ()
    format: Annotated[
        str | None,
        Field(
            description=(
                "How text files write it: strptime format of a date; of a number, where not plain, one of 1234.56 "
                "(with currency or percent sign), 1,234.56, 1234,56, 1.234,56, 1 234,56, 1'234.56; of an identifier "
                "its pattern, e.g. 'CUST-{:06d}'."
            )
        ),
    ] = None
    rows_per_value: Annotated[
        float | None,
        Field(ge=1, description="For identifiers that repeat, such as a customer's: rows that share one, on average."),
    ] = None
    pii: Annotated[Pii | None, Field(description="What personal data this is, if any.")] = None

    @property
    def learned(self) -> bool:
        """Whether a model learns this column; the others are made new for every row."""
        return self.pii is None and self.kind not in (Kind.IDENTIFIER, Kind.TEXT)

    @property
    def discrete(self) -> bool:
        """Whether the column takes one of a list of categories."""
        return self.kind in (Kind.CATEGORICAL, Kind.BOOLEAN)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.discrete and self.learned and self.categories is None:
            raise ValueError(f"column '{self.name}' is {self.kind} and needs its categories")
        allowed = _DTYPES[self.kind] if self.pii is None else (Dtype.STRING,)
        if self.dtype not in allowed:
            what = self.kind if self.pii is None else f"personal data ({self.pii})"
            raise ValueError(f"column '{self.name}' is {what}, so its dtype must be {' or '.join(allowed)}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column '{self.name}' has a minimum above its maximum")
        if not all(isinstance(category, _STORED.get(self.dtype, ())) for category in self.categories or ()):
            raise ValueError(f"column '{self.name}' has categories that are not {self.dtype}")
        widths = map(int, re.findall(r"\{:0?(\d{1,9})", self.format or ""))
        if len(self.format or "") > MAX_FORMAT or any(width > MAX_FORMAT for width in widths):
            raise ValueError(f"column '{self.name}' has a format of more than {MAX_FORMAT} characters")
        return self


class TableSchema(BaseModel):
    """One table: its columns, its key, its target, and whom its rows belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Lower snake case.")]
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    primary_key: Annotated[str | None, Field(description="The column that tells rows apart.")] = None
    customer: Annotated[
        str | None,
        Field(description="The column that tells whose row it is, where one customer has several rows."),
    ] = None
    target: Annotated[str | None, Field(description="The outcome that models of the data predict.")] = None
    # Left out where there are none, so that schemas, model ids and signatures from before them stay what they were.
    constraints: Annotated[
        tuple[Constraint, ...],
        Field(max_length=200, exclude_if=lambda value: not value, description="What must hold in every row."),
    ] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [column.name for column in self.columns]
        stored = [column.storage_name for column in self.columns]
        for label, values in (("name", names), ("storage_name", stored)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{label} {', '.join(map(repr, twice))} is used by more than one column")
        for role in ("primary_key", "customer", "target"):
            value = getattr(self, role)
            if value is not None and value not in names:
                raise ValueError(f"{role} '{value}' is not a column")
        return self

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> list[str]:
        """The column names, in order."""
        return [column.name for column in self.columns]

    @property
    def learned(self) -> tuple[Column, ...]:
        """The columns that a model learns, in order."""
        return tuple(column for column in self.columns if column.learned)

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of what makes two tables alike: names, kinds, types, roles. Not of the values seen."""
        alike = [
            [self.name, self.primary_key, self.customer, self.target],
            [[c.name, c.storage_name, c.kind, c.dtype, c.pii] for c in self.columns],
        ]
        return hashlib.sha256(json.dumps(alike).encode()).hexdigest()

    def with_target(self, target: str | None) -> TableSchema:
        """Return this schema with another target."""
        return self.model_validate({**self.model_dump(), "target": target})


class Relation(BaseModel):
    """Which rows of one table belong to which row of another."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    parent: Annotated[str, Field(description="The table that has the key, by name; it needs a primary_key.")]
    child: Annotated[str, Field(description="The table whose rows point at the parent's.")]
    foreign_key: Annotated[str, Field(description="The child's column that holds the parent's key.")]

    @property
    def name(self) -> str:
        """How people are told of it: ``payments.loan_id of loans``."""
        return f"{self.child}.{self.foreign_key} of {self.parent}"


class DatasetSchema(BaseModel):
    """Several tables and how they hang together."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    tables: Annotated[tuple[TableSchema, ...], Field(min_length=1)]
    relations: tuple[Relation, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [table.name for table in self.tables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"name {', '.join(map(repr, twice))} is used by more than one table")
        wrong = [text for relation in self.relations for text in self._wrong(relation, names)]
        if wrong:
            raise ValueError("; ".join(wrong))
        self.in_order()
        return self

    def _wrong(self, relation: Relation, names: list[str]) -> Iterator[str]:
        unknown = [table for table in (relation.parent, relation.child) if table not in names]
        yield from (f"relation {relation.name}: there is no table '{table}'" for table in unknown)
        if unknown:
            return
        parent, child = self[relation.parent], self[relation.child]
        if relation.foreign_key not in child.names:
            yield f"relation {relation.name}: table '{child.name}' has no column '{relation.foreign_key}'"
        if parent.primary_key is None:
            yield f"relation {relation.name}: table '{parent.name}' has no primary_key"
        elif relation.foreign_key in child.names:
            types = parent[parent.primary_key].dtype, child[relation.foreign_key].dtype
            if types[0] is not types[1]:
                yield f"relation {relation.name}: its columns are of different dtypes, {types[0]} and {types[1]}"

    def __getitem__(self, name: str) -> TableSchema:
        return next(table for table in self.tables if table.name == name)

    def parents(self, table: str) -> tuple[Relation, ...]:
        """Return the relations in which a table is the child, in order."""
        return tuple(relation for relation in self.relations if relation.child == table)

    def in_order(self) -> tuple[TableSchema, ...]:
        """Return the tables, each after all of its parents.

        Raises
        ------
        ValueError
            Relations run in a circle.
        """
        placed: list[TableSchema] = []
        waiting = list(self.tables)
        while waiting:
            known = {table.name for table in placed}
            ready = [table for table in waiting if {one.parent for one in self.parents(table.name)} <= known]
            if not ready:
                raise ValueError(f"relations run in a circle: {', '.join(table.name for table in waiting)}")
            placed += ready
            waiting = [table for table in waiting if table not in ready]
        return tuple(placed)


def as_number(value: Value, column: Column) -> float:
    """Return a value of a numeric or datetime column as models have it: dates and times are seconds.

    Raises
    ------
    ValueError, TypeError, OverflowError
        It is none.
    """
    if isinstance(value, bool):
        raise TypeError("a truth value is no number")
    if column.kind is not Kind.DATETIME or isinstance(value, int | float):
        return float(value)
    if column.dtype is Dtype.TIME:
        parsed = time.fromisoformat(value)
        return parsed.hour * 3600.0 + parsed.minute * 60.0 + parsed.second + parsed.microsecond / 1e6
    if column.dtype is Dtype.DATE:
        return datetime.combine(date.fromisoformat(value), time(), UTC).timestamp()
    moment = datetime.fromisoformat(value)
    # Stored times have no zone: they are taken for UTC, and what says its zone is brought there.
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()


def storage_name(name: str) -> str:
    """Turn any column name into lower snake case, as Glue, Athena and SQL want it.

    ``default.payment.next.month`` becomes ``default_payment_next_month``, ``Größe (cm)`` becomes ``gr_e_cm``.
    """
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    snake = re.sub(r"[^0-9a-zA-Z]+", "_", snake).strip("_").lower()
    return f"c_{snake}" if not snake or snake[0].isdigit() else snake

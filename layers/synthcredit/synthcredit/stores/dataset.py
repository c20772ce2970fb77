"""What is delivered to a store: tables as Parquet parts, with keys, relations and the types that SQL shall have."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from synthcredit.datasets.folder import SCHEMA_FILE as SCHEMA_FILE
from synthcredit.datasets.folder import TYPES_FILE as TYPES_FILE
from synthcredit.datasets.schema import Column, DatasetSchema, Dtype, Kind, Relation, TableSchema, storage_name
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, from_validation, raise_all
from synthcredit.hashing import file_hash

MANIFEST_FILE = "manifest.json"


class SqlType(BaseModel):
    """The exact type of one column in SQL, where the one that follows from its dtype is not wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    """As SQL writes it: ``varchar(50)``, ``decimal(12,2)``, ``text``, ``timestamp``, ``integer``."""
    default: str | None = None
    """``current_timestamp``, or nothing."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """One table and the files that hold its rows.

    Parameters
    ----------
    schema
        Its columns and key. In a store it has the storage names.
    parts
        Parquet files, in the order of their rows, with the schema's columns in the schema's order.
    types
        By column name (the data's own or the storage name): exact types of columns.
    """

    schema: TableSchema
    parts: tuple[Path, ...]
    types: Mapping[str, SqlType] = field(default_factory=dict)

    def type_of(self, column: Column) -> SqlType | None:
        """Return the exact type that a column was declared with, if any."""
        return self.types.get(column.name) or self.types.get(column.storage_name)


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """What is delivered together.

    Parameters
    ----------
    dataset_id
        What tells it from others, such as the job's id: a second load of the same dataset goes on where the first
        stopped, and does nothing where that was finished.
    tables
        In any order; parents are loaded first.
    relations
        Which become foreign keys.
    """

    dataset_id: str
    tables: tuple[StoredTable, ...]
    relations: tuple[Relation, ...] = ()

    def __post_init__(self) -> None:
        # Says what is wrong with keys and relations, as every dataset's schema does.
        try:
            self.schema  # noqa: B018
        except ValidationError as error:
            raise from_validation(error, "dataset") from None

    @property
    def schema(self) -> DatasetSchema:
        """The tables' schemas and their relations."""
        return DatasetSchema(tables=tuple(table.schema for table in self.tables), relations=self.relations)

    def in_order(self) -> tuple[StoredTable, ...]:
        """Return the tables, each after all of its parents."""
        by_name = {table.schema.name: table for table in self.tables}
        return tuple(by_name[schema.name] for schema in self.schema.in_order())


def read_folder(folder: Path) -> StoredDataset:
    """Read a finished folder: ``data/<table>/*.parquet``, with ``schema.json`` and ``sql_types.json`` where they are.

    Without ``schema.json`` columns and types are those of the Parquet files, and there are no keys.

    Raises
    ------
    NotFoundError
        There is no such folder, or no Parquet part in it.
    InvalidInputError
        A file in it is not what it should be; says all of it.
    """
    data = folder / "data"
    # Parts of its own: a table is called data.
    if not data.is_dir() or any(data.glob("*.parquet")):
        data = folder
    parts = {table.name: tuple(sorted(table.glob("*.parquet"))) for table in sorted(data.glob("*")) if table.is_dir()}
    parts = {name: paths for name, paths in parts.items() if paths}
    if not parts:
        raise NotFoundError(
            Problem(
                str(folder),
                "there are no Parquet parts in it (data/<table>/*.parquet)",
                "Name a folder of results that was delivered as Parquet.",
            )
        )
    declared, types = _declared(folder), _types(folder)
    if declared is None:
        found = {name: _detected(name, paths[0]) for name, paths in parts.items()}
        types = {name: found.get(name, (None, {}))[1] | types.get(name, {}) for name in {*found, *types}}
        declared = DatasetSchema(tables=tuple(schema for schema, _ in found.values()))
    schema = declared
    names = {table.name for table in schema.tables}
    raise_all(
        [
            *(
                Problem(f"{SCHEMA_FILE}: table '{name}'", "it has no folder of Parquet parts", "Complete the folder.")
                for name in sorted(names - set(parts))
            ),
            *(
                Problem(f"{TYPES_FILE}: table '{name}'", "there is no such table", "Remove it, or correct its name.")
                for name in sorted(set(types) - names)
            ),
        ]
    )
    tables = tuple(StoredTable(table, parts[table.name], types.get(table.name, {})) for table in schema.tables)
    return StoredDataset(_dataset_id(folder, tables), tables, schema.relations)


def _declared(folder: Path) -> DatasetSchema | None:
    path = folder / SCHEMA_FILE
    if not path.exists():
        return None
    try:
        return DatasetSchema.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise from_validation(error, str(path)) from None


def _types(folder: Path) -> dict[str, dict[str, SqlType]]:
    path = folder / TYPES_FILE
    if not path.exists():
        return {}
    try:
        return TypeAdapter(dict[str, dict[str, SqlType]]).validate_json(path.read_bytes())
    except ValidationError as error:
        raise from_validation(error, str(path)) from None


class _JobOf(BaseModel):
    job_id: str


def _dataset_id(folder: Path, tables: tuple[StoredTable, ...]) -> str:
    """Return the job's id or, where no manifest names one, a hash of the data."""
    try:
        return _JobOf.model_validate_json((folder / MANIFEST_FILE).read_bytes()).job_id
    except (OSError, ValidationError):
        content = [[table.schema.name, *map(file_hash, table.parts)] for table in tables]
        return hashlib.sha256(repr(content).encode()).hexdigest()[:24]


def _detected(name: str, part: Path) -> tuple[TableSchema, dict[str, SqlType]]:
    """Return the schema that a Parquet file has by itself, and exact types for its decimals."""
    columns, exact = [], {}
    for column in parquet_schema(part):
        kind, dtype = _dtype(column.type, f"{part.name}: column '{column.name}'")
        categories = (False, True) if kind is Kind.BOOLEAN else None
        stored = storage_name(column.name)
        columns.append(
            Column(name=column.name, storage_name=stored, kind=kind, dtype=dtype, nullable=True, categories=categories)
        )
        if pa.types.is_decimal(column.type):
            exact[column.name] = SqlType(type=f"decimal({column.type.precision},{column.type.scale})")
    try:
        return TableSchema(name=name, columns=tuple(columns)), exact
    except ValidationError as error:
        raise from_validation(error, str(part)) from None


def parquet_schema(part: Path) -> pa.Schema:
    """Return the Arrow schema of a Parquet file, or say that it is none."""
    try:
        return pq.read_schema(part)
    except pa.ArrowInvalid:
        raise InvalidInputError(Problem(str(part), "it is no whole Parquet file", "Make it again.")) from None


def _dtype(arrow: pa.DataType, field: str) -> tuple[Kind, Dtype]:
    tests = pa.types
    for test, kind, dtype in (
        (tests.is_boolean, Kind.BOOLEAN, Dtype.BOOL),
        (tests.is_integer, Kind.INTEGER, Dtype.INT64),
        (tests.is_floating, Kind.CONTINUOUS, Dtype.DOUBLE),
        (tests.is_decimal, Kind.CONTINUOUS, Dtype.DOUBLE),
        (tests.is_date, Kind.DATETIME, Dtype.DATE),
        (tests.is_timestamp, Kind.DATETIME, Dtype.TIMESTAMP),
        (tests.is_time, Kind.DATETIME, Dtype.TIME),
        (tests.is_string, Kind.TEXT, Dtype.STRING),
        (tests.is_large_string, Kind.TEXT, Dtype.STRING),
    ):
        if test(arrow):
            return kind, dtype
    raise InvalidInputError(Problem(field, f"its type {arrow} has no place in a table", "Cast it to a plain type."))

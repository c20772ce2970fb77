"""A small linked dataset with all that makes databases trip: for the tests of the stores."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthcredit.datasets import write
from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import Column, Dtype, Kind, Relation, TableSchema, storage_name
from synthcredit.stores import SqlType, StoredDataset, StoredTable

LONG = "a_name_that_is_longer_than_any_engine_takes_" + "x" * 40
WORDS = (
    "Zoë",
    "陳大文",
    "O'Neil",
    'quote "',
    "tab\there",
    "line\nbreak",
    "back\\slash",
    "\\N",
    "",
    "NULL",
    "😀",
    "a,b;c",
)


def column(name: str, kind: Kind, dtype: Dtype, **more: Any) -> Column:
    return Column(name=name, storage_name=storage_name(name), kind=kind, dtype=dtype, **more)


CUSTOMERS = TableSchema(
    name="customers",
    primary_key="customer id",
    columns=(
        column("customer id", Kind.IDENTIFIER, Dtype.INT64),
        column("name", Kind.TEXT, Dtype.STRING, nullable=True),
        column("select", Kind.CATEGORICAL, Dtype.STRING, categories=("yes", "no"), nullable=True),
        column("income", Kind.CONTINUOUS, Dtype.DOUBLE, nullable=True),
        column("ratio", Kind.CONTINUOUS, Dtype.DOUBLE, nullable=True),
        column("active", Kind.BOOLEAN, Dtype.BOOL, categories=(True, False), nullable=True),
        column("born", Kind.DATETIME, Dtype.DATE, nullable=True),
        column("created at", Kind.DATETIME, Dtype.TIMESTAMP, nullable=True),
        column("calls_at", Kind.DATETIME, Dtype.TIME, nullable=True),
        column(LONG, Kind.INTEGER, Dtype.INT64, nullable=True),
    ),
)
ORDERS = TableSchema(
    name="order",
    primary_key="group",
    columns=(
        column("group", Kind.IDENTIFIER, Dtype.STRING),
        column("customer", Kind.IDENTIFIER, Dtype.INT64),
        column("amount", Kind.CONTINUOUS, Dtype.DOUBLE),
    ),
)
NOTES = TableSchema(name="notes", columns=(column("text", Kind.TEXT, Dtype.STRING, nullable=True),))
RELATIONS = (Relation(parent="customers", child="order", foreign_key="customer"),)
TYPES = {
    "customers": {
        "name": SqlType(type="varchar(50)"),
        "income": SqlType(type="decimal(12,2)"),
        "created at": SqlType(type="timestamp", default="current_timestamp"),
    }
}


def customers(first: int, rows: int) -> dict[str, list[Any]]:
    """Return customers by number; every seventh lacks all that may lack."""
    numbers = range(first, first + rows)
    made: dict[str, list[Any]] = {
        "customer id": list(numbers),
        "name": [WORDS[i % len(WORDS)] for i in numbers],
        "select": ["yes" if i % 2 else "no" for i in numbers],
        "income": [round(1000.01 * i % 1e9, 2) for i in numbers],
        "ratio": [i / 7 - 3 for i in numbers],
        "active": [i % 3 == 0 for i in numbers],
        "born": [dt.date(1950, 1, 1) + dt.timedelta(days=i % 20000) for i in numbers],
        # 2024-03-31 02:30 is skipped by summer time in half of Europe.
        "created at": [dt.datetime(2024, 3, 31, 2, 30) + dt.timedelta(seconds=i) for i in numbers],  # noqa: DTZ001
        "calls_at": [dt.time(i % 24, i % 60, 1, 500_000) for i in numbers],
        LONG: [-i for i in numbers],
    }
    return {
        name: [
            None if name != "customer id" and i % 7 == 3 else value for i, value in zip(numbers, values, strict=True)
        ]
        for name, values in made.items()
    }


def orders(first: int, rows: int, customers_: int) -> dict[str, list[Any]]:
    numbers = range(first, first + rows)
    return {
        "group": [f"o{i:08d}" for i in numbers],
        "customer": [i % customers_ for i in numbers],
        "amount": [float(value) for value in np.random.default_rng(first).normal(0, 1e5, rows).round(2)],
    }


def part(folder: Path, schema: TableSchema, number: int, rows: dict[str, list[Any]]) -> Path:
    """Write one part as generation does."""
    path = folder / "data" / schema.name / f"part-{number:05d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = pa.RecordBatch.from_pydict(rows, schema=arrow_schema(schema))
    write.write_part([batch], schema, path)
    return path


def bank(folder: Path, *, dataset_id: str = "job-1", rows: int = 60, parts: int = 3, first: int = 0) -> StoredDataset:
    """Make a dataset: customers and their orders in parts, and a table without rows."""
    each = rows // parts
    made = {
        "customers": [
            part(folder, CUSTOMERS, n, customers(first + n * each, each)) for n in range(parts)
        ],
        "order": [
            part(folder, ORDERS, n, orders(2 * (first + n * each), 2 * each, rows) | {
                "customer": [first + i % rows for i in range(2 * each)]
            })
            for n in range(parts)
        ],
        "notes": [part(folder, NOTES, 0, {"text": []})],
    }  # fmt: skip
    # Children first: the order is the loader's to find.
    tables = tuple(
        StoredTable(schema, tuple(made[schema.name]), TYPES.get(schema.name, {}))
        for schema in (ORDERS, CUSTOMERS, NOTES)
    )
    return StoredDataset(dataset_id, tables, RELATIONS)

"""Loading speed: each store's bulk path beside row-wise inserts by the driver's executemany, in the same run.

    python benchmarks/stores.py [--rows 1000000] [--connections 1]

A made book of customers and transactions (a tenth of the rows and the rest, the two linked by a foreign key) is written
as Parquet parts and delivered to SQLite and DuckDB files, and to MariaDB and PostgreSQL servers that are started for
this. Beside it the way that scripts do it: the same tables with the same keys, rows read from the same files and put by
``cursor.executemany("INSERT ...")``, one transaction a part; fewer rows, since it is slow, compared by rows a second.
PyMySQL makes one INSERT of up to a thousand rows from it. Processor time is printed too,
of client and server together: it says more than the clock when the machine is busy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.database_servers import Server, missing  # noqa: E402

from synthcredit import stores  # noqa: E402
from synthcredit.datasets import write  # noqa: E402
from synthcredit.datasets.arrow import arrow_schema  # noqa: E402
from synthcredit.datasets.schema import Column, Dtype, Kind, Relation, TableSchema  # noqa: E402
from synthcredit.stores import connections  # noqa: E402
from synthcredit.stores import rows as parts  # noqa: E402
from synthcredit.stores.address import parse  # noqa: E402
from synthcredit.stores.engines import opened  # noqa: E402
from synthcredit.stores.types import declare  # noqa: E402

GOAL_RATIO = 5
PART_ROWS = 100_000
BESIDE_ROWS = 50_000
TURNS = 3
CHUNK = 1_000
"""Rows of one executemany, as scripts have it."""


def _column(name: str, kind: Kind, dtype: Dtype, **more: object) -> Column:
    return Column.model_validate({"name": name, "storage_name": name, "kind": kind, "dtype": dtype, **more})


KINDS = ("purchase", "payment", "fee", "interest", "refund")
CUSTOMERS = TableSchema(
    name="customers",
    primary_key="customer_id",
    columns=(
        _column("customer_id", Kind.IDENTIFIER, Dtype.INT64),
        _column("email", Kind.IDENTIFIER, Dtype.STRING),
        _column("address", Kind.TEXT, Dtype.STRING),
        _column("date_of_birth", Kind.DATETIME, Dtype.DATE),
        _column("annual_income", Kind.CONTINUOUS, Dtype.DOUBLE),
        _column("created_at", Kind.DATETIME, Dtype.TIMESTAMP),
    ),
)
TRANSACTIONS = TableSchema(
    name="transactions",
    primary_key="transaction_id",
    columns=(
        _column("transaction_id", Kind.IDENTIFIER, Dtype.INT64),
        _column("customer_id", Kind.IDENTIFIER, Dtype.INT64),
        _column("transaction_date", Kind.DATETIME, Dtype.TIMESTAMP),
        _column("transaction_amount", Kind.CONTINUOUS, Dtype.DOUBLE),
        _column("transaction_type", Kind.CATEGORICAL, Dtype.STRING, categories=KINDS),
        _column("account_balance", Kind.CONTINUOUS, Dtype.DOUBLE),
    ),
)
MONEY = stores.SqlType(type="decimal(12,2)")
TYPES = {
    "customers": {"annual_income": MONEY},
    "transactions": {"transaction_amount": MONEY, "account_balance": MONEY},
}


def make(folder: Path, rows: int, name: str) -> stores.StoredDataset:
    """Make the book: a tenth of the rows are customers."""
    rng = np.random.default_rng(1)
    people = rows // 10
    made = {"customers": people, "transactions": rows - people}
    tables = []
    for schema in (CUSTOMERS, TRANSACTIONS):
        files = []
        for first in range(0, made[schema.name], PART_ROWS):
            path = folder / name / schema.name / f"part-{len(files):05d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            numbers = np.arange(first, min(first + PART_ROWS, made[schema.name]))
            batch = pa.RecordBatch.from_pydict(_values(schema, numbers, people, rng), schema=arrow_schema(schema))
            write.write_part([batch], schema, path)
            files.append(path)
        tables.append(stores.StoredTable(schema, tuple(files), TYPES[schema.name]))
    relation = Relation(parent="customers", child="transactions", foreign_key="customer_id")
    return stores.StoredDataset(name, tuple(tables), (relation,))


def _values(schema: TableSchema, numbers: np.ndarray, people: int, rng: np.random.Generator) -> dict[str, object]:
    n = len(numbers)
    seconds = np.datetime64("2020-01-01", "us") + rng.integers(0, 150_000_000, n).astype("timedelta64[s]")
    if schema is CUSTOMERS:
        return {
            "customer_id": numbers,
            "email": [f"customer.{i}@bank.example" for i in numbers],
            "address": [f"{i % 997} Long Meadow Road, Flat {i % 31}" for i in numbers],
            "date_of_birth": seconds.astype("datetime64[D]"),
            "annual_income": rng.lognormal(10.5, 0.5, n).round(2),
            "created_at": seconds,
        }
    return {
        "transaction_id": numbers,
        "customer_id": np.sort(rng.integers(0, people, n)),
        "transaction_date": seconds,
        "transaction_amount": rng.normal(0, 200, n).round(2),
        "transaction_type": np.array(KINDS)[rng.integers(0, len(KINDS), n)],
        "account_balance": rng.normal(3000, 2000, n).round(2),
    }


def bulk(url: str, book: stores.StoredDataset) -> tuple[float, dict[str, float]]:
    """Deliver; return rows a second over all, and by table. Opening, schema and checks count."""
    began = time.perf_counter()
    summary = stores.deliver(url, book, reset=True, confirm=stores.yes)
    seconds = time.perf_counter() - began
    return summary.rows / seconds, {table.name: table.rows / table.seconds for table in summary.tables}


def row_wise(url: str, book: stores.StoredDataset) -> float:
    """Put rows by executemany into the same tables, made anew; return rows a second."""
    address = parse(url)
    with opened(address) as store:
        declared = declare(book, address.kind)
        with store.transaction():
            for table in reversed(declared.tables.values()):
                store.execute(sa.schema.DropTable(table, if_exists=True))
            for table in declared.tables.values():
                store.execute(sa.schema.CreateTable(table))
                for index in table.indexes:
                    store.execute(sa.schema.CreateIndex(index))
        began = time.perf_counter()
        done = 0
        for source in book.in_order():
            goal = declared.tables[source.schema.name]
            names = [column.name for column in goal.columns]
            insert = f"INSERT INTO {goal.name} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"  # noqa: S608
            for part in source.parts:
                with store.transaction():
                    cursor = store.connection.connection.cursor()  # type: ignore[attr-defined]
                    for chunk in _chunks(source, goal, part, names):
                        cursor.executemany(insert, chunk)
                        done += len(chunk)
        return done / (time.perf_counter() - began)


def _chunks(
    source: stores.StoredTable, goal: sa.Table, part: Path, names: list[str]
) -> Iterator[list[tuple[object, ...]]]:
    for batch in parts.batches(part, source, goal, names):
        values = list(zip(*(array.to_pylist() for array in batch.columns), strict=True))
        yield from (values[first : first + CHUNK] for first in range(0, len(values), CHUNK))


def processor_seconds(server: Server) -> float:
    """Return what this process and the server's have used of the processors so far."""
    # A server's process for a connection counts once it has ended and was waited for.
    time.sleep(0.3)
    process = server.process
    assert process is not None  # noqa: S101
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Print rows a second; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, help="to a server at most; default: as usual")
    given = parser.parse_args()
    rows = given.rows
    if given.connections is not None:
        connections.MOST.update(dict.fromkeys(connections.MOST, given.connections))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book, small = make(folder, rows, "book"), make(folder, BESIDE_ROWS, "small")
        size = sum(part.stat().st_size for table in book.tables for part in table.parts)
        print(f"{rows:,} rows, {size / 1e6:.1f} MB of Parquet")
        for kind, url in (("sqlite", f"sqlite:///{folder}/book.db"), ("duckdb", f"duckdb:///{folder}/book.duckdb")):
            _print(kind, *bulk(url, book))
        missed = [kind for kind in ("mysql", "postgresql") if not _server_meets(kind, book, small)]
    return 1 if missed else 0


def _server_meets(kind: str, book: stores.StoredDataset, small: stores.StoredDataset) -> bool:
    why_not = missing(kind)
    if why_not:
        print(f"{kind}: not measured, {why_not}")
        return False
    server = Server(kind)
    server.start()
    try:
        # Taking turns, so that neither profits from a machine that is less busy for a while.
        turns = [_turn(server, book, small) for _ in range(TURNS)]
    finally:
        server.remove()
    beside, beside_work, work = (
        statistics.median([turn[0], turn[3], turn[4]][place] for turn in turns) for place in range(3)
    )
    _, speed, by_table, _, _ = sorted(turns, key=lambda turn: turn[1])[TURNS // 2]
    _print(kind, speed, by_table)
    print(f"  row-wise executemany: {beside:,.0f} rows/s; bulk is {speed / beside:.1f}x (goal {GOAL_RATIO}x)")
    print(
        f"  processor time a million rows, client and server: bulk {work:.1f} s, row-wise {beside_work:.1f} s, "
        f"{beside_work / work:.1f}x"
    )
    return speed >= GOAL_RATIO * beside


def _turn(
    server: Server, book: stores.StoredDataset, small: stores.StoredDataset
) -> tuple[float, float, dict[str, float], float, float]:
    """Return rows a second row-wise and in bulk, that by table, and processor seconds a million rows of both."""
    at_first = processor_seconds(server)
    beside = row_wise(server.url, small)
    between = processor_seconds(server)
    speed, by_table = bulk(server.url, book)
    at_last = processor_seconds(server)
    put = sum(pq.read_metadata(part).num_rows for table in book.tables for part in table.parts)
    return beside, speed, by_table, (between - at_first) * 1e6 / BESIDE_ROWS, (at_last - between) * 1e6 / put


def _print(kind: str, speed: float, by_table: dict[str, float]) -> None:
    tables = ", ".join(f"{name} {of_table:,.0f}" for name, of_table in by_table.items())
    print(f"{kind}: {speed:,.0f} rows/s ({tables})")


if __name__ == "__main__":
    sys.exit(main())

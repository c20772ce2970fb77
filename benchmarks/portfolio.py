"""Speed and memory of the portfolio, beside a Faker script and beside pyarrow alone.

    python benchmarks/portfolio.py [--customers 200000] [--memory-customers 100000 500000]

Each figure is taken in a fresh process. Rows are counted as written to Parquet. Faker's way is the usual script: one
dictionary a row, five tables, then one Parquet file each. pyarrow alone writes tables that are already in memory, text
as plain strings: once as `pq.write_table` does by default, once with zstd, as the portfolio does, in one process, as is
the portfolio's side of that ratio. Peak memory is summed over the process and its workers. Processor seconds are told
too: they say more than the clock when the machine is busy. Ratios are taken by both.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEED = 7
FAKER_CUSTOMERS = 1_500
BASIC_CUSTOMERS = 500_000
GOAL_ROWS = 1_000_000
GOAL_FAKER = 60
GOAL_PYARROW = 0.4
GOAL_MB = 600
_SAMPLE_SECONDS = 0.02


def whole_book(customers: int, workers: int, folder: Path) -> dict[str, Any]:
    """Write all tables."""
    return _written(customers, workers, folder, basic=False)


def basic_book(customers: int, workers: int, folder: Path) -> dict[str, Any]:
    """Write the five basic tables."""
    return _written(customers, workers, folder, basic=True)


def _written(customers: int, workers: int, folder: Path, *, basic: bool) -> dict[str, Any]:
    from synthcredit.portfolio import scenario, write
    from synthcredit.portfolio.book import Volumes
    from synthcredit.portfolio.tables import BASIC, TABLES, table

    tables = [table(name) for name in BASIC] if basic else TABLES
    start, processor = time.perf_counter(), processor_seconds()
    done = write.write(
        scenario.load("baseline"), Volumes(customers=customers), SEED, folder, workers=workers, tables=tables
    )
    return {
        "rows": sum(done.rows.values()),
        "bytes": done.size,
        "seconds": time.perf_counter() - start,
        "processor": processor_seconds() - processor,
    }


def processor_seconds() -> float:
    """Return what this process and its finished children have used so far."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def each_table(customers: int, _: int, folder: Path) -> dict[str, Any]:
    """Time every table, block by block in one process; what tables share is told apart."""
    from synthcredit.portfolio import scenario, write
    from synthcredit.portfolio.book import Block, Volumes, world_of
    from synthcredit.portfolio.tables import TABLES

    volumes = Volumes(customers=customers)
    world = world_of(scenario.load("baseline"), volumes, SEED)
    Block(world, 0).people  # noqa: B018 - pools of names are made once
    assert len(world.expected.reports)  # noqa: S101 - worked out once
    found: dict[str, dict[str, float]] = {table.name: {"made": 0, "written": 0, "rows": 0} for table in TABLES}
    shared = 0.0
    writers = {table.name: write.writer(table, folder / f"{table.name}.parquet") for table in TABLES}
    for number in range(volumes.blocks):
        start = time.perf_counter()
        block = Block(world, number)
        _ = block.ledger, block.recent, block.loan_key
        shared += time.perf_counter() - start
        for table in TABLES:
            if table.once and number:
                continue
            start = time.perf_counter()
            batch = table.rows(block)
            made = time.perf_counter()
            writers[table.name].write_batch(batch)
            of_table = found[table.name]
            of_table["made"] += made - start
            of_table["written"] += time.perf_counter() - made
            of_table["rows"] += batch.num_rows
    for name, writer in writers.items():
        writer.close()
        found[name]["bytes"] = (folder / f"{name}.parquet").stat().st_size
    return {"tables": found, "shared": shared}


def pyarrow_alone(customers: int, _: int, folder: Path) -> dict[str, Any]:
    """Write tables that are in memory, all and the basic ones; twice: by default, and with our encodings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from synthcredit.portfolio import arrays, scenario
    from synthcredit.portfolio.book import Block, Volumes, world_of
    from synthcredit.portfolio.tables import BASIC, TABLES

    pa.set_cpu_count(1)
    volumes = Volumes(customers=customers)
    world = world_of(scenario.load("baseline"), volumes, SEED)
    blocks = [Block(world, number) for number in range(volumes.blocks)]
    spent = dict.fromkeys(("all", "basic", "all_zstd", "basic_zstd"), 0.0)
    used = dict.fromkeys(spent, 0.0)
    rows = dict.fromkeys(spent, 0)
    for table in TABLES:
        batches = [table.rows(block) for block in (blocks[:1] if table.once else blocks)]
        whole = pa.concat_tables([arrays.plain(batch) for batch in batches])
        for kind, options in (("", {}), ("_zstd", {"compression": "zstd", "compression_level": 1})):
            start, processor = time.perf_counter(), time.process_time()
            pq.write_table(whole, folder / f"{table.name}.parquet", **options)
            seconds, processor = time.perf_counter() - start, time.process_time() - processor
            for group in ("all", "basic") if table.name in BASIC else ("all",):
                spent[group + kind] += seconds
                used[group + kind] += processor
                rows[group + kind] += whole.num_rows
    return {name: {"rows": rows[name], "seconds": spent[name], "processor": used[name]} for name in spent}


def faker_way(customers: int, _: int, folder: Path) -> dict[str, Any]:
    """Write the five basic tables as the usual script does: row by row."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from faker import Faker

    fake = Faker("en_US")
    Faker.seed(SEED)
    chance = random.Random(SEED)  # noqa: S311 - a benchmark
    start, processor = time.perf_counter(), processor_seconds()
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("customers", "financial_records", "loan_applications", "credit_history", "market_data")
    }
    for _customer in range(customers):
        customer = _faker_customer(fake, chance)
        tables["customers"].append(customer)
        for name, count, make in (
            ("financial_records", 5, _faker_record),
            ("loan_applications", 2, _faker_application),
            ("credit_history", 10, _faker_history),
        ):
            tables[name] += [make(fake, chance, customer["customer_id"]) for _ in range(count)]
    tables["market_data"] = [_faker_market(fake, chance) for _ in range(100)]
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return {
        "rows": sum(map(len, tables.values())),
        "seconds": time.perf_counter() - start,
        "processor": processor_seconds() - processor,
    }


def _faker_customer(fake: Any, chance: random.Random) -> dict[str, Any]:  # noqa: ANN401 - Faker has no types
    return {
        "customer_id": fake.uuid4(),
        "first_name": fake.first_name(),
        "last_name": fake.last_name(),
        "email": fake.email(),
        "phone": fake.phone_number(),
        "date_of_birth": fake.date_of_birth(minimum_age=18, maximum_age=80),
        "ssn": fake.ssn(),
        "address": fake.street_address(),
        "city": fake.city(),
        "state": fake.state_abbr(),
        "zip_code": fake.zipcode(),
        "employment_type": chance.choice(["full_time", "part_time", "self_employed", "unemployed"]),
        "annual_income": round(chance.uniform(15_000, 200_000), 2),
        "created_at": fake.date_time_this_decade(),
    }


def _faker_record(fake: Any, chance: random.Random, customer: str) -> dict[str, Any]:  # noqa: ANN401
    return {
        "record_id": fake.uuid4(),
        "customer_id": customer,
        "record_type": chance.choice(["income", "expenses", "assets", "liabilities"]),
        "amount": round(chance.uniform(100, 100_000), 2),
        "description": fake.sentence(),
        "record_date": fake.date_this_decade(),
        "created_at": fake.date_time_this_decade(),
    }


def _faker_application(fake: Any, chance: random.Random, customer: str) -> dict[str, Any]:  # noqa: ANN401
    return {
        "application_id": fake.uuid4(),
        "customer_id": customer,
        "loan_type": chance.choice(["personal", "auto", "mortgage"]),
        "requested_amount": round(chance.uniform(1_000, 500_000), 2),
        "term_months": chance.choice([12, 24, 36, 48, 60]),
        "purpose": fake.word(),
        "status": chance.choice(["approved", "rejected", "pending"]),
        "application_date": fake.date_this_decade(),
        "created_at": fake.date_time_this_decade(),
    }


def _faker_history(fake: Any, chance: random.Random, customer: str) -> dict[str, Any]:  # noqa: ANN401
    return {
        "history_id": fake.uuid4(),
        "customer_id": customer,
        "credit_score": chance.randint(300, 850),
        "payment_history": chance.choice(["excellent", "good", "fair", "poor"]),
        "credit_utilization": round(chance.uniform(0, 100), 2),
        "record_date": fake.date_this_decade(),
        "created_at": fake.date_time_this_decade(),
    }


def _faker_market(fake: Any, chance: random.Random) -> dict[str, Any]:  # noqa: ANN401
    return {
        "data_id": fake.uuid4(),
        "data_type": chance.choice(["interest_rate", "unemployment", "inflation"]),
        "value": round(chance.uniform(0, 10), 4),
        "date_recorded": fake.date_this_decade(),
        "source": fake.company(),
        "created_at": fake.date_time_this_decade(),
    }


SIDES: dict[str, Callable[[int, int, Path], dict[str, Any]]] = {
    "whole": whole_book,
    "basic": basic_book,
    "tables": each_table,
    "pyarrow": pyarrow_alone,
    "faker": faker_way,
}


def in_fresh_process(side: str, customers: int, workers: int = 1) -> dict[str, Any]:
    """Run one side in a process of its own, and watch the memory of it and its workers."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--side", side, "--customers", str(customers)]
        command += ["--workers", str(workers), "--folder", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            peak = _Peak(process.pid)
            told, _ = process.communicate()
            megabytes = peak.stop()
        if process.returncode:
            raise SystemExit(process.returncode)
    return {**json.loads(told.splitlines()[-1]), "peak_mb": megabytes}


class _Peak:
    """Watches the resident memory of a process and its children, summed; Linux only, 0 elsewhere."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            family = [self._pid, *_children(self._pid)]
            self._peak = max(self._peak, sum(map(_resident_mb, family)))


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        found += [one for child in direct for one in (child, *_children(child))]
    return found


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def speeds(customers: int) -> None:
    """Print rows a second, all in all and beside the other ways."""
    two, one = in_fresh_process("whole", customers, 2), in_fresh_process("whole", customers)
    basic_two, basic_one = in_fresh_process("basic", BASIC_CUSTOMERS, 2), in_fresh_process("basic", BASIC_CUSTOMERS)
    alone = in_fresh_process("pyarrow", min(customers, 40_000))
    faker = in_fresh_process("faker", FAKER_CUSTOMERS)
    print(f"{customers:,} customers, {BASIC_CUSTOMERS:,} in the basic tables; start of processes included\n")
    print("| | rows | rows/s | rows a processor second | MB/s of Parquet | peak memory |\n|---|---|---|---|---|---|")
    for label, run in (
        ("all tables, two processes", two),
        ("all tables, one process", one),
        ("five basic tables, two processes", basic_two),
        ("five basic tables, one process", basic_one),
        ("five basic tables, Faker's way, one process", faker),
    ):
        size = f"{run['bytes'] / run['seconds'] / 1e6:,.1f}" if "bytes" in run else ""
        print(
            f"| {label} | {run['rows']:,} | {by_clock(run):,.0f} | {by_processor(run):,.0f} | {size} "
            f"| {run['peak_mb']:,.0f} MB |"
        )
    print(f"\nAll tables on two processors: {by_clock(two):,.0f} rows/s (goal {GOAL_ROWS:,})")
    print(
        f"Times Faker's way, one process each: {by_clock(basic_one) / by_clock(faker):.0f} by the clock, "
        f"{by_processor(basic_one) / by_processor(faker):.0f} by processor seconds; two processes beside its one: "
        f"{by_clock(basic_two) / by_clock(faker):.0f} (goal {GOAL_FAKER})"
    )
    for kind, label in (("", "by default"), ("_zstd", "with zstd")):
        for group, ours in (("all", one), ("basic", basic_one)):
            theirs = alone[group + kind]
            print(
                f"Share of pyarrow alone {label}, {group} tables: {by_clock(ours) / by_clock(theirs):.0%} by clock, "
                f"{by_processor(ours) / by_processor(theirs):.0%} by processor seconds, of "
                f"{by_processor(theirs):,.0f} rows a processor second (goal {GOAL_PYARROW:.0%})"
            )


def by_clock(run: dict[str, Any]) -> float:
    """Return rows a second."""
    return float(run["rows"] / run["seconds"])


def by_processor(run: dict[str, Any]) -> float:
    """Return rows a processor second."""
    return float(run["rows"] / run["processor"])


def tables(customers: int) -> None:
    """Print what each table takes."""
    found = in_fresh_process("tables", customers)
    print("\n| table | rows | rows/s made | rows/s made and written | MB/s |\n|---|---|---|---|---|")
    for name, run in found["tables"].items():
        both = run["made"] + run["written"]
        print(
            f"| {name} | {run['rows']:,.0f} | {run['rows'] / run['made']:,.0f} | {run['rows'] / both:,.0f} "
            f"| {run['bytes'] / both / 1e6:,.1f} |"
        )
    total = sum(run["made"] + run["written"] for run in found["tables"].values())
    shared = found["shared"]
    print(f"\nThe life of customers and loans, which tables share: {shared:.2f} s of {total + shared:.2f}")


def memory(counts: list[int]) -> None:
    """Print peak memory over the customers."""
    print("\n| customers | tables | rows | peak memory, all processes |\n|---|---|---|---|")
    for customers in counts:
        for side, label in (("basic", "five basic, two workers"), ("whole", "all, two workers")):
            if side == "whole" and customers > counts[0]:
                continue
            run = in_fresh_process(side, customers, 2)
            print(f"| {customers:,} | {label} | {run['rows']:,} | {run['peak_mb']:,.0f} MB |")
    print(f"\nGoal: under {GOAL_MB} MB for 500,000 customers, and no more for more")


def main() -> None:
    """Run the benchmark, or one side of it in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--memory-customers", type=int, nargs="*", default=[100_000, 500_000])
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(SIDES[given.side](given.customers, given.workers, given.folder)))
        return
    speeds(given.customers)
    tables(min(given.customers, 50_000))
    if given.memory_customers:
        memory(given.memory_customers)


if __name__ == "__main__":
    main()

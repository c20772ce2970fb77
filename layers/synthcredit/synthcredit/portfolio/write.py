"""Write a portfolio as Parquet: shards of blocks, each shard one part file a table, in as many processes as wanted.

A shard is a fixed run of blocks, so the files do not depend on how many workers wrote them. Each process holds one
block.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.errors import Problem, StorageError
from synthcredit.portfolio.book import BLOCK_CUSTOMERS, Block, Volumes, world_of
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import TABLES

SHARD_BLOCKS = 4
"""Blocks of one part file. Part of what makes the files the same whoever writes them."""
_WORTH_A_PROCESS = 2
"""Shards that a process is worth starting for."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    rows: dict[str, int]
    """By table."""
    size: int
    """Bytes of all files."""


def write(
    scenario: Scenario,
    volumes: Volumes,
    seed: int,
    out: Path,
    *,
    workers: int = 1,
    tables: Sequence[Table] = TABLES,
    progress: Progress | None = None,
) -> Written:
    """Write a whole portfolio to ``out/<table>/part-00000.parquet`` and on.

    Parameters
    ----------
    workers
        Processes; they change no byte.
    tables
        The tables that are wanted.
    progress
        Told the share that is done, and how many customers.

    Raises
    ------
    StorageError
        The disk is full or read-only. Part files that are there are whole.
    """
    names = tuple(table.name for table in tables)
    work = partial(write_shard, scenario, volumes, seed, out=out, names=names)
    rows = dict.fromkeys(names, 0)
    size = 0
    for done, shard in enumerate(_all(work, shards(volumes), workers), start=1):
        rows = {name: rows[name] + shard.rows.get(name, 0) for name in names}
        size += shard.size
        if progress is not None:
            customers = min(done * SHARD_BLOCKS * BLOCK_CUSTOMERS, volumes.customers)
            progress(done / shards(volumes), f"{customers:,} of {volumes.customers:,} customers")
    return Written(rows, size)


def shards(volumes: Volumes) -> int:
    """Return how many shards the customers make."""
    return -(-volumes.blocks // SHARD_BLOCKS)


def _all(work: Callable[[int], Written], count: int, workers: int) -> Iterator[Written]:
    processes = min(workers, -(-count // _WORTH_A_PROCESS))
    if processes <= 1:
        yield from map(work, range(count))
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_alone) as pool:
        futures = [pool.submit(work, shard) for shard in range(count)]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _alone() -> None:
    # One thread a process: there is a process for each processor.
    pa.set_cpu_count(1)


def write_shard(
    scenario: Scenario, volumes: Volumes, seed: int, shard: int, *, out: Path, names: Sequence[str]
) -> Written:
    """Write one shard; each file appears once it is whole.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    wanted = [table for table in TABLES if table.name in names and (not table.once or shard == 0)]
    paths = {table.name: out / table.name / f"part-{shard:05d}.parquet" for table in wanted}
    partials = {name: path.with_name(f".{path.name}.{os.getpid()}.partial") for name, path in paths.items()}
    try:
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        rows = _write_blocks(scenario, volumes, seed, shard, wanted, partials)
        for name, path in paths.items():
            partials[name].replace(path)
        return Written(rows, sum(path.stat().st_size for path in paths.values()))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the disk refused the write"
        fix = "Free some space." if error.errno == errno.ENOSPC else "Choose a folder that can be written to."
        raise StorageError(Problem(f"output {out.name}", reason, fix)) from error
    finally:
        for unfinished in partials.values():
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)


def _write_blocks(
    scenario: Scenario, volumes: Volumes, seed: int, shard: int, tables: Sequence[Table], paths: dict[str, Path]
) -> dict[str, int]:
    world = world_of(scenario, volumes, seed)
    rows = dict.fromkeys(paths, 0)
    first = shard * SHARD_BLOCKS
    with contextlib.ExitStack() as stack:
        writers = {table.name: stack.enter_context(writer(table, paths[table.name])) for table in tables}
        for number in range(first, min(first + SHARD_BLOCKS, volumes.blocks)):
            block = Block(world, number)
            for table in tables:
                if not table.once or number == 0:
                    batch = table.rows(block)
                    writers[table.name].write_batch(batch)
                    rows[table.name] += batch.num_rows
    return rows


def writer(table: Table, path: Path) -> pq.ParquetWriter:
    """Open a part file: one row group a block.

    Text that is made as codes is written as codes, keys by what they have in common with the key before, dates and
    whole numbers by their differences: smaller than plain columns, and faster.
    """
    encoded = {
        one.name: "DELTA_BYTE_ARRAY" if one.name == table.key else "DELTA_BINARY_PACKED"
        for one in table.fields
        if one.name not in table.coded and (one.name == table.key or one.sql in ("date", "timestamp", "integer"))
    }
    return pq.ParquetWriter(
        path,
        table.made,
        compression="zstd",
        compression_level=1,
        use_dictionary=list(table.coded),
        column_encoding=encoded,
        # Else the file would say that its text is a dictionary, and not every reader wants one.
        store_schema=False,
    )

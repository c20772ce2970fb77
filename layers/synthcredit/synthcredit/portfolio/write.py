"""Write a portfolio as Parquet: shards of blocks, each shard one part file a table, in as many processes as wanted.

A shard is a fixed run of blocks, so the files do not depend on how many workers wrote them. Each process holds one
block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from synthcredit.datasets import shards as parts
from synthcredit.datasets.shards import Progress
from synthcredit.datasets.shards import Written as Written
from synthcredit.portfolio.book import BLOCK_CUSTOMERS, Block, Volumes, world_of
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import EVERY, tables_of

SHARD_BLOCKS = 4
"""Blocks of one part file. Part of what makes the files the same whoever writes them."""


def write(
    scenario: Scenario,
    volumes: Volumes,
    seed: int,
    out: Path,
    *,
    workers: int = 1,
    tables: Sequence[Table] | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write a whole portfolio to ``out/<table>/part-00000.parquet`` and on.

    Parameters
    ----------
    workers
        Processes; they change no byte.
    tables
        The tables that are wanted; None for all that the scenario has.
    progress
        Told the share that is done, and how many customers.

    Raises
    ------
    InvalidInputError
        A column cannot drift as far as the scenario states.
    StorageError
        The disk is full or read-only. Part files that are there are whole.
    """
    # Before anything is written, for a drift that cannot be found is refused.
    world_of(scenario, volumes, seed).shifts  # noqa: B018
    names = tuple(table.name for table in (tables_of(scenario) if tables is None else tables))

    def told(done: int) -> None:
        if progress is not None:
            customers = min(done * SHARD_BLOCKS * BLOCK_CUSTOMERS, volumes.customers)
            progress(done / shards(volumes), f"{customers:,} of {volumes.customers:,} customers")

    work = partial(write_shard, scenario, volumes, seed, out=out, names=names)
    return parts.write_all(work, shards(volumes), names, workers=workers, told=told)


def shards(volumes: Volumes) -> int:
    """Return how many shards the customers make."""
    return -(-volumes.blocks // SHARD_BLOCKS)


def write_shard(
    scenario: Scenario, volumes: Volumes, seed: int, shard: int, *, out: Path, names: Sequence[str]
) -> Written:
    """Write one shard; each file appears once it is whole.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    wanted = [table for table in EVERY if table.name in names and (not table.once or shard == 0)]
    fill = partial(_write_blocks, scenario, volumes, seed, shard, wanted)
    return parts.write_parts([table.name for table in wanted], shard, out, fill)


def _write_blocks(
    scenario: Scenario, volumes: Volumes, seed: int, shard: int, tables: Sequence[Table], paths: Mapping[str, Path]
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
    """Open a part file of a table."""
    encoded = {
        one.name: "DELTA_BYTE_ARRAY" if one.name == table.key else "DELTA_BINARY_PACKED"
        for one in table.fields
        if one.name not in table.coded and (one.name == table.key or one.sql in ("date", "timestamp", "integer"))
    }
    return parts.writer(path, table.made, coded=table.coded, encoded=encoded)

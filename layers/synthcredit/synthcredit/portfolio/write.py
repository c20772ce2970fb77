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
from synthcredit.datasets.shards import Progress as Progress
from synthcredit.datasets.shards import Written as Written
from synthcredit.portfolio.book import Block, world_of
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import EVERY, tables_of
from synthcredit.portfolio.volumes import BLOCK_CUSTOMERS, SHARD_BLOCKS, Volumes


def write(
    scenario: Scenario,
    volumes: Volumes,
    seed: int,
    out: Path,
    *,
    workers: int = 1,
    tables: Sequence[Table] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Written:
    """Write a whole portfolio to ``out/<table>/part-00000.parquet`` and on.

    Parameters
    ----------
    workers
        Processes; they change no byte.
    tables
        The tables that are wanted; None for all that the scenario has.
    resume
        Leave the shards that are whole as they are: whoever says so knows that they are of the same request
        (`synthcredit.portfolio.folder`).
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
            progress(done / volumes.shards, f"{customers:,} of {volumes.customers:,} customers")

    def standing(shard: int) -> Written | None:
        return parts.standing([table.name for table in _wanted(names, shard)], shard, out) if resume else None

    work = partial(write_shard, scenario, volumes, seed, out=out, names=names)
    return parts.write_all(work, volumes.shards, names, workers=workers, told=told, standing=standing)


def _wanted(names: Sequence[str], shard: int) -> list[Table]:
    """Return the tables of which a shard has rows, of those that are wanted."""
    return [table for table in EVERY if table.name in names and (not table.once or shard == 0)]


def write_shard(
    scenario: Scenario, volumes: Volumes, seed: int, shard: int, *, out: Path, names: Sequence[str]
) -> Written:
    """Write one shard; each file appears once it is whole.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    wanted = _wanted(names, shard)
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
                    # A row group a block, however many rows it has: whoever proves the book reads it block by block.
                    writers[table.name].write_batch(batch, row_group_size=max(1, batch.num_rows))
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

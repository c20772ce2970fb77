"""Rows of a declaration: how many, in how many shards, written and proven."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets import shards as parts
from synthcredit.datasets.schema import DatasetSchema, Dtype, storage_name
from synthcredit.datasets.shards import Progress, Written
from synthcredit.declared.block import Block, coded, made_schema
from synthcredit.declared.checks import check_folder, check_shards
from synthcredit.declared.model import Declaration, ForeignKeyColumn
from synthcredit.declared.plan import SHARD_BLOCKS, Plan
from synthcredit.declared.sizes import sized
from synthcredit.errors import Problem, raise_all
from synthcredit.evidence.model import Check


def declared_rows(declaration: Declaration, seed: int, rows: Mapping[str, int] | None = None) -> DeclaredRows:
    """Return the rows of a declaration.

    Parameters
    ----------
    rows
        Rows of uppermost tables, where they are not as many as the declaration says.

    Raises
    ------
    InvalidInputError
        There is no such uppermost table, or it cannot have so many rows: all of it at once.
    """
    raise_all([] if seed >= 0 else [Problem("seed", "it is below 0", "Give 0 or more.")])
    return DeclaredRows(sized(declaration, rows), seed)


class Run(NamedTuple):
    """Rows of an uppermost table that are one shard, with all that belong to them."""

    root: str
    first_row: int
    rows: int


@dataclass(frozen=True)
class DeclaredRows:
    """The rows of a declaration: a `datasets.shards.RuleBased`. Made by `declared_rows`."""

    plan: Plan
    seed: int

    @property
    def tables(self) -> DatasetSchema:
        """The tables, with keys and relations."""
        return self.plan.dataset

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """What each shard holds: whole families of rows."""
        return tuple(
            Run(root, first, min(size, self.plan.rows[root] - first))
            for root in self.plan.roots
            for size in [SHARD_BLOCKS * self.plan.block_parents(root)]
            for first in range(0, self.plan.rows[root], size)
        )

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self.runs)

    def block(self, root: str, number: int) -> Block:
        """Return one block of the tree of an uppermost table."""
        return Block(self.plan, self.seed, root, number)

    def write_shard(self, shard: int, out: Path) -> Written:
        """Write one shard to ``out/<table>/part-<shard>.parquet``; each file appears once it is whole.

        Raises
        ------
        StorageError
            The disk is full or read-only.
        """
        root, first_row, _ = self.runs[shard]
        first = first_row // self.plan.block_parents(root)
        return parts.write_parts(self.plan.below(root), shard, out, partial(self._fill, root, first))

    def _fill(self, root: str, first: int, paths: Mapping[str, Path]) -> dict[str, int]:
        rows = dict.fromkeys(paths, 0)
        with contextlib.ExitStack() as stack:
            writers = {name: stack.enter_context(self._writer(name, path)) for name, path in paths.items()}
            for number in range(first, min(first + SHARD_BLOCKS, self.plan.blocks(root))):
                block = self.block(root, number)
                for name, writer in writers.items():
                    batch = block.table(name)
                    writer.write_batch(batch)
                    rows[name] += batch.num_rows
        return rows

    def _writer(self, table: str, path: Path) -> pq.ParquetWriter:
        schema = self.tables[table]
        # Keys of other tables come again and again, as categories do.
        held = [name for name, one in self.plan.tables[table].columns.items() if isinstance(one, ForeignKeyColumn)]
        dictionaries = [storage_name(name) for name in (*coded(self.plan, table), *held)]
        deltas = {
            one.storage_name: "DELTA_BYTE_ARRAY" if one.dtype is Dtype.STRING else "DELTA_BINARY_PACKED"
            for one in schema.columns
            if one.storage_name not in dictionaries
            and (one.dtype in (Dtype.DATE, Dtype.TIMESTAMP, Dtype.INT64) or one.name == schema.primary_key)
        }
        return parts.writer(path, made_schema(self.plan, table), coded=dictionaries, encoded=deltas)

    def write(self, out: Path, *, workers: int = 1, resume: bool = False, progress: Progress | None = None) -> Written:
        """Write all rows to ``out/<table>/part-00000.parquet`` and on.

        Parameters
        ----------
        workers
            Processes; they change no byte.
        resume
            Leave the shards that are whole as they are: whoever says so knows that they are of the same request
            (`synthcredit.declared.folder`).
        progress
            Told the share that is done, and how many shards.

        Raises
        ------
        StorageError
            The disk is full or read-only. Part files that are there are whole.
        """

        def told(done: int) -> None:
            if progress is not None:
                progress(done / self.shards, f"{done:,} of {self.shards:,} shards")

        def standing(shard: int) -> Written | None:
            return parts.standing(self.plan.below(self.runs[shard].root), shard, out) if resume else None

        work = partial(self.write_shard, out=out)
        names = tuple(self.plan.tables)
        return parts.write_all(work, self.shards, names, workers=workers, told=told, standing=standing)

    def sql_types(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return exact SQL types of amounts: decimals of 18 digits."""
        found = {
            table.name: {
                one.name: {"type": f"decimal(18,{one.decimals})"} for one in table.columns if one.decimals is not None
            }
            for table in self.tables.tables
        }
        return {name: types for name, types in found.items() if types}

    def checks(self, folder: Path) -> tuple[Check, ...]:
        """Return the proof of what was written to a folder: see `declared.checks`."""
        return check_folder(self.plan, folder, self.shards)

    def checks_of(self, shards: Iterable[Mapping[str, pa.Table]]) -> tuple[Check, ...]:
        """Return the same proof of all shards, the tables of one at a time as they were written."""
        return check_shards(self.plan, shards)

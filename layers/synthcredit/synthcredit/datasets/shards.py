"""Rows made by rules, written as Parquet: shards that can each be made alone, in as many processes as wanted.

A shard is a fixed part of the rows, so the files do not depend on how many workers wrote them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets.schema import DatasetSchema
from synthcredit.errors import Problem, StorageError

if TYPE_CHECKING:
    from synthcredit.evidence.model import Check

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
    already: int = 0
    """Rows among them that were there before."""


class RuleBased(Protocol):
    """Rows that rules make, without any data: what the platform needs of them. It must be picklable."""

    @property
    def tables(self) -> DatasetSchema:
        """The tables, with keys and relations."""

    @property
    def shards(self) -> int:
        """How many shards there are."""

    def write_shard(self, shard: int, out: Path) -> Written:
        """Write one shard to ``out/<table>/part-<shard>.parquet``; each file appears once it is whole."""

    def checks(self, folder: Path) -> tuple[Check, ...]:
        """Return the proof of all shards that were written to a folder."""


def write_all(
    work: Callable[[int], Written],
    shards: int,
    names: Sequence[str],
    *,
    workers: int,
    told: Callable[[int], None],
    standing: Callable[[int], Written | None] = lambda _: None,
) -> Written:
    """Write every shard.

    Parameters
    ----------
    work
        Writes one; picklable where there is more than one worker.
    names
        Tables, in the order in which they are told.
    workers
        Processes; they change no byte.
    told
        Called with the number of shards that are done.
    standing
        Tells what of a shard is there already, whole, so that it is left as it is; None where it is to be written.
    """
    rows = dict.fromkeys(names, 0)
    size = 0
    there = {shard: whole for shard in range(shards) if (whole := standing(shard)) is not None}
    left = [shard for shard in range(shards) if shard not in there]
    for done, shard in enumerate(chain(there.values(), _all(work, left, workers)), start=1):
        rows = {name: rows[name] + shard.rows.get(name, 0) for name in names}
        size += shard.size
        told(done)
    return Written(rows, size, sum(sum(whole.rows.values()) for whole in there.values()))


def _all(work: Callable[[int], Written], numbers: Sequence[int], workers: int) -> Iterator[Written]:
    processes = min(workers, -(-len(numbers) // _WORTH_A_PROCESS))
    if processes <= 1:
        yield from map(work, numbers)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_alone) as pool:
        futures = [pool.submit(work, shard) for shard in numbers]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _alone() -> None:
    # One thread a process: there is a process for each processor.
    pa.set_cpu_count(1)


def standing(names: Sequence[str], shard: int, out: Path) -> Written | None:
    """Return what a shard wrote before, or None where it is not whole; half files of one that was killed go away."""
    paths = _paths(names, shard, out)
    for path in paths.values():
        for unfinished in path.parent.glob(f".{path.name}.*.partial"):
            unfinished.unlink(missing_ok=True)
    if not all(path.exists() for path in paths.values()):
        return None
    rows = {name: pq.read_metadata(path).num_rows for name, path in paths.items()}
    return Written(rows, sum(path.stat().st_size for path in paths.values()))


def _paths(names: Sequence[str], shard: int, out: Path) -> dict[str, Path]:
    return {name: out / name / f"part-{shard:05d}.parquet" for name in names}


def write_parts(
    names: Sequence[str], shard: int, out: Path, fill: Callable[[Mapping[str, Path]], dict[str, int]]
) -> Written:
    """Write the part files of one shard, ``out/<table>/part-<shard>.parquet``; each appears once it is whole.

    Parameters
    ----------
    names
        Tables of which the shard has rows.
    fill
        Writes rows to the files that it is given by table, and returns how many.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    paths = _paths(names, shard, out)
    partials = {name: path.with_name(f".{path.name}.{os.getpid()}.partial") for name, path in paths.items()}
    try:
        with storing(out):
            for path in paths.values():
                path.parent.mkdir(parents=True, exist_ok=True)
            rows = fill(partials)
            for name, path in paths.items():
                partials[name].replace(path)
            return Written(rows, sum(path.stat().st_size for path in paths.values()))
    finally:
        for unfinished in partials.values():
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def storing(out: Path) -> Iterator[None]:
    """Say what the disk refuses in the words of the platform: `StorageError`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the disk refused the write"
        fix = "Free some space." if error.errno == errno.ENOSPC else "Choose a folder that can be written to."
        raise StorageError(Problem(f"output {out.name}", reason, fix)) from error


def writer(path: Path, schema: pa.Schema, *, coded: Sequence[str], encoded: Mapping[str, str]) -> pq.ParquetWriter:
    """Open a part file: one row group a block.

    Parameters
    ----------
    schema
        Columns as they are made: text of some categories as a dictionary.
    coded
        Columns that are written as codes.
    encoded
        The encoding of others: ``DELTA_BYTE_ARRAY`` for keys (what they have in common with the key before is not
        written again), ``DELTA_BINARY_PACKED`` for dates and whole numbers. Smaller than plain columns, and faster.
    """
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=list(coded),
        column_encoding=dict(encoded),
        # Else the file would say that its text is a dictionary, and not every reader wants one.
        store_schema=False,
    )

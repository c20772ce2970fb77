"""Assess declared tables: every rule of the declaration, on every row, shard by shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthcredit.datasets.folder import describe
from synthcredit.declared.made import DeclaredRows
from synthcredit.evidence.model import Evidence
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan
from synthcredit.ports import World
from synthcredit.steps.parts import Part, as_made
from synthcredit.steps.ruled_assess import EVERY_ROW, Proven, proven
from synthcredit.synthesizers.fitting import Progress

NO_REAL_ROWS = (
    "The rows are made as they are declared: no real rows went in. So fidelity and usefulness, which compare with real "
    "rows, do not apply, and privacy holds as far as the declaration tells nothing of anybody: nothing else went in."
)


def assess_declared(
    job: Job, plan: Plan, made: DeclaredRows, parts: Sequence[Part], folder: Path, world: World, progress: Progress
) -> Evidence:
    """Measure declared tables as they were written; write their report into a folder.

    Memory is that of one shard, and of 8 bytes for each value that must be told apart from all others.

    Raises
    ------
    ConflictError
        A part file is not the one that was generated.
    """
    looked_at: Counter[str] = Counter(dict.fromkeys((table.name for table in plan.tables), 0))
    by_file: dict[str, dict[str, Part]] = {}
    for part in parts:
        by_file.setdefault(part.key.rpartition("/")[2], {})[part.table] = part

    def shards() -> Iterator[dict[str, pa.Table]]:
        for done, shard in enumerate(plan.shards):
            progress(done / len(plan.shards), f"shard {done:,} of {len(plan.shards):,}")
            tables = _read(by_file[shard.file], world)
            looked_at.update({name: table.num_rows for name, table in tables.items()})
            yield tables

    checks = made.checks_of(shards())
    describe(folder, made.tables, made.sql_types())
    made_of = f"declaration {plan.dataset}"
    return proven(job, plan, parts, folder, Proven(checks, looked_at, (NO_REAL_ROWS, EVERY_ROW), made_of))


def _read(own: dict[str, Part], world: World) -> dict[str, pa.Table]:
    with ExitStack() as stack:
        paths = {name: stack.enter_context(as_made(part, world)) for name, part in own.items()}
        # Into memory: a file that is mapped may be gone when it is looked at.
        return {name: pq.read_table(path, partitioning=None, memory_map=False) for name, path in paths.items()}

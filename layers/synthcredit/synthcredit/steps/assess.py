"""Assess: prove the synthetic rows against the real ones, and write the report."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synthcredit.datasets.parts import read_parts
from synthcredit.evidence import assess as evidence_room
from synthcredit.evidence.gate import judge
from synthcredit.evidence.model import Evidence
from synthcredit.evidence.report import ReportContext, write_report
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan
from synthcredit.packages import versions
from synthcredit.ports import World
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.steps.files import data_prefix, job_key, read_document, write_document
from synthcredit.steps.plan import read_sides
from synthcredit.steps.standing import step
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.protocol import Progress, load_model, silent

PROOF_ROWS = 10_000
"""Rows that are measured at the least: what a few rows show is mostly chance, so the model shows more of them."""


def assess(job_id: str, world: World, progress: Progress = silent) -> Evidence:
    """Measure a job's rows and write evidence, report and plots; evidence that is there stays."""
    key = job_key(job_id, "evidence.json")
    if world.objects.exists(key):
        return read_document(world.objects, key, Evidence)
    with step(world, job_id, "assess") as job:
        plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
        schema = plan.training.table_schema
        train, holdout = read_sides(plan.training, world)
        synthetic, notes = _proof(job, plan, world)
        evidence = evidence_room.assess(
            synthetic, train, holdout, schema,
            seed=job.request.seed, rows_released=job.request.rows, progress=progress,
        )  # fmt: skip
        evidence = evidence.model_copy(update={"notes": (*notes, *evidence.notes)})
        with world.objects.scratch() as folder:
            write_report(
                folder, evidence, judge(evidence, job.request.gate), _context(job, plan, world),
                synthetic=synthetic, train=train, holdout=holdout, schema=schema,
            )  # fmt: skip
            for path in sorted(folder.rglob("*.*")):
                world.objects.put(path, job_key(job_id, path.relative_to(folder).as_posix()))
        # Last, since it says that all of this is there.
        write_document(world.objects, key, evidence)
        return evidence


def _context(job: Job, plan: Plan, world: World) -> ReportContext:
    card = world.models.find(plan.model_id)
    return ReportContext(
        job_id=job.job_id,
        dataset=plan.training.dataset,
        synthesizer=plan.training.synthesizer,
        model_id=plan.model_id,
        rows=job.request.rows,
        seed=job.request.seed,
        created_at=job.created_at,
        licence=registry.family(plan.training.synthesizer).licence,
        split=plan.training.split.describe(),
        packages=card.packages if card else versions(),
        notices=plan.notices,
    )


def _proof(job: Job, plan: Plan, world: World) -> tuple[pa.Table, tuple[str, ...]]:
    """Return the rows that are measured, and a note where they are not just the job's rows."""
    rows = job.request.rows
    delivered = read_sample(job, plan, world, evidence_room.MAX_ROWS)
    if rows >= PROOF_ROWS:
        note = f"Measured on a random sample of {delivered.num_rows:,} of the {rows:,} rows."
        return delivered, (note,) if delivered.num_rows < rows else ()
    more = PROOF_ROWS - rows
    first = -(-rows // BLOCK_ROWS) * BLOCK_ROWS
    with world.models.fetch(plan.model_id) as file:
        model = load_model(file)
        batches = list(model.sample(more, job.request.seed, first_row=first))
    note = f"{rows:,} rows are too few to prove much, so they were measured with {more:,} more of the same model."
    return pa.concat_tables([delivered, pa.Table.from_batches(batches)]), (note,)


def read_sample(job: Job, plan: Plan, world: World, limit: int) -> pa.Table:
    """Read a job's rows, or a seeded simple random sample of ``limit`` of them, under the original column names."""
    schema = plan.training.table_schema
    rows = job.request.rows
    chosen = np.arange(rows)
    if rows > limit:
        chosen = np.sort(generator(job.request.seed, "assess/sample").choice(rows, size=limit, replace=False))
    pieces = []
    for shard in plan.shards:
        wanted = chosen[(chosen >= shard.first_row) & (chosen < shard.first_row + shard.rows)] - shard.first_row
        if wanted.size == 0:
            continue
        with world.objects.fetch(data_prefix(job.job_id, schema.name) + shard.file) as path:
            table = read_parts([path], schema)
        pieces.append(table if wanted.size == shard.rows else table.take(pa.array(wanted)))
    return pa.concat_tables(pieces)

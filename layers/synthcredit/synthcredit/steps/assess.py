"""Assess: prove the synthetic rows against the real ones, and write the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.parts import read_parts
from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.split import Rule
from synthcredit.errors import ConflictError, Problem
from synthcredit.evidence import assess as evidence_room
from synthcredit.evidence import seeds
from synthcredit.evidence.contamination import require_disjoint
from synthcredit.evidence.gate import judge
from synthcredit.evidence.model import Evidence, Level
from synthcredit.evidence.report import ReportContext, write_report
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan
from synthcredit.packages import versions
from synthcredit.ports import World
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.steps.continuing import require_unseen
from synthcredit.steps.files import job_key, read_document, write_document
from synthcredit.steps.generate import ShardResult, result_key
from synthcredit.steps.sides import read_sides
from synthcredit.steps.standing import step
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.fitting import Progress, silent
from synthcredit.synthesizers.protocol import load_model

PROOF_ROWS = 10_000
"""Rows that are measured at the least: what a few rows show is mostly chance, so the model shows more of them."""
_MORE = (
    "The {:,} rows were measured with {:,} more of the same model: few rows prove little, and privacy is measured on "
    "{} rows for each training row."
)


def assess(job_id: str, world: World, progress: Progress = silent) -> Evidence:
    """Measure a job's rows and write evidence, report and plots; evidence that is there stays."""
    key = job_key(job_id, "evidence.json")
    if world.objects.exists(key):
        return read_document(world.objects, key, Evidence)
    with step(world, job_id, "assess") as job:
        plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
        schema = plan.training.table_schema
        train, holdout = read_sides(plan.training, world)
        if plan.training.split.rule is Rule.GIVEN:
            # A holdout that we cut ourselves has none of the rows that train.
            require_disjoint(train, holdout, schema)
        unread = require_unseen(plan.training, holdout, world)
        shards = [read_document(world.objects, result_key(job_id, shard.number), ShardResult) for shard in plan.shards]
        released = sum(shard.rows for shard in shards)
        synthetic, again, notes = _proof(job, plan, world, shards, train.num_rows)
        with world.objects.scratch() as folder:
            evidence = evidence_room.assess(
                synthetic, train, holdout, schema,
                seed=job.request.seed, rows_released=released, rows_asked=job.request.rows,
                level=job.request.evidence, again=again, steering=plan.steering, data_docs=folder / "data_docs",
                progress=progress,
            )  # fmt: skip
            evidence = evidence.model_copy(update={"notes": (*notes, *unread, *evidence.notes)})
            write_report(
                folder, evidence, judge(evidence, job.request.gate), _context(job, plan, world),
                synthetic=synthetic, train=train, holdout=holdout, schema=schema,
            )  # fmt: skip
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
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


def _proof(
    job: Job, plan: Plan, world: World, shards: Sequence[ShardResult], train_rows: int
) -> tuple[pa.Table, list[pa.Table], tuple[str, ...]]:
    """Return the rows that are measured, what other seeds give, and a note where the first are not just the job's."""
    released, seed = sum(shard.rows for shard in shards), job.request.seed
    wanted = max(evidence_room.rows_to_measure(released, train_rows), PROOF_ROWS)
    synthetic = read_sample(shards, plan.training.table_schema, world, rows=wanted, seed=seed)
    notes: tuple[str, ...] = ()
    if synthetic.num_rows < released:
        notes = (f"Measured on a random sample of {synthetic.num_rows:,} of the {released:,} rows.",)
    with world.models.fetch(plan.model_id) as file:
        model = load_model(file)
        if released < wanted:
            first = -(-job.request.rows // BLOCK_ROWS) * BLOCK_ROWS
            more = model.sample(wanted - released, seed, first_row=first, steering=plan.steering)
            synthetic = pa.concat_tables([synthetic, pa.Table.from_batches(more)])
            notes = (_MORE.format(released, wanted - released, evidence_room.ROWS_A_TRAINING_ROW),)
        again = []
        if job.request.evidence is Level.STANDARD:
            rows = min(synthetic.num_rows, seeds.MOST_ROWS)
            others = generator(seed, "assess/seeds").integers(2**62, size=seeds.SEEDS - 1)
            again = [pa.Table.from_batches(model.sample(rows, int(other), steering=plan.steering)) for other in others]
    return synthetic, again, notes


def read_sample(shards: Sequence[ShardResult], schema: TableSchema, world: World, *, rows: int, seed: int) -> pa.Table:
    """Read a job's rows, or a seeded simple random sample of ``rows`` of them, under the original column names.

    Raises
    ------
    ConflictError
        A file is not the one that was generated.
    """
    released = sum(shard.rows for shard in shards)
    chosen = np.arange(released)
    if released > rows:
        chosen = np.sort(generator(seed, "assess/sample").choice(released, size=rows, replace=False))
    pieces, first = [arrow_schema(schema).empty_table()], 0
    for shard in shards:
        wanted = chosen[(chosen >= first) & (chosen < first + shard.rows)] - first
        first += shard.rows
        if wanted.size == 0:
            continue
        with world.objects.fetch(shard.key) as path:
            if file_hash(path) != shard.sha256:
                raise ConflictError(
                    Problem(shard.key, "it is not the file that was generated", "Submit the job again.")
                )
            table = read_parts([path], schema)
        pieces.append(table if wanted.size == shard.rows else table.take(pa.array(wanted)))
    return pa.concat_tables(pieces)

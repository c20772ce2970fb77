"""Assess rows that a model made: prove them against the real ones, and write the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.parts import read_parts
from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.split import Rule
from synthcredit.evidence import assess as evidence_room
from synthcredit.evidence import seeds
from synthcredit.evidence.contamination import require_disjoint
from synthcredit.evidence.gate import judge
from synthcredit.evidence.model import Evidence, Level
from synthcredit.evidence.report import ReportContext, write_report
from synthcredit.jobs.job import Job
from synthcredit.jobs.planning import Plan
from synthcredit.packages import versions
from synthcredit.ports import World
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.steps.continuing import require_unseen
from synthcredit.steps.parts import Part, as_made, rows_of
from synthcredit.steps.sides import read_sides
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.fitting import Progress, silent
from synthcredit.synthesizers.protocol import load_model

PROOF_ROWS = 10_000
"""Rows that are measured at the least: what a few rows show is mostly chance, so the model shows more of them."""
_MORE = (
    "The {:,} rows were measured with {:,} more of the same model: few rows prove little, and privacy is measured on "
    "{} rows for each training row."
)


def assess_learned(
    job: Job, plan: Plan, parts: Sequence[Part], folder: Path, world: World, progress: Progress = silent
) -> Evidence:
    """Measure a job's rows; write report and plots into a folder."""
    training = plan.learned.training
    schema = training.table_schema
    train, holdout = read_sides(training, world)
    if training.split.rule is Rule.GIVEN:
        # A holdout that we cut ourselves has none of the rows that train.
        require_disjoint(train, holdout, schema)
    unread = require_unseen(training, holdout, world)
    synthetic, again, notes = _proof(job, plan, world, parts, train.num_rows)
    evidence = evidence_room.assess(
        synthetic, train, holdout, schema,
        seed=job.request.seed, rows_released=rows_of(parts), rows_asked=job.request.rows_wanted,
        level=job.request.evidence, again=again, steering=plan.steering, data_docs=folder / "data_docs",
        progress=progress,
    )  # fmt: skip
    evidence = evidence.model_copy(update={"notes": (*notes, *unread, *evidence.notes)})
    write_report(
        folder, evidence, judge(evidence, job.request.gate), _context(job, plan, world),
        synthetic=synthetic, train=train, holdout=holdout, schema=schema,
    )  # fmt: skip
    return evidence


def _context(job: Job, plan: Plan, world: World) -> ReportContext:
    training, model_id = plan.learned
    card = world.models.find(model_id)
    return ReportContext(
        job_id=job.job_id,
        dataset=training.dataset,
        synthesizer=training.synthesizer,
        model_id=model_id,
        rows=job.request.rows_wanted,
        seed=job.request.seed,
        created_at=job.created_at,
        licence=registry.family(training.synthesizer).licence,
        split=training.split.describe(),
        packages=card.packages if card else versions(),
        notices=plan.notices,
    )


def _proof(
    job: Job, plan: Plan, world: World, parts: Sequence[Part], train_rows: int
) -> tuple[pa.Table, list[pa.Table], tuple[str, ...]]:
    """Return the rows that are measured, what other seeds give, and a note where the first are not just the job's."""
    released, seed = rows_of(parts), job.request.seed
    wanted = max(evidence_room.rows_to_measure(released, train_rows), PROOF_ROWS)
    synthetic = read_sample(parts, plan.learned.training.table_schema, world, rows=wanted, seed=seed)
    notes: tuple[str, ...] = ()
    if synthetic.num_rows < released:
        notes = (f"Measured on a random sample of {synthetic.num_rows:,} of the {released:,} rows.",)
    with world.models.fetch(plan.learned.model_id) as file:
        model = load_model(file)
        if released < wanted:
            first = -(-job.request.rows_wanted // BLOCK_ROWS) * BLOCK_ROWS
            more = model.sample(wanted - released, seed, first_row=first, steering=plan.steering)
            synthetic = pa.concat_tables([synthetic, pa.Table.from_batches(more)])
            notes = (_MORE.format(released, wanted - released, evidence_room.ROWS_A_TRAINING_ROW),)
        again = []
        if job.request.evidence is Level.STANDARD:
            rows = min(synthetic.num_rows, seeds.MOST_ROWS)
            others = generator(seed, "assess/seeds").integers(2**62, size=seeds.SEEDS - 1)
            again = [pa.Table.from_batches(model.sample(rows, int(other), steering=plan.steering)) for other in others]
    return synthetic, again, notes


def read_sample(parts: Sequence[Part], schema: TableSchema, world: World, *, rows: int, seed: int) -> pa.Table:
    """Read a job's rows, or a seeded simple random sample of ``rows`` of them, under the original column names.

    Raises
    ------
    ConflictError
        A file is not the one that was generated.
    """
    released = rows_of(parts)
    chosen = np.arange(released)
    if released > rows:
        chosen = np.sort(generator(seed, "assess/sample").choice(released, size=rows, replace=False))
    pieces, first = [arrow_schema(schema).empty_table()], 0
    for part in parts:
        wanted = chosen[(chosen >= first) & (chosen < first + part.rows)] - first
        first += part.rows
        if wanted.size == 0:
            continue
        with as_made(part, world) as path:
            table = read_parts([path], schema)
        pieces.append(table if wanted.size == part.rows else table.take(pa.array(wanted)))
    return pa.concat_tables(pieces)

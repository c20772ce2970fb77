"""Load: a job's published tables into a database; what is published stays, whatever becomes of this."""

from __future__ import annotations

import json
from contextlib import ExitStack

from pydantic import BaseModel, ConfigDict

from synthcredit.datasets.schema import DatasetSchema, Relation
from synthcredit.errors import InvalidInputError, Problem, StoppedError, SynthcreditError
from synthcredit.jobs.job import LOAD
from synthcredit.jobs.planning import Plan
from synthcredit.ports import Deliver, Delivery, ObjectStore, PublishedTable, Summary, World
from synthcredit.steps.files import (
    SCHEMA_FILE,
    TYPES_FILE,
    job_key,
    published_tables,
    read_document,
    write_document,
)
from synthcredit.steps.remaining import OnJob, Told
from synthcredit.steps.standing import step, still_published
from synthcredit.synthesizers.fitting import Progress, silent

NOTE = "load.json"
"""What was loaded, beside the job's other documents."""


class LoadedTable(BaseModel):
    """What became of one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    already: int
    seconds: float


class Loaded(BaseModel):
    """What is in the database of a job, by the last load; rows of an attempt before it count as already there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str
    tables: tuple[LoadedTable, ...]


def load(job_id: str, world: World, deliver: Deliver, progress: Progress = silent, *, to: str | None = None) -> Summary:
    """Load what a job has published into a database; twice is as once.

    Parameters
    ----------
    job_id, world
        The job, and where it is.
    deliver
        Puts tables into a database; each part once, so that a load that was killed goes on.
    progress
        Hears how far it is.
    to
        The database; the request's where None.

    Raises
    ------
    SynthcreditError
        What `synthcredit.stores.deliver` raises, and that the rows are published all the same.
    StoppedError
        The job was stopped.
    """
    with step(world, job_id, LOAD) as job, ExitStack() as stack:
        named = to or (job.request.to and job.request.to.named)
        if not named:
            raise InvalidInputError(Problem("to", "no database is named", "Name one in the request."))
        plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
        tables = _delivery(job_id, published_tables(job_id, plan), world.objects, stack)
        told = Told(progress, OnJob(job_id, world, step=LOAD), step=LOAD)
        try:
            summary = deliver(named, tables, progress=told)
        except StoppedError:
            raise
        except SynthcreditError as error:
            raise still_published(error) from None
        write_document(world.objects, job_key(job_id, NOTE), _note(summary))
        return summary


def _delivery(job_id: str, tables: list[PublishedTable], objects: ObjectStore, stack: ExitStack) -> Delivery:
    schema = DatasetSchema(
        tables=tuple(table.schema for table in tables),
        relations=_relations(job_id, {table.schema.name for table in tables}, objects),
    )
    parts = {
        table.schema.name: tuple(
            stack.enter_context(objects.fetch(key)) for key in objects.keys(table.prefix) if key.endswith(".parquet")
        )
        for table in tables
    }
    return Delivery(job_id, schema, parts, _types(job_id, set(parts), objects))


def _relations(job_id: str, tables: set[str], objects: ObjectStore) -> tuple[Relation, ...]:
    """Return how the tables hang together, where the job has said so."""
    key = job_key(job_id, SCHEMA_FILE)
    if not objects.exists(key):
        return ()
    declared = read_document(objects, key, DatasetSchema).relations
    return tuple(one for one in declared if {one.parent, one.child} <= tables)


def _types(job_id: str, tables: set[str], objects: ObjectStore) -> dict[str, dict[str, dict[str, str]]]:
    """Return the exact SQL types of columns, where the job has declared some."""
    key = job_key(job_id, TYPES_FILE)
    if not objects.exists(key):
        return {}
    with objects.fetch(key) as path:
        declared = json.loads(path.read_bytes())
    return {name: types for name, types in declared.items() if name in tables}


def _note(summary: Summary) -> Loaded:
    return Loaded(
        store=summary.store,
        tables=tuple(
            LoadedTable(name=one.name, rows=one.rows, already=one.already, seconds=round(one.seconds, 3))
            for one in summary.tables
        ),
    )

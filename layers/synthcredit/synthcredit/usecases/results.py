"""Fetch what came of a job: links to its files, and how to ask for its rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.errors import GoneError, NotFoundError, NotReadyError, Problem
from synthcredit.jobs.job import Job, State, now
from synthcredit.jobs.manifest import Manifest, Output
from synthcredit.jobs.planning import Plan
from synthcredit.jobs.request import Format
from synthcredit.ports import Links, World
from synthcredit.signing import SUFFIX
from synthcredit.steps.files import SCHEMA_FILE, TYPES_FILE, job_key, job_prefix, published_tables, read_document

MAX_DATA_LINKS = 500
"""Links to data files in one answer; Lambda answers with 6 MB at the most, and a link takes 2 KB."""

_DOCUMENTS = ("report.html", "evidence.json", "manifest.json", f"manifest.json{SUFFIX}", SCHEMA_FILE, TYPES_FILE)
_SAMPLE_ROWS = 10


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class FileLink(_Model):
    """Where one file can be read for a while, without any other right."""

    name: Annotated[str, Field(description="Its place below the job, e.g. data/applicants/part-00000.parquet.")]
    url: str
    expires_at: datetime
    rows: int | None = None
    size: Annotated[int | None, Field(description="In bytes, of a data file.")] = None
    sha256: Annotated[str | None, Field(description="In hex, of a data file.")] = None


class LakeTable(_Model):
    """The job's rows in the lake: one partition of a table."""

    database: str
    name: str
    partition: Annotated[str, Field(description="What the job's rows have in common: job=<job_id>.")]


class Results(_Model):
    """What came of a job."""

    job_id: str
    state: State
    rows: int | None
    files: Annotated[
        tuple[FileLink, ...], Field(description="Report, evidence, manifest, plots, then the data in its parts.")
    ]
    data_uri: Annotated[str, Field(description="Where all data files are, for those who may read the lake.")]
    data_files_left_out: Annotated[int, Field(description="Data files beyond the first 500; read them at data_uri.")]
    table: Annotated[LakeTable | None, Field(description="Where Parquet was asked for, the rows as a table.")] = None
    tables: Annotated[tuple[LakeTable, ...], Field(description="All tables, of which `table` is the first.")] = ()
    sql: Annotated[str | None, Field(description="A question that Athena answers with the first rows.")] = None


def results(job_id: str, world: World, links: Links, *, database: str) -> Results:
    """Return links to a job's files; of one that failed, to what there is to learn from.

    Raises
    ------
    NotFoundError
        There is no such job, or it ended before it had made anything.
    NotReadyError
        The job is not closed yet.
    GoneError
        Its files have been cleared away.
    """
    job = world.jobs.get(job_id)
    if not job.state.closed:
        raise NotReadyError(
            Problem(
                f"job {job_id}",
                f"it is {job.state}, at step {job.step}",
                f"Ask again when GET /jobs/{job_id} says succeeded.",
            )
        )
    outputs = _outputs(job, world) if job.published else ()
    until = now() + timedelta(seconds=links.seconds)
    shown = [_link(key, job_id, links, until) for key in _documents(job_id, world)]
    if not shown:
        raise NotFoundError(
            Problem(f"job {job_id}", "it ended before it had made anything", f"See `failure` of GET /jobs/{job_id}.")
        )
    shown += [_link(job_prefix(job_id) + o.name, job_id, links, until, o) for o in outputs[:MAX_DATA_LINKS]]
    tables = _tables(job, world, database) if outputs and Format.PARQUET in job.request.deliver else ()
    return Results(
        job_id=job_id,
        state=job.state,
        rows=job.rows,
        files=tuple(shown),
        data_uri=world.objects.link(job_key(job_id, "data/")),
        data_files_left_out=max(0, len(outputs) - MAX_DATA_LINKS),
        table=tables[0] if tables else None,
        tables=tables,
        sql=_select(tables[0]) if tables else None,
    )


def _outputs(job: Job, world: World) -> tuple[Output, ...]:
    """Return the data files of a job that has succeeded."""
    gone = GoneError(
        Problem(f"job {job.job_id}", "its files have been cleared away", "Submit the request again under a new key.")
    )
    try:
        manifest = read_document(world.objects, job_key(job.job_id, "manifest.json"), Manifest)
    except NotFoundError:
        raise gone from None
    if not world.objects.exists(job_prefix(job.job_id) + manifest.outputs[0].name):
        raise gone
    return manifest.outputs


def _documents(job_id: str, world: World) -> Iterator[str]:
    yield from filter(world.objects.exists, (job_key(job_id, name) for name in _DOCUMENTS))
    yield from world.objects.keys(job_key(job_id, "plots/"))


def _link(key: str, job_id: str, links: Links, until: datetime, output: Output | None = None) -> FileLink:
    name, url = key.removeprefix(job_prefix(job_id)), links.download(key)
    if output is None:
        return FileLink(name=name, url=url, expires_at=until)
    return FileLink(name=name, url=url, expires_at=until, rows=output.rows, size=output.size, sha256=output.sha256)


def _tables(job: Job, world: World, database: str) -> tuple[LakeTable, ...]:
    plan = read_document(world.objects, job_key(job.job_id, "plan.json"), Plan)
    return tuple(
        LakeTable(database=database, name=table.name, partition=f"{table.partition}={job.job_id}")
        for table in published_tables(job.job_id, plan)
    )


def _select(table: LakeTable) -> str:
    column, _, value = table.partition.partition("=")
    # The names are ours: snake case and hex, so that nothing needs escaping.
    return (
        f'SELECT * FROM "{table.database}"."{table.name}" '  # noqa: S608
        f"WHERE {column} = '{value}' LIMIT {_SAMPLE_ROWS}"
    )

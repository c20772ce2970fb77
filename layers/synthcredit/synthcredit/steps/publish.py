"""Publish: the forms that were asked for, the manifest, and one registration that makes it all visible."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from synthcredit.datasets import write
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import StoppedError
from synthcredit.evidence.gate import judge
from synthcredit.evidence.model import Evidence
from synthcredit.hashing import file_hash
from synthcredit.jobs.job import Job
from synthcredit.jobs.manifest import Manifest, Output, dataset_hash
from synthcredit.jobs.planning import Plan
from synthcredit.jobs.request import Format
from synthcredit.packages import versions
from synthcredit.ports import World
from synthcredit.signing import SUFFIX
from synthcredit.steps.files import (
    SCHEMA_FILE,
    TYPES_FILE,
    job_key,
    job_prefix,
    published_tables,
    read_document,
    write_document,
)
from synthcredit.steps.parts import Part, parts_of, rows_of
from synthcredit.steps.sources import source_of
from synthcredit.steps.standing import step

log = logging.getLogger("synthcredit.steps")

_PROOF = ("report.html", "evidence.json")
_ALSO_SHOWN = (*_PROOF, SCHEMA_FILE, TYPES_FILE, "manifest.json", f"manifest.json{SUFFIX}", "run.log")


def publish(job_id: str, world: World) -> dict[str, str]:
    """Deliver a job's data; return where each table and file is.

    Raises
    ------
    StorageError
        There is no room, or no right to write; nothing is visible then.
    """
    with step(world, job_id, "publish") as job:
        plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
        parts = parts_of(job_id, plan, world)
        forms = [form for form in job.request.deliver if form != Format.PARQUET]
        converted = [_convert(form, table, job_id, parts, world) for form in forms for table in plan.tables]
        parquet = [_output(part) for part in parts] if Format.PARQUET in job.request.deliver else []
        evidence = read_document(world.objects, job_key(job_id, "evidence.json"), Evidence)
        source = source_of(job.request)
        manifest = _manifest(job, parts, [*parquet, *converted], evidence, source.provenance(plan, world))
        manifest = manifest.model_copy(update={"documents": tuple(_document(job_id, name, world) for name in _PROOF)})
        _write_signed(job_key(job_id, "manifest.json"), manifest, world)
        tables = published_tables(job_id, plan) if parquet else []
        places = world.catalogue.register(job_id, tables, _shown(job_id, converted, world))
        source.released(job, plan, evidence, world)
        log.info(
            "publish: %s rows of %d tables in %d files", f"{rows_of(parts):,}", len(plan.tables), len(manifest.outputs)
        )
        done = {"results": places, "rows_published": rows_of(parts)}
        try:
            world.jobs.update(world.jobs.get(job_id).model_copy(update=done))
        except StoppedError:
            # Stopped while this step was at work: whoever stopped it must not find it published.
            world.catalogue.withdraw(job_id, tables)
            raise
        return places


def _document(job_id: str, name: str, world: World) -> Output:
    with world.objects.fetch(job_key(job_id, name)) as path:
        return Output(name=name, size=path.stat().st_size, sha256=file_hash(path))


def _write_signed(key: str, manifest: Manifest, world: World) -> None:
    write_document(world.objects, key, manifest)
    if world.signer is not None:
        with world.objects.fetch(key) as path:
            signature = world.signer.sign(path.read_bytes())
        write_document(world.objects, f"{key}{SUFFIX}", signature)


def _shown(job_id: str, converted: Sequence[Output], world: World) -> list[str]:
    keys = [job_key(job_id, name) for name in (*_ALSO_SHOWN, *(output.name for output in converted))]
    return [*filter(world.objects.exists, keys), *world.objects.keys(job_key(job_id, "plots/"))]


def _output(part: Part) -> Output:
    # The name is the place below the job: data/<table>/<part>.
    name = "/".join(part.key.split("/")[2:])
    return Output(name=name, rows=part.rows, size=part.size, sha256=part.sha256)


def _convert(form: Format, schema: TableSchema, job_id: str, parts: Sequence[Part], world: World) -> Output:
    own = [part for part in parts if part.table == schema.name]
    name = f"data/{schema.name}.{form}"
    with ExitStack() as stack:
        files = [stack.enter_context(world.objects.fetch(part.key)) for part in own]
        folder = stack.enter_context(world.objects.scratch())
        path = folder / f"{schema.name}.{form}"
        write.write_tables(files, schema, form, path)
        output = Output(name=name, rows=rows_of(own), size=path.stat().st_size, sha256=file_hash(path))
        world.objects.put(path, job_prefix(job_id) + name)
    return output


def _manifest(
    job: Job, parts: Sequence[Part], outputs: Sequence[Output], evidence: Evidence, provenance: dict[str, Any]
) -> Manifest:
    return Manifest(
        job_id=job.job_id,
        created_at=job.created_at,
        request=job.request,
        request_hash=job.request.digest,
        seed=job.request.seed,
        rows=rows_of(parts),
        dataset_hash=dataset_hash(part.sha256 for part in parts),
        outputs=tuple(outputs),
        findings=tuple(judge(evidence, job.request.gate)),
        packages=versions(),
        **provenance,
    )

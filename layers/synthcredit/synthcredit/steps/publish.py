"""Publish: the forms that were asked for, the manifest, and one registration that makes it all visible."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from synthcredit.datasets import write
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
from synthcredit.steps.files import job_key, job_prefix, published_tables, read_document, write_document
from synthcredit.steps.generate import ShardResult, result_key
from synthcredit.steps.standing import step
from synthcredit.synthesizers.card import ModelCard

_PROOF = ("report.html", "evidence.json")
_ALSO_SHOWN = (*_PROOF, "manifest.json", f"manifest.json{SUFFIX}", "run.log")


def publish(job_id: str, world: World) -> dict[str, str]:
    """Deliver a job's data; return where each table and file is.

    Raises
    ------
    StorageError
        There is no room, or no right to write; nothing is visible then.
    """
    with step(world, job_id, "publish") as job:
        plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
        shards = [read_document(world.objects, result_key(job_id, s.number), ShardResult) for s in plan.shards]
        converted = [_convert(form, job, plan, shards, world) for form in job.request.deliver if form != Format.PARQUET]
        parquet = [_output(shard) for shard in shards] if Format.PARQUET in job.request.deliver else []
        evidence = read_document(world.objects, job_key(job_id, "evidence.json"), Evidence)
        manifest = _manifest(job, plan, shards, [*parquet, *converted], evidence, world.models.find(plan.model_id))
        manifest = manifest.model_copy(update={"documents": tuple(_document(job_id, name, world) for name in _PROOF)})
        _write_signed(job_key(job_id, "manifest.json"), manifest, world)
        tables = published_tables(job_id, plan) if parquet else []
        places = world.catalogue.register(job_id, tables, _shown(job_id, converted, world))
        scores = {
            str(measure.name): measure.value
            for measure in (*evidence.fidelity, *evidence.utility)
            if measure.value is not None
        }
        world.models.note_release(plan.model_id, job_id, job.request.rows, scores)
        try:
            world.jobs.update(world.jobs.get(job_id).model_copy(update={"results": places}))
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


def _output(shard: ShardResult) -> Output:
    # The name is the place below the job: data/<table>/<part>.
    name = "/".join(shard.key.split("/")[2:])
    return Output(name=name, rows=shard.rows, size=shard.size, sha256=shard.sha256)


def _convert(form: Format, job: Job, plan: Plan, shards: Sequence[ShardResult], world: World) -> Output:
    schema = plan.training.table_schema
    name = f"data/{schema.name}.{form}"
    with ExitStack() as stack:
        parts = [stack.enter_context(world.objects.fetch(shard.key)) for shard in shards]
        folder = stack.enter_context(world.objects.scratch())
        path = folder / f"{schema.name}.{form}"
        write.write_tables(parts, schema, form, path)
        output = Output(name=name, rows=job.request.rows, size=path.stat().st_size, sha256=file_hash(path))
        world.objects.put(path, job_prefix(job.job_id) + name)
    return output


def _manifest(
    job: Job,
    plan: Plan,
    shards: Sequence[ShardResult],
    outputs: Sequence[Output],
    evidence: Evidence,
    card: ModelCard | None,
) -> Manifest:
    training = plan.training
    return Manifest(
        job_id=job.job_id,
        created_at=job.created_at,
        request=job.request,
        request_hash=job.request.digest,
        data_hash=training.data_hash,
        schema_fingerprint=training.table_schema.fingerprint,
        split=training.split,
        model_id=plan.model_id,
        model_hash=card.model_hash if card else "",
        model_reused=not plan.train,
        seed=job.request.seed,
        rows=job.request.rows,
        steering=plan.steering,
        dataset_hash=dataset_hash(shard.sha256 for shard in shards),
        outputs=tuple(outputs),
        findings=tuple(judge(evidence, job.request.gate)),
        packages=versions(),
    )

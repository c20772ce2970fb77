"""Generate: one shard of synthetic rows from the model, alone and restartable."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.datasets import write
from synthcredit.hashing import file_hash
from synthcredit.jobs.planning import Plan
from synthcredit.ports import World
from synthcredit.steps.files import data_prefix, job_key, read_document, write_document
from synthcredit.steps.standing import require_open
from synthcredit.synthesizers.protocol import load_model


class ShardResult(BaseModel):
    """What one shard wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    rows: int
    size: Annotated[int, Field(description="In bytes.")]
    sha256: str


def generate(job_id: str, shard: int, world: World) -> ShardResult:
    """Generate one shard; one that is there already is left as it is.

    The rows depend on the model, the seed and their position only. They are never compared with training rows.
    """
    plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
    note = result_key(job_id, shard)
    if world.objects.exists(note):
        return read_document(world.objects, note, ShardResult)
    seed = world.jobs.get(job_id).request.seed
    piece = plan.shards[shard]
    key = data_prefix(job_id, plan.training.table_schema.name) + piece.file
    with world.models.fetch(plan.model_id) as file, world.objects.scratch() as folder:
        model = load_model(file)
        part = folder / piece.file
        batches = model.sample(piece.rows, seed, first_row=piece.first_row, steering=plan.steering)
        rows = write.write_part(batches, model.schema, part)
        result = ShardResult(key=key, rows=rows, size=part.stat().st_size, sha256=file_hash(part))
        # A job that was closed while this was made has had its rows taken away; none may come after.
        require_open(world, job_id)
        world.objects.put(part, key)
    # The note comes last: a shard that was killed before it is made again, the same to the byte.
    write_document(world.objects, note, result)
    return result


def result_key(job_id: str, shard: int) -> str:
    """Return the key of the note on a finished shard."""
    return job_key(job_id, f"shards/{shard:05d}.json")

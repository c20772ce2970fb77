"""Generate: one shard of the rows, deterministic and restartable."""

from __future__ import annotations

from synthcredit.hashing import file_hash
from synthcredit.jobs.planning import Plan
from synthcredit.ports import World
from synthcredit.steps.files import data_prefix, job_key, read_document, write_document
from synthcredit.steps.parts import Part, ShardNote, note_key
from synthcredit.steps.sources import source_of
from synthcredit.steps.standing import require_open


def generate(job_id: str, shard: int, world: World) -> ShardNote:
    """Generate one shard, a part file a table; one that is there already is left as it is.

    The rows depend on what the plan says, the seed and their position only.
    """
    plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
    note = note_key(job_id, shard)
    if world.objects.exists(note):
        return read_document(world.objects, note, ShardNote)
    job, piece = world.jobs.get(job_id), plan.shards[shard]
    with world.objects.scratch() as folder:
        made = list(source_of(job.request).generate(job, plan, piece, folder, world))
        parts = tuple(
            Part(
                table=one.table,
                key=data_prefix(job_id, one.table) + piece.file,
                rows=one.rows,
                size=one.path.stat().st_size,
                sha256=file_hash(one.path),
            )
            for one in made
        )
        # A job that was closed while this was made has had its rows taken away; none may come after.
        require_open(world, job_id)
        for one, part in zip(made, parts, strict=True):
            world.objects.put(one.path, part.key)
    # The note comes last: a shard that was killed before it is made again, the same to the byte.
    written = ShardNote(parts=parts)
    write_document(world.objects, note, written)
    return written

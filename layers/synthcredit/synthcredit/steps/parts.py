"""The part files of a job: what each shard notes of those that it has made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.errors import ConflictError, Problem
from synthcredit.hashing import file_hash
from synthcredit.jobs.planning import Plan
from synthcredit.ports import World
from synthcredit.steps.files import job_key, read_document


class Part(BaseModel):
    """One part file of one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    key: str
    rows: int
    size: Annotated[int, Field(description="In bytes.")]
    sha256: str


class ShardNote(BaseModel):
    """What one shard wrote."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...]


def note_key(job_id: str, shard: int) -> str:
    """Return the key of the note on a finished shard."""
    return job_key(job_id, f"shards/{shard:05d}.json")


def parts_of(job_id: str, plan: Plan, world: World) -> tuple[Part, ...]:
    """Return all part files of a job, shard by shard."""
    notes = (read_document(world.objects, note_key(job_id, shard.number), ShardNote) for shard in plan.shards)
    return tuple(part for note in notes for part in note.parts)


def rows_of(parts: Sequence[Part]) -> int:
    """Return the rows of part files together."""
    return sum(part.rows for part in parts)


@contextmanager
def as_made(part: Part, world: World) -> Iterator[Path]:
    """Give a local path to read a part file.

    Raises
    ------
    ConflictError
        It is not the file that was generated.
    """
    with world.objects.fetch(part.key) as path:
        if file_hash(path) != part.sha256:
            raise ConflictError(Problem(part.key, "it is not the file that was generated", "Submit the job again."))
        yield path

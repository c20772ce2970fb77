"""Fail: close a job that could not be finished, and take back what it made."""

from __future__ import annotations

from synthcredit.errors import StoppedError, SynthcreditError
from synthcredit.jobs.job import Failure, Job, State, now
from synthcredit.ports import World
from synthcredit.steps.files import data_prefix, job_key

ANNOUNCED = 10
"""Problems named in the event, which has to stay small; the job holds them all."""


def fail(job_id: str, error: SynthcreditError, world: World) -> Job:
    """Close a job with the reason, and delete its rows.

    Rows that were not let through the gate must not lie about; the report and the evidence stay, to learn from.
    """
    job = world.jobs.get(job_id)
    stopped = isinstance(error, StoppedError)
    failure = Failure(
        step=job.step,
        error=error.name,
        problems=tuple({"field": p.field, "problem": p.problem, "fix": p.fix} for p in error.problems),
    )
    closed = job.model_copy(
        update={"state": State.STOPPED if stopped else State.FAILED, "updated_at": now(), "failure": failure}
    )
    world.jobs.update(closed)
    world.objects.delete(data_prefix(job_id))
    world.objects.delete(job_key(job_id, "shards/"))
    announced = failure.model_copy(update={"problems": failure.problems[:ANNOUNCED]})
    world.events.emit("JobStopped" if stopped else "JobFailed", {"job_id": job_id, **announced.model_dump(mode="json")})
    return closed

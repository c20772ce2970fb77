"""Claim: one job for one idempotency key, however often the request arrives."""

from __future__ import annotations

from synthcredit.errors import ConflictError, Problem, StoppedError
from synthcredit.jobs.job import Job, State, job_id_for, now
from synthcredit.jobs.request import JobRequest
from synthcredit.ports import World


def claim(request: JobRequest, world: World, *, caller: str, key: str) -> tuple[Job, bool]:
    """Put a job for a request, unless there is one.

    Parameters
    ----------
    request
        What is asked.
    world
        Where jobs are kept.
    caller, key
        Who asks, and the key under which the same request may arrive again.

    Returns
    -------
    job, new
        The job as it stands, and whether it was put now.

    Raises
    ------
    ConflictError
        The key was used for another request.
    """
    created = now()
    job = Job(job_id=job_id_for(caller, key), caller=caller, request=request, created_at=created, updated_at=created)
    if world.jobs.create(job):
        world.events.emit("JobAccepted", {"job_id": job.job_id, **request.asked})
        return job, True
    standing = world.jobs.get(job.job_id)
    if standing.request.digest != request.digest:
        raise ConflictError(
            Problem(
                "idempotency key",
                f"it was used for another request (job {standing.job_id})",
                "Use a new key for a new request, or send the first request unchanged.",
            )
        )
    return standing, False


def take(job_id: str, world: World) -> Job:
    """Take a job up, as the first thing that its execution does; twice is as once.

    Raises
    ------
    NotFoundError
        There is no such job.
    StoppedError
        The job is closed: nothing is left to do.
    """
    job = world.jobs.get(job_id)
    if job.state.closed:
        raise StoppedError(Problem(f"job {job_id}", f"it is {job.state} already", "Submit it again under a new key."))
    taken = job.model_copy(update={"state": State.RUNNING, "updated_at": now()})
    world.jobs.update(taken)
    return taken

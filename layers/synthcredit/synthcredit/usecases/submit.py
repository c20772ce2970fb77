"""Submit a request: check it, put a job for it, start its execution."""

from __future__ import annotations

from synthcredit.errors import NotFoundError
from synthcredit.jobs.job import Job, State, job_id_for
from synthcredit.jobs.request import JobRequest
from synthcredit.ports import Executions, World
from synthcredit.steps.claim import claim
from synthcredit.usecases.estimate import Desk, estimate


def submit(request: JobRequest, desk: Desk, executions: Executions, *, caller: str, key: str) -> tuple[Job, bool]:
    """Put a job for a request and start it; the same request under the same key again finds the same job.

    Parameters
    ----------
    request
        What is asked.
    desk
        What is needed to check it.
    executions
        Runs the job.
    caller, key
        Who asks, and the key under which the same request may arrive again.

    Returns
    -------
    job, new
        The job as it stands, and whether it was put now.

    Raises
    ------
    InvalidInputError
        It asks for too much, or what it names does not fit; everything at once.
    NotFoundError
        The data or the model that it names does not exist.
    ConflictError
        The key was used for another request.
    """
    # A request that was accepted once is not checked again: its data may be gone by now, and the job is done.
    if not _stands(job_id_for(caller, key), desk.world):
        estimate(request, desk)
    job, new = claim(request, desk.world, caller=caller, key=key)
    if job.state is State.ACCEPTED:
        # Again where the first attempt put the job and could not start it: starting twice is starting once.
        executions.start(job.job_id)
    return job, new


def _stands(job_id: str, world: World) -> bool:
    try:
        world.jobs.get(job_id)
    except NotFoundError:
        return False
    return True

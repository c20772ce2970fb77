"""Stop a job."""

from __future__ import annotations

from synthcredit.answers import stopped
from synthcredit.jobs.job import Job, State
from synthcredit.ports import Executions, World
from synthcredit.steps.fail import fail
from synthcredit.steps.standing import failure_of


def stop(job_id: str, world: World, executions: Executions, *, caller: str) -> Job:
    """Stop a job; one that is closed stays as it is.

    A job that nothing runs yet is closed here. For one that runs, who stopped it is noted on it and its execution is
    ended; what follows from that closes it and clears its rows away.

    Raises
    ------
    NotFoundError
        There is no such job.
    """
    job = world.jobs.get(job_id)
    if job.state.closed:
        return job
    reason = stopped(job, caller)
    if job.state is State.ACCEPTED:
        closed = fail(job_id, reason, world)
        executions.stop(job_id)
        return closed
    noted = job.model_copy(update={"failure": failure_of(job.step, reason)})
    world.jobs.update(noted)
    executions.stop(job_id)
    return noted

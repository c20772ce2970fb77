"""End a job whose execution did not come to its own end."""

from __future__ import annotations

from collections.abc import Callable

from synthcredit.errors import StoppedError, SynthcreditError
from synthcredit.jobs.job import Job
from synthcredit.ports import World
from synthcredit.steps.fail import fail


def end(job_id: str, reason: Callable[[Job], SynthcreditError], world: World) -> tuple[Job, bool]:
    """Close a job for a reason that is worked out from how it stands; a job that is closed stays as it is.

    Returns
    -------
    job, now
        The job, and whether it was closed now.

    Raises
    ------
    NotFoundError
        There is no such job.
    """
    job = world.jobs.get(job_id)
    if job.state.closed:
        return job, False
    try:
        return fail(job_id, reason(job), world), True
    except StoppedError:
        # Closed meanwhile, by somebody who was told of the same end.
        return world.jobs.get(job_id), False

"""Notify: say that the job has succeeded."""

from __future__ import annotations

from synthcredit.jobs.job import Job, State, now
from synthcredit.ports import World


def notify(job_id: str, world: World) -> Job:
    """Close a job that has published its data and announce it; twice is as once but for the event."""
    job = world.jobs.get(job_id)
    closed = job.model_copy(update={"state": State.SUCCEEDED, "step": "notify", "updated_at": now()})
    world.jobs.update(closed)
    world.events.emit("JobSucceeded", {"job_id": job_id, "rows": job.rows, "results": job.results})
    return closed

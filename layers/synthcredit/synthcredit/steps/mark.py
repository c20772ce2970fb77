"""Mark: note that a step on many machines begins, or has ended."""

from __future__ import annotations

from typing import Literal

from synthcredit.jobs.job import now
from synthcredit.ports import World
from synthcredit.steps.standing import begin, end

Phase = Literal["begin", "end"]


def mark(job_id: str, step: str, phase: Phase, world: World) -> None:
    """Note the begin or the end of a step that no single process sees whole; twice is as once.

    Raises
    ------
    StoppedError
        The job was stopped.
    """
    if phase == "begin":
        begin(world, job_id, step)
        return
    job = world.jobs.get(job_id)
    end(world, job_id, step, (now() - job.updated_at).total_seconds())

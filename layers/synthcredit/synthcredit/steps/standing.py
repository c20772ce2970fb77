"""Keeping a job's standing up to date around each step."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from synthcredit.errors import Problem, StoppedError
from synthcredit.jobs.job import Job, State, now
from synthcredit.ports import World

log = logging.getLogger("synthcredit.steps")


@contextmanager
def step(world: World, job_id: str, name: str) -> Iterator[Job]:
    """Note that a step runs, and how long it took.

    Raises
    ------
    StoppedError
        The job was stopped before this step.
    """
    job = world.jobs.get(job_id)
    if job.state is State.STOPPED:
        raise StoppedError(Problem(f"job {job_id}", "it was stopped", "Submit it again to run it."))
    world.jobs.update(job.model_copy(update={"state": State.RUNNING, "step": name, "updated_at": now()}))
    world.events.emit("JobProgressed", {"job_id": job_id, "step": name})
    log.info("%s: begins", name)
    begun = time.perf_counter()
    yield job
    seconds = round(time.perf_counter() - begun, 3)
    job = world.jobs.get(job_id)
    world.jobs.update(job.model_copy(update={"seconds": {**job.seconds, name: seconds}, "updated_at": now()}))
    log.info("%s: done in %.1f s", name, seconds)

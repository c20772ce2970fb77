"""Keeping a job's standing up to date around each step."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from synthcredit.errors import Problem, StoppedError, SynthcreditError
from synthcredit.jobs.job import Failure, Job, State, now
from synthcredit.ports import World

log = logging.getLogger("synthcredit.steps")


@contextmanager
def step(world: World, job_id: str, name: str) -> Iterator[Job]:
    """Note that a step runs, how long it took, and why it failed if it did.

    The reason is kept on the job, since a state machine hands on no more than the error's name and text.

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
    try:
        yield job
    except StoppedError:
        raise
    except SynthcreditError as error:
        world.jobs.update(world.jobs.get(job_id).model_copy(update={"failure": failure_of(name, error)}))
        raise
    seconds = round(time.perf_counter() - begun, 3)
    job = world.jobs.get(job_id)
    done = {"seconds": {**job.seconds, name: seconds}, "updated_at": now(), "failure": None}
    world.jobs.update(job.model_copy(update=done))
    log.info("%s: done in %.1f s", name, seconds)


def failure_of(step_name: str, error: SynthcreditError) -> Failure:
    """Return what a job keeps of an error."""
    problems = tuple({"field": p.field, "problem": p.problem, "fix": p.fix} for p in error.problems)
    return Failure(step=step_name, error=error.name, problems=problems)

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

STILL_PUBLISHED = Problem(
    "database",
    "the rows are published all the same, and only the database lacks some",
    "Mend that. On one machine give the same command again; on the platform fetch the results, then: synthcredit load "
    "FOLDER --to URL.",
)
"""What is said wherever a database did not get what a job has published."""


@contextmanager
def step(world: World, job_id: str, name: str) -> Iterator[Job]:
    """Note that a step runs, how long it took, and why it failed if it did.

    Raises
    ------
    StoppedError
        The job was stopped before this step.
    """
    job = begin(world, job_id, name)
    begun = time.perf_counter()
    with noting_failure(world, job_id, name):
        yield job
    end(world, job_id, name, time.perf_counter() - begun)


def begin(world: World, job_id: str, name: str) -> Job:
    """Note that a step begins.

    Raises
    ------
    StoppedError
        The job was stopped.
    """
    job = require_open(world, job_id)
    running = job.model_copy(update={"state": State.RUNNING, "step": name, "progress": None, "updated_at": now()})
    world.jobs.update(running)
    world.events.emit("JobProgressed", {"job_id": job_id, "step": name})
    log.info("%s: begins", name)
    return running


def require_open(world: World, job_id: str) -> Job:
    """Return a job that may be worked on.

    Raises
    ------
    StoppedError
        It was stopped, or has failed elsewhere.
    """
    job = world.jobs.get(job_id)
    if job.state in (State.STOPPED, State.FAILED):
        closed = "it was stopped" if job.state is State.STOPPED else "it has failed"
        raise StoppedError(Problem(f"job {job_id}", closed, "Submit it again to run it."))
    return job


def end(world: World, job_id: str, name: str, seconds: float) -> None:
    """Note that a step is done, and how long it took."""
    job = world.jobs.get(job_id)
    done = {
        "seconds": {**job.seconds, name: round(seconds, 3)},
        "progress": None,
        "updated_at": now(),
        "failure": None,
    }
    world.jobs.update(job.model_copy(update=done))
    log.info("%s: done in %.1f s", name, seconds)


@contextmanager
def noting_failure(world: World, job_id: str, name: str) -> Iterator[None]:
    """Keep on the job why a step failed: a state machine hands on no more than the error's name and text."""
    try:
        yield
    except StoppedError:
        raise
    except SynthcreditError as error:
        world.jobs.update(world.jobs.get(job_id).model_copy(update={"failure": failure_of(name, error)}))
        raise


def failure_of(step_name: str, error: SynthcreditError) -> Failure:
    """Return what a job keeps of an error."""
    problems = tuple({"field": p.field, "problem": p.problem, "fix": p.fix} for p in error.problems)
    return Failure(step=step_name, error=error.name, problems=problems)


def still_published(error: SynthcreditError) -> SynthcreditError:
    """Return an error that also says that what was published stays; once is enough."""
    if STILL_PUBLISHED in error.problems:
        return error
    return type(error)([*error.problems, STILL_PUBLISHED])

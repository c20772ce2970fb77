"""Fail: close a job that could not be finished, and take back what it made."""

from __future__ import annotations

import json

from synthcredit.errors import StoppedError, SynthcreditError
from synthcredit.jobs.job import LOAD, Failure, Job, State, now
from synthcredit.jobs.planning import Plan
from synthcredit.ports import World
from synthcredit.steps.files import data_prefix, job_key, published_tables, read_document
from synthcredit.steps.standing import failure_of, still_published

ANNOUNCED = 10
"""Problems named in the event, which has to stay small; the job holds them all."""
ANNOUNCED_BYTES = 7_500
"""What they may take together, of the 8 KB that an event has."""
ANNOUNCED_TEXT = 400
"""Characters of one text. One problem is three, and a character takes 6 bytes at the most: one always fits."""


def fail(job_id: str, error: SynthcreditError, world: World) -> Job:
    """Close a job with the reason, and take its rows away; a job that is closed stays as it is.

    Rows that were not let through the gate must not lie about; the report and the evidence stay, to learn from. Rows
    that were published stay where only the database did not get them.
    """
    job = world.jobs.get(job_id)
    if job.state.closed:
        return job
    stopped = isinstance(error, StoppedError)
    if _published(job) and not stopped:
        return _close(job, State.FAILED, failure_of(LOAD, still_published(error)), world)
    plan = job_key(job_id, "plan.json")
    if world.objects.exists(plan):
        world.catalogue.withdraw(job_id, published_tables(job_id, read_document(world.objects, plan, Plan)))
    world.objects.delete(data_prefix(job_id))
    world.objects.delete(job_key(job_id, "shards/"))
    return _close(job, State.STOPPED if stopped else State.FAILED, failure_of(job.step, error), world)


def _published(job: Job) -> bool:
    """Tell whether a job has published, and a database is all that was left: also where that step did not begin."""
    return job.step == LOAD or (job.request.to is not None and "publish" in job.seconds)


def _close(job: Job, state: State, failure: Failure, world: World) -> Job:
    announce("JobStopped" if state is State.STOPPED else "JobFailed", job.job_id, failure, world)
    # Last: whoever is interrupted before it does all of it again.
    closed = job.model_copy(update={"state": state, "progress": None, "updated_at": now(), "failure": failure})
    world.jobs.update(closed)
    return closed


def announce(detail_type: str, job_id: str, failure: Failure, world: World) -> None:
    """Say that a job has failed or was stopped, and why, as far as an event has room for it."""
    problems = [{name: _short(text) for name, text in p.items()} for p in failure.problems[:ANNOUNCED]]
    while len(json.dumps(problems)) > ANNOUNCED_BYTES:
        problems.pop()
    detail = {"job_id": job_id, "step": failure.step, "error": failure.error, "problems": problems}
    world.events.emit(detail_type, detail)


def _short(text: str) -> str:
    return text if len(text) <= ANNOUNCED_TEXT else text[: ANNOUNCED_TEXT - 1] + "…"

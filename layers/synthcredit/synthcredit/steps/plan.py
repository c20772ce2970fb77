"""Plan: look at what is asked, cut the work into shards, and say where each step runs."""

from __future__ import annotations

import logging
from collections.abc import Callable

from synthcredit.errors import InvalidInputError, Problem, raise_all
from synthcredit.jobs.placement import Kind, Limits, Placement, Where, kind_of, over_budget, place, totals
from synthcredit.jobs.planning import Plan
from synthcredit.jobs.request import JobRequest
from synthcredit.jobs.speeds import Load
from synthcredit.ports import World
from synthcredit.steps.files import job_key, read_document, write_document
from synthcredit.steps.sources import source_of
from synthcredit.steps.standing import step

log = logging.getLogger("synthcredit.steps")


BYTES_A_VALUE = 8
"""What one value takes at most on disk, on average, in compressed Parquet."""

AskQuota = Callable[[Kind, str], int | None]
"""Tells how many instances an account may use: kind of SageMaker job, instance type."""


def plan(job_id: str, world: World, limits: Limits | None = None, quotas: AskQuota | None = None) -> Plan:
    """Plan a job; a plan that was made stays.

    Parameters
    ----------
    job_id
        The job.
    world
        Where data, models and jobs are.
    limits
        What the job may use of AWS; None where all steps run in one process.
    quotas
        Asked only about what the job would use.

    Raises
    ------
    InvalidInputError
        The data, the schema or the model do not do; everything found is said at once. Or the job would cost too much,
        or no machine can do it.
    """
    with step(world, job_id, "plan") as job:
        key = job_key(job_id, "plan.json")
        if world.objects.exists(key):
            made = read_document(world.objects, key, Plan)
        else:
            source = source_of(job.request)
            made = source.plan(job, world)
            load = source.load(job.request, made)
            _check_room(job.request, made, load, world)
            raise_all(over_budget(load) if limits is None else ())
            if limits is not None:
                placed = _place(load, limits, quotas, database=job.request.to is not None)
                made = made.model_copy(update={"placement": placed})
            write_document(world.objects, key, made)
            log.info("plan: %s; %d shards", made.reason, len(made.shards))
        if made.placement != job.placement:
            world.jobs.update(world.jobs.get(job_id).model_copy(update={"placement": made.placement}))
        return made


def _place(load: Load, limits: Limits, quotas: AskQuota | None, *, database: bool = False) -> tuple[Placement, ...]:
    chosen = place(load, limits, database=database)
    if quotas is not None:
        kinds = {kind_of(placement.step) for placement in chosen if placement.where is Where.SAGEMAKER}
        if kinds:
            names = [(kind, limits.instance(kind)) for kind in sorted(kinds)]
            chosen = place(load, limits, {name: quotas(*name) for name in names}, database=database)
    for placement in chosen:
        log.info("plan: %s on %s: %s", placement.step, placement.where, placement.why)
    seconds, cost = totals(chosen)
    log.info("plan: about %.0f s and $%.4f in all", seconds, cost)
    return chosen


def _check_room(request: JobRequest, made: Plan, load: Load, world: World) -> None:
    free = world.objects.free_bytes()
    # Once in the lake, and once more in each form that is delivered.
    needed = load.values * BYTES_A_VALUE * (1 + len(request.deliver))
    if free is not None and needed > free:
        raise InvalidInputError(
            Problem(
                load.field,
                f"{made.rows:,} rows may take {needed / 1e9:,.1f} GB and {free / 1e9:,.1f} GB are free",
                "Ask for fewer rows, or choose a place with more room.",
            )
        )

"""What every Lambda function of the platform shares: log, trace, metrics, and the world, each made once."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, cast

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from synthcredit.aws.clients import make_client
from synthcredit.aws.quotas import instance_quota
from synthcredit.aws.settings import Settings
from synthcredit.aws.world import open_executions, open_links, open_world
from synthcredit.jobs.job import Job, State
from synthcredit.jobs.placement import Kind, Limits
from synthcredit.ports import Executions, Links, Sources, World
from synthcredit.usecases.estimate import Desk

NAME = "synthcredit"

Handler = Callable[[Any, Any], Any]

logger = Logger(service=NAME)
"""Powertools gives its logger the service's name, so that it is the parent of all of the library's own
(``synthcredit.steps``, ...) and they log as it does."""
tracer = Tracer(service=NAME, patch_modules=("botocore",))
"""Off outside Lambda; inside, it follows whether the call is sampled."""
metrics = Metrics(namespace=NAME, service=NAME)

# Where a call is not traced, the SDK would warn of every part of it.
logging.getLogger("aws_xray_sdk").setLevel(logging.ERROR)
# A call without a metric is nothing to warn of.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def entry(handler: Handler) -> Handler:
    """Wrap a Lambda handler: the context in every line of the log, a trace, and metrics sent at the end.

    What goes in, comes out or is raised is kept out of trace and log: it may hold what nobody needs to read there.
    """
    traced = tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False)
    measured = metrics.log_metrics(traced)
    return cast("Handler", logger.inject_lambda_context(measured, clear_state=True))


def about(job_id: str) -> None:
    """Name the job in every line of the log from here to the end of the call."""
    logger.append_keys(job_id=job_id)


def count(name: str) -> None:
    """Count something once: ``JobsAccepted``, ``JobsSucceeded``, ``JobsFailed``, ``JobsStopped``, ``JobsRefused``."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)


def count_end(job: Job, now: bool) -> None:
    """Count that a job was closed, if it was closed now."""
    if now:
        count("JobsStopped" if job.state is State.STOPPED else "JobsFailed")


@cache
def settings() -> Settings:
    """Return the settings of this deployment."""
    return Settings.from_environment()


@cache
def world() -> World:
    """Return the ports on AWS."""
    return open_world(settings())


@cache
def executions() -> Executions:
    """Return the state machine."""
    return open_executions(settings())


@cache
def links() -> Links:
    """Return what makes links to S3."""
    return open_links(settings())


@cache
def limits() -> Limits:
    """Return what a job may use and cost."""
    own = settings()
    return Limits(
        lambda_memory_mb=own.lambda_memory_mb,
        lambda_concurrency=own.lambda_concurrency,
        training_instance=own.training_instance,
        processing_instance=own.processing_instance,
        processing_instances=own.processing_instances,
        max_cost_usd=own.max_cost_usd,
    )


def quota(kind: Kind, instance_type: str) -> int | None:
    """Return how many instances of a type the account may use, None where that cannot be known."""
    return instance_quota(make_client("service-quotas"), kind, instance_type)


@cache
def desk() -> Desk:
    """Return what is needed to check a request."""
    return Desk(
        world=world(),
        # On AWS the object store is on S3, and can tell of sources too.
        sources=cast("Sources", world().objects),
        limits=limits(),
        max_rows=settings().max_rows,
        database_secret=settings().database_secret,
    )

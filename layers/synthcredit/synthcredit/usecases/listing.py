"""Look at jobs and models: one, or page by page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby, islice
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.errors import InvalidInputError, NotFoundError, Problem
from synthcredit.jobs.job import Failure, Headway, Job, State
from synthcredit.jobs.placement import Placement
from synthcredit.jobs.request import JobRequest
from synthcredit.ports import ModelRegistry, World
from synthcredit.synthesizers.card import ModelCard

MAX_PAGE = 100

Item = TypeVar("Item", Job, ModelCard)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)


class JobLinks(_Model):
    """Where to go from a job, below the API's URL."""

    self: str
    results: str


class JobSummary(_Model):
    """A job, in short."""

    job_id: str
    state: State
    step: Annotated[str, Field(description="The step that runs, or ran last.")]
    rows: Annotated[int | None, Field(description="Of all tables; of a portfolio not known before it is published.")]
    synthesizer: Annotated[str, Field(description="What makes the rows: a model family, portfolio or schema.")]
    caller: Annotated[str, Field(description="Who asked for it.")]
    created_at: datetime
    updated_at: datetime
    links: JobLinks


class JobView(JobSummary):
    """A job: what was asked, where it stands, where and why its steps run, and why it failed if it did."""

    request: JobRequest
    seconds: Annotated[dict[str, float], Field(description="Wall time by step that has ended.")]
    placement: Annotated[tuple[Placement, ...], Field(description="Where each step runs, and why there.")]
    progress: Annotated[Headway | None, Field(description="How far a long step is while it runs.")] = None
    failure: Annotated[
        Failure | None, Field(description="Why it failed, or why the last attempt of the step that runs did.")
    ]
    results: Annotated[dict[str, str], Field(description="Where each table and file is, by name.")]
    rows_published: Annotated[int | None, Field(description="Rows of all tables that were published.")] = None


class JobPage(_Model):
    """Some jobs, newest first."""

    jobs: tuple[JobSummary, ...]
    next: Annotated[str | None, Field(description="Give this as `next` for the jobs that follow.")] = None


class ModelPage(_Model):
    """Some models, newest first."""

    models: tuple[ModelCard, ...]
    next: Annotated[str | None, Field(description="Give this as `next` for the models that follow.")] = None


def links_of(job_id: str) -> JobLinks:
    """Return where to go from a job."""
    return JobLinks(self=f"/jobs/{job_id}", results=f"/jobs/{job_id}/results")


def show_job(job: Job) -> JobView:
    """Return a job as it is shown."""
    return JobView(
        **_summary(job),
        request=job.request,
        seconds=job.seconds,
        placement=job.placement,
        progress=job.progress,
        failure=job.failure,
        results=job.results,
        rows_published=job.rows_published,
    )


def list_jobs(world: World, *, limit: int, state: State | None = None, after: str | None = None) -> JobPage:
    """Return jobs, newest first.

    Parameters
    ----------
    world
        Where jobs are kept.
    limit
        How many at the most.
    state
        Only jobs that stand so; all where None.
    after
        The ``next`` of the page before.

    Raises
    ------
    InvalidInputError
        ``after`` is none that was given out.
    """
    wanted = (job for job in world.jobs.all() if state in (None, job.state))
    page, token = _page(wanted, limit, after, lambda job: job.job_id)
    return JobPage(jobs=tuple(JobSummary(**_summary(job)) for job in page), next=token)


def list_models(models: ModelRegistry, *, limit: int, after: str | None = None) -> ModelPage:
    """Return models, newest first; parameters and errors as for `list_jobs`."""
    page, token = _page(models.all(), limit, after, lambda card: card.model_id)
    return ModelPage(models=tuple(page), next=token)


def get_model(model_id: str, models: ModelRegistry) -> ModelCard:
    """Return a model's card.

    Raises
    ------
    NotFoundError
        There is no such model.
    """
    card = models.find(model_id)
    if card is None:
        raise NotFoundError(Problem("model_id", "there is no such model", "See GET /models for all models."))
    return card


def _summary(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "state": job.state,
        "step": job.step,
        "rows": job.rows,
        "synthesizer": job.request.made_by,
        "caller": job.caller,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "links": links_of(job.job_id),
    }


def _page(
    items: Iterable[Item], limit: int, after: str | None, name: Callable[[Item], str]
) -> tuple[list[Item], str | None]:
    """Return the items of one page, and the token of the next if there is one."""
    left = _in_order(items, name)
    if after is not None:
        time, last = _place(after)
        left = (i for i in left if i.created_at < time or (i.created_at == time and name(i) > last))
    page = list(islice(left, limit + 1))
    if len(page) <= limit:
        return page, None
    end = page[limit - 1]
    return page[:limit], base64.urlsafe_b64encode(f"{end.created_at.isoformat()} {name(end)}".encode()).decode()


def _in_order(items: Iterable[Item], name: Callable[[Item], str]) -> Iterator[Item]:
    """Yield items that come newest first; those of the same instant by name, so that a page ends at a clear place."""
    for _, same in groupby(items, key=lambda item: item.created_at):
        yield from sorted(same, key=name)


def _place(token: str) -> tuple[datetime, str]:
    try:
        time, _, name = base64.urlsafe_b64decode(token.encode()).decode().partition(" ")
        place = datetime.fromisoformat(time)
        if place.tzinfo is None:
            raise ValueError(token)
    except (binascii.Error, ValueError):
        raise InvalidInputError(
            Problem("next", "it is not the end of a page", "Give the `next` of the page before, unchanged.")
        ) from None
    return place, name

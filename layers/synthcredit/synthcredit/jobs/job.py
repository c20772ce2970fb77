"""One job: a request on its way, and where it stands."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.jobs.placement import Placement
from synthcredit.jobs.request import JobRequest


class State(StrEnum):
    """Where a job stands."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def closed(self) -> bool:
        """Whether the job has come to its end."""
        return self in (State.SUCCEEDED, State.FAILED, State.STOPPED)


class Failure(BaseModel):
    """Why a job failed."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    step: str
    error: Annotated[str, Field(description="Name of the error, e.g. GateNotMet.")]
    problems: tuple[dict[str, str], ...]


class Headway(BaseModel):
    """How far the step that runs is."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    step: str
    done: Annotated[float, Field(ge=0, le=1, description="The fraction that is done.")]
    remaining_seconds: Annotated[float | None, Field(ge=0, description="None where that cannot be told yet.")] = None
    at: Annotated[datetime, Field(description="When it was so.")]


class Job(BaseModel):
    """One request on its way."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    job_id: str
    caller: str
    request: JobRequest
    state: State = State.ACCEPTED
    step: Annotated[str, Field(description="The step that runs, or ran last.")] = "claim"
    created_at: datetime
    updated_at: datetime
    seconds: Annotated[dict[str, float], Field(description="Wall time by step.")] = {}
    placement: Annotated[tuple[Placement, ...], Field(description="Where each step runs, and why there.")] = ()
    progress: Annotated[Headway | None, Field(description="How far a long step is while it runs.")] = None
    failure: Annotated[Failure | None, Field(description="Why it failed, or why the last attempt of a step did.")] = (
        None
    )
    results: Annotated[dict[str, str], Field(description="Links to what came out.")] = {}
    rows_published: Annotated[int | None, Field(description="Rows of all tables that were published.")] = None

    @property
    def rows(self) -> int | None:
        """Rows of the job: those that were asked for, or came out of what was."""
        return self.rows_published if self.request.rows is None else self.request.rows

    @property
    def published(self) -> bool:
        """Whether its rows are to be had: it succeeded, or failed only after that, on the way into a database."""
        failed_after = self.failure is not None and self.failure.step == LOAD
        return self.state is State.SUCCEEDED or (self.state is State.FAILED and failed_after)


LOAD = "load"
"""The step that comes after publishing, where a database is named."""


def job_id_for(caller: str, key: str) -> str:
    """Return the id of the job that a caller's idempotency key stands for: 24 hex characters."""
    return hashlib.sha256(f"{caller}\0{key}".encode()).hexdigest()[:24]


def in_words(seconds: float) -> str:
    """Return a time that is left as people say it: ``40 s left``, ``12 min left``, ``3.5 h left``."""
    if seconds < 90:
        return f"{seconds:.0f} s left"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min left"
    return f"{seconds / 3600:.1f} h left"


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)

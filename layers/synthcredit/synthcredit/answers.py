"""The one place that maps errors to answers: an error to an HTTP problem, a state machine's word back to an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.errors import (
    ConflictError,
    GateNotMetError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    NotReadyError,
    Problem,
    StoppedError,
    StorageError,
    SynthcreditError,
)
from synthcredit.jobs.job import Job

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class ProblemItem(BaseModel):
    """One thing that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    field: Annotated[str, Field(description="What is wrong, e.g. source.target.")]
    problem: Annotated[str, Field(description="What is wrong with it.")]
    fix: Annotated[str, Field(description="What to do about it.")]


class ProblemBody(BaseModel):
    """Why a request was refused (RFC 9457), with everything that is wrong with it at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    type: Annotated[str, Field(description="The kind of problem, as a URN: urn:synthcredit:problem:NAME.")]
    title: str
    status: int
    detail: str
    instance: Annotated[str, Field(description="Id of the HTTP request, to look for in the log.")]
    error: Annotated[str, Field(description="Name of the error, e.g. InvalidInput; empty from the gateway.")] = ""
    problems: tuple[ProblemItem, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that is not what was hoped for."""

    status: int
    body: ProblemBody
    headers: Mapping[str, str] = field(default_factory=dict)


_HTTP: Sequence[tuple[type[SynthcreditError], HTTPStatus, str]] = (
    (GoneError, HTTPStatus.GONE, "It has been cleared away"),
    (NotFoundError, HTTPStatus.NOT_FOUND, "It does not exist"),
    (NotReadyError, HTTPStatus.CONFLICT, "It is still being made"),
    (ConflictError, HTTPStatus.UNPROCESSABLE_ENTITY, "The idempotency key was used for another request"),
    (InvalidInputError, HTTPStatus.BAD_REQUEST, "The request cannot be worked with"),
    (GateNotMetError, HTTPStatus.CONFLICT, "The evidence does not meet the gate"),
    (StoppedError, HTTPStatus.CONFLICT, "The job was stopped"),
    (StorageError, HTTPStatus.SERVICE_UNAVAILABLE, "Storage is out of reach"),
    (SynthcreditError, HTTPStatus.INTERNAL_SERVER_ERROR, "It failed"),
)
"""Status and title by error, the particular before the general."""

FAULT = SynthcreditError(
    Problem("synthcredit", "a fault of its own", "Try again; if it stays so, look for this request in the log.")
)
"""What is said of anything that was not raised on purpose; the log has the rest."""


def http_answer(error: Exception, instance: str) -> Answer:
    """Return the HTTP answer to an error.

    Parameters
    ----------
    error
        What was raised. Of anything but a `SynthcreditError` nothing is told.
    instance
        Id of the HTTP request.
    """
    known = error if isinstance(error, SynthcreditError) else FAULT
    status, title = next((status, title) for kind, status, title in _HTTP if isinstance(known, kind))
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return problem_answer(status, title, known.name, known.problems, instance, headers)


def problem_answer(
    status: HTTPStatus,
    title: str,
    name: str,
    problems: Sequence[Problem],
    instance: str,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return a problem that only HTTP knows: a body too large, a path that is not there."""
    items = tuple(ProblemItem(field=p.field, problem=p.problem, fix=p.fix) for p in problems)
    body = ProblemBody(
        type=f"urn:synthcredit:problem:{name}",
        title=title,
        status=status,
        detail=" ".join(str(problem) for problem in problems),
        instance=instance,
        error=name,
        problems=items,
    )
    return Answer(status, body, headers or {})


# ---------------------------------------------------------------- what a state machine says


def reason_for(job: Job, error: str, cause: str) -> SynthcreditError:
    """Return why a job ended, from what the state machine says of it.

    A state machine hands on an error's name and a text. The text may come from anywhere, so that it is shown only
    where one of our own errors wrote it; the problems themselves are on the job, where the step left them.

    Parameters
    ----------
    job
        The job as it stands; its ``failure`` is what the last attempt of a step left.
    error, cause
        The names of Amazon States Language: a Lambda function's exception class, ``States.Timeout``, ...
    """
    told = _told(cause)
    kind = _named(error, told)
    left = _left_on(job, error, kind)
    if left is not None:
        return left
    if kind is not None:
        return _own_words(job, kind, told)
    return SynthcreditError(_quota(error, cause) or _broken(job, error, told) or _fault(job))


def stopped(job: Job, who: str | None = None) -> StoppedError:
    """Return that a job was stopped, and by whom where that is known."""
    if who is None and job.failure is not None and job.failure.error == StoppedError.name:
        return StoppedError([Problem(**problem) for problem in job.failure.problems])
    by = f" by {who}" if who else ""
    return StoppedError(
        Problem(f"job {job.job_id}", f"it was stopped{by}", "Submit it again under a new key to run it.")
    )


_WRAPPERS = frozenset({"States.TaskFailed", "States.ExceedToleratedFailureThreshold"})
"""Names that stand for what failed inside: a machine of SageMaker, a shard of a Distributed Map."""


def _kinds(kind: type[SynthcreditError] = SynthcreditError) -> Iterator[type[SynthcreditError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


def _told(cause: str) -> dict[str, Any]:
    """Return a cause that is JSON: what Lambda says of an exception, or how SageMaker describes a job."""
    try:
        loaded = json.loads(cause)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _named(error: str, told: Mapping[str, Any]) -> type[SynthcreditError] | None:
    """Return our error that is meant: by its class name, or in the words that a container left for SageMaker."""
    by_name = {kind.__name__: kind for kind in _kinds()}
    if error in by_name:
        return by_name[error]
    words = re.findall(r"\w+", _failure_text(told)) if error in _WRAPPERS else []
    return next((by_name[word] for word in words if word in by_name), None)


def _failure_text(told: Mapping[str, Any]) -> str:
    return f"{told.get('FailureReason') or ''} {told.get('ExitMessage') or ''}"


def _left_on(job: Job, error: str, kind: type[SynthcreditError] | None) -> SynthcreditError | None:
    """Return the error that the step left on the job, if it is the one that is meant."""
    if job.failure is None:
        return None
    by_name = {each.name: each for each in _kinds()}
    left = by_name.get(job.failure.error, SynthcreditError)
    wrapped = kind is None and error in _WRAPPERS and job.failure.step == job.step
    if left is not kind and not wrapped:
        return None
    return left([Problem(**problem) for problem in job.failure.problems])


def _own_words(job: Job, kind: type[SynthcreditError], told: Mapping[str, Any]) -> SynthcreditError:
    """Return one of our errors that left nothing on the job: its text is ours, and holds no value of the data."""
    if kind is StoppedError:
        return stopped(job)
    lines = [line for line in str(told.get("errorMessage") or "").splitlines() if line]
    if not lines:
        return kind(Problem(f"step {job.step}", f"it ended with {kind.name}", "See the log of the step."))
    return kind([Problem(f"step {job.step}", line.rstrip("."), "Mend it, and submit again.") for line in lines])


_QUOTA = re.compile(r"'(?P<instance>ml\.[\w.-]+) for (?P<use>[a-z ]+) usage'")


def _quota(error: str, cause: str) -> Problem | None:
    """Return what to do where SageMaker refuses a machine for want of quota."""
    if "ResourceLimitExceeded" not in error and "ResourceLimitExceeded" not in cause:
        return None
    found = _QUOTA.search(cause)
    instance = found["instance"] if found else "the instance type"
    use = found["use"] if found else "this kind of job"
    parameter = "TrainingInstanceType" if use.startswith("training") else "ProcessingInstanceType"
    return Problem(
        f"quota of {instance}",
        f"this account may not run (so many of) {instance} for {use}",
        f"Ask for '{instance} for {use} usage' under Service Quotas, Amazon SageMaker; or deploy with a type that "
        f"the account may run (template parameter {parameter}).",
    )


_TIMED_OUT = frozenset({"States.Timeout", "Sandbox.Timedout", "States.HeartbeatTimeout"})
_KILLED = frozenset({"Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown"})
_EXIT_CODE_OF_KILLED = "137"


def _broken(job: Job, error: str, told: Mapping[str, Any]) -> Problem | None:
    """Return what is known of a step that was cut off, or of a machine that failed."""
    place = f"step {job.step}"
    reason = _failure_text(told)
    if error in _TIMED_OUT or "MaxRuntimeExceeded" in reason:
        return Problem(place, "it ran longer than it may", "Ask for fewer rows, or give smaller data.")
    if error in _KILLED or re.search(rf"exit code: {_EXIT_CODE_OF_KILLED}\b", reason, re.IGNORECASE):
        return Problem(
            place,
            "its process was killed, most likely for want of memory",
            "Ask for fewer rows, or deploy with more memory (template parameters LambdaMemory, TrainingInstanceType, "
            "ProcessingInstanceType).",
        )
    if error == "States.ExceedToleratedFailureThreshold":
        return Problem(place, "a shard failed more often than it is tried", "See the log of the step; submit again.")
    name = told.get("TrainingJobName") or told.get("ProcessingJobName")
    if name:
        return Problem(place, f"SageMaker job {name} failed", "See that job's log; submit again.")
    return None


def _fault(job: Job) -> Problem:
    return Problem("synthcredit", f"a fault of its own, in step {job.step}", f"See the log for job {job.job_id}.")

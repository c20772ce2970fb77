"""Take in what was dropped into the inbox: a request, or data for a request that says nothing but its defaults."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import PurePosixPath

from synthcredit.errors import InvalidInputError, Problem
from synthcredit.jobs.job import Job, job_id_for
from synthcredit.jobs.request import DatasetSource, JobRequest, parse_request
from synthcredit.ports import Executions
from synthcredit.steps.fail import announce
from synthcredit.steps.standing import failure_of
from synthcredit.usecases.estimate import Desk
from synthcredit.usecases.submit import submit

DEFAULT_ROWS = 10_000
MAX_REQUEST_BYTES = 200 * 1024
"""A request as a file, as over HTTP."""

_DATA = (".csv", ".parquet")

log = logging.getLogger("synthcredit.usecases")


@dataclass(frozen=True, slots=True)
class Dropped:
    """An object in the inbox."""

    bucket: str
    key: str
    size: int
    version: str | None
    """None where the bucket keeps no versions."""
    etag: str

    @property
    def uri(self) -> str:
        """The object, and just this version of it."""
        return f"s3://{self.bucket}/{self.key}" + (f"?versionId={self.version}" if self.version else "")

    @property
    def caller(self) -> str:
        """Who asks: whoever may write into the bucket."""
        return f"drop:{self.bucket}"

    @property
    def idempotency_key(self) -> str:
        """The same object delivered twice is one request; a new version of it is another."""
        return f"{self.key}:{self.version or self.etag}"

    @property
    def job_id(self) -> str:
        """The job that it becomes."""
        return job_id_for(self.caller, self.idempotency_key)


def drop(dropped: Dropped, desk: Desk, executions: Executions) -> tuple[Job | None, bool]:
    """Submit what was dropped.

    Nobody waits for an answer, so that a request that cannot be worked with is announced as a job that failed.

    Returns
    -------
    job, new
        The job, None where the request was refused, and whether it was put now.

    Raises
    ------
    StorageError
        A bucket or the job store is out of reach: trying again may do.
    """
    try:
        request = _request(dropped, desk)
        return submit(request, desk, executions, caller=dropped.caller, key=dropped.idempotency_key)
    except InvalidInputError as error:
        log.warning("drop: refused: %s", error)
        announce("JobFailed", dropped.job_id, failure_of("claim", error), desk.world)
        return None, False


def _request(dropped: Dropped, desk: Desk) -> JobRequest:
    suffix = PurePosixPath(dropped.key).suffix.lower()
    if suffix in _DATA:
        return JobRequest(source=DatasetSource(kind="dataset", uri=dropped.uri), rows=DEFAULT_ROWS)
    if suffix != ".json":
        known = ", ".join((".json", *_DATA))
        raise InvalidInputError(
            Problem(f"file {dropped.key}", f"the extension '{suffix}' is not known", f"Drop one of: {known}.")
        )
    if dropped.size > MAX_REQUEST_BYTES:
        raise InvalidInputError(
            Problem(
                f"file {dropped.key}",
                f"it has {dropped.size:,} bytes, and a request has at most {MAX_REQUEST_BYTES:,}",
                "Put data into a file of its own, and name it in source.uri.",
            )
        )
    with desk.world.objects.source(dropped.uri) as path:
        return parse_request(path.read_bytes())

"""Close: what no Catch sees, an execution that was stopped, took too long or broke off, closes its job too."""

from __future__ import annotations

from typing import Any

from synthcredit.answers import reason_for, stopped
from synthcredit.aws.runtime import about, count_end, entry, logger, world
from synthcredit.errors import NotFoundError, SynthcreditError
from synthcredit.jobs.job import Job
from synthcredit.usecases.end import end


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Close the job of an execution that has ended; a job that is closed, or that nobody knows, stays as it is."""
    execution = event["detail"]
    job_id = execution["name"]
    about(job_id)
    try:
        count_end(*end(job_id, lambda job: _reason(job, execution), world()))
    except NotFoundError:
        logger.warning("close: an execution ended whose job is not known", extra={"status": execution["status"]})
    return {"job_id": job_id}


def _reason(job: Job, execution: dict[str, Any]) -> SynthcreditError:
    if execution["status"] == "ABORTED":
        return stopped(job)
    error = "States.Timeout" if execution["status"] == "TIMED_OUT" else execution.get("error") or ""
    return reason_for(job, error, execution.get("cause") or "")

"""Fail: close a job whose step failed, and take back what it made."""

from __future__ import annotations

from typing import Any

from synthcredit.answers import reason_for
from synthcredit.aws.runtime import about, count_end, entry, world
from synthcredit.usecases.end import end


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Close the job that the state machine caught an error of."""
    about(event["job_id"])
    caught = event.get("error") or {}
    count_end(
        *end(
            event["job_id"],
            lambda job: reason_for(job, caught.get("Error") or "", caught.get("Cause") or ""),
            world(),
        )
    )
    return {"job_id": event["job_id"]}

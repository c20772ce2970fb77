"""Notify: say that a job has succeeded."""

from __future__ import annotations

from typing import Any

from synthcredit.aws.runtime import about, count, entry, world
from synthcredit.steps.notify import notify


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Close a job that has published its data, and announce it."""
    about(event["job_id"])
    notify(event["job_id"], world())
    count("JobsSucceeded")
    return {"job_id": event["job_id"]}

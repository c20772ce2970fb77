"""Claim: take a job up, as the first thing that its execution does."""

from __future__ import annotations

from typing import Any

from synthcredit.aws.runtime import about, entry, world
from synthcredit.steps.claim import take


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Mark a job as running."""
    about(event["job_id"])
    take(event["job_id"], world())
    return {"job_id": event["job_id"]}

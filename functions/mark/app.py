"""Mark: note when a step of many machines begins and ends."""

from __future__ import annotations

from typing import Any

from synthcredit.aws.runtime import about, entry, world
from synthcredit.steps.mark import mark


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Note the begin or the end of a step."""
    about(event["job_id"])
    mark(event["job_id"], event["step"], event["phase"], world())
    return {"job_id": event["job_id"]}

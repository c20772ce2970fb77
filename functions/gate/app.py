"""Gate: stop data whose evidence is not good enough."""

from __future__ import annotations

from typing import Any

from synthcredit.aws.runtime import about, entry, world
from synthcredit.steps.gate import gate


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Judge a job's evidence; raises GateNotMetError where it does not do."""
    about(event["job_id"])
    gate(event["job_id"], world())
    return {"job_id": event["job_id"]}

"""Drop: what is put into the inbox under drop/ becomes a job."""

from __future__ import annotations

from typing import Any

from synthcredit.aws.runtime import about, count, desk, entry, executions
from synthcredit.usecases.drop import Dropped, drop


@entry
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Submit an object that was created."""
    created = event["detail"]["object"]
    if created["key"].endswith("/"):
        # A folder that somebody made in the console.
        return {"job_id": None}
    dropped = Dropped(
        bucket=event["detail"]["bucket"]["name"],
        key=created["key"],
        size=created["size"],
        version=created.get("version-id"),
        etag=created["etag"],
    )
    about(dropped.job_id)
    job, new = drop(dropped, desk(), executions())
    if job is None:
        count("JobsRefused")
    elif new:
        count("JobsAccepted")
    return {"job_id": dropped.job_id}

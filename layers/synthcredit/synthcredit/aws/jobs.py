"""The job store on DynamoDB: one item a job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

from botocore.exceptions import ClientError

from synthcredit.aws.clients import Client
from synthcredit.aws.refusals import code_of, refusals
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, StoppedError
from synthcredit.jobs.job import Job, State

INDEX = "newest"
"""The index that lists jobs by time: hash key ``kind``, range key ``created_at``, all attributes."""
KIND = "job"
"""The one value of ``kind``."""
KEPT = timedelta(days=400)
"""How long a job is remembered: a year, and some days to look at it."""
MAX_REQUEST_BYTES = 200_000
"""An item holds 400 KB; the rest is room for what the steps add: failures, placement, results."""

_CLOSED = {f":{state}": {"S": str(state)} for state in State if state.closed}
_PAGE = 100


class DynamoJobs:
    """One item a job.

    Parameters
    ----------
    client
        A DynamoDB client of boto3.
    table
        The name of the table: hash key ``job_id``, time to live ``expires_at``, index `INDEX`.
    """

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table
        self._place = f"table {table}"

    def create(self, job: Job) -> bool:
        """Put a new job; DynamoDB decides between two that come at once.

        Raises
        ------
        InvalidInputError
            The request is larger than the table can hold.
        """
        item = _item(job)
        size = len(item["body"]["S"].encode())
        if size > MAX_REQUEST_BYTES:
            raise InvalidInputError(
                Problem(
                    "request",
                    f"it has {size:,} bytes, and at most {MAX_REQUEST_BYTES:,} can be kept",
                    "Shorten the schema, most likely the categories of its columns, or leave it to be detected.",
                )
            )
        with refusals(self._place):
            return self._put(item, ConditionExpression="attribute_not_exists(job_id)")

    def get(self, job_id: str) -> Job:
        """Return a job, as the last update left it."""
        if not job_id.isalnum():
            raise _unknown()
        with refusals(self._place):
            answer = self._client.get_item(TableName=self._table, Key={"job_id": {"S": job_id}}, ConsistentRead=True)
        if "Item" not in answer:
            raise _unknown()
        return _job(answer["Item"])

    def update(self, job: Job) -> None:
        """Replace a job, unless it was closed meanwhile; that a job has succeeded may be said twice."""
        with refusals(self._place):
            replaced = self._put(
                _item(job),
                ConditionExpression="attribute_exists(job_id) AND "
                f"(#state = :new AND :new = :{State.SUCCEEDED} OR NOT #state IN ({', '.join(_CLOSED)}))",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={**_CLOSED, ":new": {"S": str(job.state)}},
            )
        if not replaced:
            standing = self.get(job.job_id)
            raise StoppedError(
                Problem(
                    f"job {job.job_id}",
                    f"it was closed meanwhile: {standing.state}",
                    "Submit it again, under a new idempotency key, to run it.",
                )
            )

    def all(self) -> Iterator[Job]:
        """Yield every job, newest first; read page by page as they are taken."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=INDEX,
            KeyConditionExpression="#kind = :kind",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":kind": {"S": KIND}},
            ScanIndexForward=False,
            PaginationConfig={"PageSize": _PAGE},
        )
        with refusals(self._place):
            for page in pages:
                yield from map(_job, page["Items"])

    def _put(self, item: dict[str, dict[str, str]], **condition: Any) -> bool:  # noqa: ANN401 - boto3's own arguments
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True


def _item(job: Job) -> dict[str, dict[str, str]]:
    created = job.created_at.astimezone(UTC)
    return {
        "job_id": {"S": job.job_id},
        "body": {"S": job.model_dump_json(by_alias=True)},
        "state": {"S": str(job.state)},
        "kind": {"S": KIND},
        # All digits always, so that text sorts as time does.
        "created_at": {"S": created.isoformat(timespec="microseconds")},
        "expires_at": {"N": str(int((created + KEPT).timestamp()))},
    }


def _job(item: dict[str, dict[str, str]]) -> Job:
    return Job.model_validate_json(item["body"]["S"])


def _unknown() -> NotFoundError:
    return NotFoundError(Problem("job_id", "there is no such job", "Look at the id."))

"""Running the state machine of Step Functions on jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from synthcredit.aws.clients import Client
from synthcredit.aws.refusals import code_of, refusals


class StateMachine:
    """One state machine, whose executions have the names of jobs.

    Parameters
    ----------
    client
        A Step Functions client of boto3.
    arn
        The state machine.
    """

    def __init__(self, client: Client, arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, job_id: str) -> None:
        """Start the execution that has the job's name; one that was started stays as it is."""
        with refusals(self._arn), _passing("ExecutionAlreadyExists"):
            content = json.dumps({"job_id": job_id})
            self._client.start_execution(stateMachineArn=self._arn, name=job_id, input=content)

    def stop(self, job_id: str) -> None:
        """Stop a job's execution; one that has ended, or never began, stays as it is."""
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{job_id}"
        with refusals(self._arn), _passing("ExecutionDoesNotExist"):
            self._client.stop_execution(executionArn=arn, error="Stopped", cause="Somebody stopped the job.")


@contextmanager
def _passing(code: str) -> Iterator[None]:
    """Let one of AWS's errors pass, which says that all is as wanted."""
    try:
        yield
    except ClientError as error:
        if code_of(error) != code:
            raise

import json

import pytest
from botocore.stub import Stubber

from synthcredit.aws.clients import make_client
from synthcredit.aws.executions import StateMachine
from synthcredit.errors import StorageError

ROLE = "arn:aws:iam::123456789012:role/machine"
DEFINITION = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 900, "End": True}}})


@pytest.fixture
def client():
    return make_client("stepfunctions")


@pytest.fixture
def arn(client):
    return client.create_state_machine(name="synthesis", definition=DEFINITION, roleArn=ROLE)["stateMachineArn"]


def test_an_execution_has_the_jobs_name_and_input(client, arn):
    StateMachine(client, arn).start("job1")
    (execution,) = client.list_executions(stateMachineArn=arn)["executions"]
    assert execution["name"] == "job1"
    described = client.describe_execution(executionArn=execution["executionArn"])
    assert (json.loads(described["input"]), described["status"]) == ({"job_id": "job1"}, "RUNNING")


def test_starting_twice_is_starting_once_even_after_the_end(client, arn):
    machine = StateMachine(client, arn)
    machine.start("job1")
    machine.start("job1")
    machine.stop("job1")
    machine.start("job1")
    (execution,) = client.list_executions(stateMachineArn=arn)["executions"]
    assert execution["status"] == "ABORTED"


def test_what_is_stopped_is_aborted_and_nothing_else(client, arn):
    machine = StateMachine(client, arn)
    machine.start("job1")
    machine.start("job2")
    for _ in range(2):
        machine.stop("job1")
    states = {one["name"]: one["status"] for one in client.list_executions(stateMachineArn=arn)["executions"]}
    assert states == {"job1": "ABORTED", "job2": "RUNNING"}


def test_what_never_began_can_be_stopped(client, arn):
    StateMachine(client, arn).stop("job1")
    assert client.list_executions(stateMachineArn=arn)["executions"] == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExecutionLimitExceeded", "no capacity"),
        ("StateMachineDoesNotExist", "does not exist"),
        ("AccessDeniedException", "access is denied"),
    ],
)
def test_what_step_functions_refuses_is_said(client, arn, code, words):
    with Stubber(client) as stub:
        stub.add_client_error("start_execution", code)
        with pytest.raises(StorageError, match=words):
            StateMachine(client, arn).start("job1")
        stub.add_client_error("stop_execution", code)
        with pytest.raises(StorageError, match=words):
            StateMachine(client, arn).stop("job1")

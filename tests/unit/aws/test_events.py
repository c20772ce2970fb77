import json

import pytest
from botocore.stub import Stubber

from synthcredit.aws.clients import make_client
from synthcredit.aws.events import BusEvents
from synthcredit.errors import StorageError


@pytest.fixture
def client():
    client = make_client("events")
    client.create_event_bus(Name="bus")
    return client


def _sent(client, emit):
    entries = []
    client.meta.events.register(
        "before-parameter-build.events.PutEvents", lambda params, **_: entries.extend(params["Entries"])
    )
    emit()
    return entries


def test_events_go_to_the_platforms_bus(client):
    detail = {"job_id": "1", "problems": ["naïve"]}
    (entry,) = _sent(client, lambda: BusEvents(client, "bus").emit("JobFailed", detail))
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("synthcredit", "JobFailed", "bus")
    assert json.loads(entry["Detail"]) == detail


def test_a_rule_on_the_bus_hears_of_them(client):
    queue = make_client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    client.put_rule(Name="all", EventBusName="bus", EventPattern=json.dumps({"source": ["synthcredit"]}))
    target = {"Id": "1", "Arn": "arn:aws:sqs:eu-central-1:123456789012:heard"}
    client.put_targets(Rule="all", EventBusName="bus", Targets=[target])
    BusEvents(client, "bus").emit("JobAccepted", {"job_id": "1"})
    (message,) = make_client("sqs").receive_message(QueueUrl=queue)["Messages"]
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == ("synthcredit", "JobAccepted", {"job_id": "1"})


def test_an_event_that_is_not_taken_is_said(client):
    with Stubber(client) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]})
        with pytest.raises(StorageError, match="bus bus: AWS refused an event: ThrottlingException"):
            BusEvents(client, "bus").emit("JobAccepted", {"job_id": "1"})


def test_a_bus_that_may_not_be_used_is_said(client):
    with Stubber(client) as stub:
        stub.add_client_error("put_events", "AccessDeniedException")
        with pytest.raises(StorageError, match="access is denied"):
            BusEvents(client, "bus").emit("JobAccepted", {"job_id": "1"})


def test_events_stay_small(client):
    room = 8 * 1024 - len(json.dumps({"text": ""}))
    BusEvents(client, "bus").emit("JobFailed", {"text": "x" * room})
    with pytest.raises(ValueError, match="8193 bytes, and at most 8192"):
        BusEvents(client, "bus").emit("JobFailed", {"text": "x" * (room + 1)})

"""The functions as Lambda loads them, on an AWS in this process."""

import importlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from moto import mock_aws

# Here, since the X-Ray SDK opens a socket when it is imported, and tests may not.
from synthcredit.aws import clients, runtime
from synthcredit.aws.clients import make_client
from synthcredit.aws.events import BusEvents

ROOT = Path(__file__).parents[3]
ACCOUNT, REGION = "123456789012", "eu-central-1"
LAKE, INBOX = f"synthcredit-lake-{ACCOUNT}", f"synthcredit-inbox-{ACCOUNT}"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:synthcredit-synthesis"
ENVIRONMENT = {
    "SYNTHCREDIT_LAKE_BUCKET": LAKE,
    "SYNTHCREDIT_INBOX_BUCKET": INBOX,
    "SYNTHCREDIT_JOBS_TABLE": "jobs",
    "SYNTHCREDIT_BUS": "bus",
    "SYNTHCREDIT_DATABASE": "lake",
    "SYNTHCREDIT_STATE_MACHINE": MACHINE,
    "SYNTHCREDIT_MAX_ROWS": "1000000",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
CONTEXT = SimpleNamespace(
    function_name="test",
    memory_limit_in_mb=128,
    invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:test",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72",
)


@dataclass
class Aws:
    """The account: what is in it, and what was asked of it."""

    s3: object
    table: object
    states: object
    events: list

    def put(self, key: str, content: bytes, bucket: str = INBOX) -> str:
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=content)
        return answer["VersionId"]


@pytest.fixture(autouse=True, scope="module")
def _own_session():
    """Keep a module's session, which is slow to make, and nobody else's."""
    clients.session.cache_clear()
    yield
    clients.session.cache_clear()


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        account = Aws(make_client("s3"), make_client("dynamodb"), make_client("stepfunctions"), _emitted(monkeypatch))
        _make(account)
        _forget()
        yield account
        _forget()


def _make(account: Aws) -> None:
    for bucket in (LAKE, INBOX):
        account.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        account.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    account.table.create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("job_id", "kind", "created_at")],
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "newest",
                "KeySchema": [
                    {"AttributeName": "kind", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    make_client("events").create_event_bus(Name="bus")
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    role = f"arn:aws:iam::{ACCOUNT}:role/machine"
    account.states.create_state_machine(name="synthcredit-synthesis", definition=definition, roleArn=role)


def _emitted(monkeypatch) -> list:
    """Listen to what is emitted."""
    heard: list = []
    emit = BusEvents.emit

    def listening(self, detail_type, detail):
        emit(self, detail_type, detail)
        heard.append((detail_type, detail))

    monkeypatch.setattr(BusEvents, "emit", listening)
    return heard


def _forget() -> None:
    """Let nothing live on that was made for another test."""
    for made in (runtime.settings, runtime.world, runtime.executions, runtime.links, runtime.limits, runtime.desk):
        made.cache_clear()


@pytest.fixture
def load(aws, monkeypatch):
    """Import a function's app.py as Lambda does, and return its module."""

    def load(name: str):
        for module in ("app", "edge", "openapi"):
            sys.modules.pop(module, None)
        monkeypatch.syspath_prepend(str(ROOT / "functions" / name))
        return importlib.import_module("app")

    yield load
    for module in ("app", "edge", "openapi"):
        sys.modules.pop(module, None)


@pytest.fixture
def call(load):
    """Call a function with an event, by default its sample."""

    def call(name: str, event: dict | None = None):
        return load(name).handler(sample(name) if event is None else event, CONTEXT)

    return call


def sample(name: str) -> dict:
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


@pytest.fixture(name="sample")
def _sample():
    return sample


@pytest.fixture(scope="session")
def german() -> bytes:
    return (ROOT / "data" / "german_credit.csv").read_bytes()


@pytest.fixture
def logged(monkeypatch):
    """What the functions have logged: JSON, line by line."""
    stream = io.StringIO()
    monkeypatch.setattr(runtime.logger.handlers[0], "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def context() -> SimpleNamespace:
    """What Lambda tells of a call."""
    return CONTEXT
